from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.frames import Word
from beluga_voice.providers.tts.hibari.text import halves, pause_after, sentences, speakable
from beluga_voice.providers.tts.hibari.timing import DURATIONS, align, with_durations, within


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Plain text, as it is.", "Plain text, as it is."),
        ("**Bold**, *it*, __b__, _i_ and `code`.", "Bold, it, b, i and code."),
        ("~~gone~~ here", "gone here"),
        ("# Heading\ntext", "Heading\ntext"),
        ("- one\n* two\n• three\n> quote", "one\ntwo\nthree\nquote"),
        ("1. one\n2. two", "1. one\n2. two"),
        ("See [our page](https://a.example/x) now", "See our page now"),
        ("![a cat](cat.png) sits", "a cat sits"),
        ("Go to https://www.example.com/a/b?c=d#e.", "Go to example.com."),
        ("Go to <https://example.com>, then", "Go to example.com, then"),
        ("(https://example.com/x)", "(example.com)"),
        ("Great 👍🏽! We ❤️ it 🇫🇷", "Great! We it"),
        ("```python\nx = 1\n```", "x = 1"),
        ("a<br>b", "a b"),
        ("---\ntext\n***", "text"),
        ("| day | time |\n|---|---|\n| Monday | nine |", "day, time\nMonday, nine"),
        ("snake_case_name", "snake case name"),
        ("20° outside, 3 < 4", "20° outside, 3 < 4"),
        ("2 * 3", "2 * 3"),
        ("code 1234567890123456", "code 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6"),
        ("555-1234 and 1,000,000", "555-1234 and 1,000,000"),
        ("don't", "don't"),
        ("🙂", ""),
        ("***", ""),
    ],
)
def test_speakable(text: str, said: str) -> None:
    assert speakable(text) == said


@given(st.text(max_size=300))
def test_any_text_becomes_sentences(text: str) -> None:
    said = speakable(text)
    assert all(line == line.strip() and line for line in said.splitlines())
    planned = sentences(text)
    for sentence in planned:
        assert any(c.isalnum() for c in sentence.text)
        assert len(sentence.text) <= 240
    assert not planned or [w for s in planned for w in s.words] == text.split()


def said(text: str) -> list[tuple[str, float | None]]:
    return [(s.text, s.pause) for s in sentences(text)]


def test_sentences_and_their_pauses() -> None:
    assert said("Dr. Smith is in. Come at nine,") == [("Dr. Smith is in.", None), ("Come at nine,", 0.18)]
    assert said("one\ntwo\nthe last that") == [("one", None), ("two", None), ("the last that", 0.04)]
    assert pause_after('Really?"') is None
    assert pause_after("and so") == 0.04


def test_every_word_as_written_belongs_to_a_sentence() -> None:
    text = "🙂 **Hello** you! See [our page](https://a.example/x_y) now 👍 - it is good. ---"
    assert [" ".join(s.words) for s in sentences(text)] == [
        "🙂 **Hello** you!",
        "See [our page](https://a.example/x_y) now 👍 - it is good. ---",
    ]


def test_long_sentences_are_cut_at_clauses() -> None:
    text = "This is a clause of some length, " * 12 + "and the end."
    parts = [s.text for s in sentences(text)]
    assert all(len(p) <= 240 for p in parts)
    assert " ".join(parts) == text
    assert all(p.endswith(",") for p in parts[:-1])
    assert halves("a") is None
    assert halves("ab") == ("a", "b")


def test_align_equal_words() -> None:
    spoken = [("hello", 0.0, 0.4), ("there", 0.4, 0.8)]
    assert align(["Hello,", "there!"], spoken) == (Word("Hello,", 0.0, 0.4), Word("there!", 0.4, 0.8))


def test_align_shares_out_what_is_said_differently() -> None:
    spoken = [("at", 0.0, 0.1), ("nine", 0.1, 0.4), ("thirty", 0.4, 0.8), ("sharp", 0.8, 1.0)]
    words = align(["at", "9:30", "sharp"], spoken)
    assert words[1] == Word("9:30", 0.1, 0.8)
    two = align(["at", "9", ":", "30", "sharp"], spoken)
    assert [w.text for w in two] == ["at", "9", ":", "30", "sharp"]
    assert two[1].start == 0.1
    assert two[3].end == pytest.approx(0.8)


def test_align_words_without_sound_take_no_time() -> None:
    assert align(["a", "-", "b"], [("a", 0.0, 0.2), ("b", 0.3, 0.5)])[1] == Word("-", 0.2, 0.2)
    assert align(["a"], [("a", 0.0, 0.2), ("b", 0.3, 0.5)]) == (Word("a", 0.0, 0.5),)
    assert align(["a"], []) == ()


token = st.sampled_from("one two three 9:30 - $4 nine thirty four dollars".split())


@given(st.lists(token, max_size=12), st.lists(token, min_size=1, max_size=12))
def test_align_gives_each_written_word_one_time_in_order(written: list[str], said: list[str]) -> None:
    spoken = [(w, i * 0.5, i * 0.5 + 0.4) for i, w in enumerate(said)]
    words = align(written, spoken)
    assert [w.text for w in words] == written
    edges = [t for w in words for t in (w.start, w.end)]
    assert edges == sorted(edges)
    assert all(0 <= t <= len(said) * 0.5 for t in edges)


def test_within_counts_from_the_piece() -> None:
    words = (Word("a", 0.0, 0.3), Word("b", 0.3, 0.5))
    assert within(words, 0.2, 0.4) == (Word("b", pytest.approx(0.1), pytest.approx(0.3)),)


def test_a_model_without_durations_is_left_alone() -> None:
    assert with_durations(b"abc") == b"abc"
    model = b"abc" + DURATIONS.encode()
    assert with_durations(model).startswith(model)
    assert len(with_durations(model)) > len(model)
