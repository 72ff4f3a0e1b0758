from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.completeness import completeness
from beluga_voice.core.voices import attributed, plain, rendered, utterances, voices
from beluga_voice.core.words import content_words, is_backchannel, split_words

ANN, BOB = attributed("ann", "what time is it"), attributed("bob", "yes")


def test_who_said_what_is_in_the_text() -> None:
    assert utterances(f"{ANN} {BOB}") == (("ann", "what time is it"), ("bob", "yes"))
    assert utterances("hello") == (("", "hello"),)
    assert utterances("") == utterances("  ") == ()
    assert attributed("ann", "  ") == ""


def test_what_one_person_says_in_a_row_is_one_utterance() -> None:
    again = attributed("ann", "and where")
    assert utterances(f"{ANN} {again} {BOB}") == (("ann", "what time is it and where"), ("bob", "yes"))
    assert voices(f"{ANN} {BOB} {again}") == ("what time is it and where", "yes")


def test_words_without_a_mark_among_marked_ones() -> None:
    assert utterances(f"hello {ANN} {attributed('', 'there')}") == (
        ("", "hello"),
        ("ann", "what time is it"),
        ("", "there"),
    )


@given(who=st.text(), words=st.text())
def test_any_identity_and_any_words_survive(who: str, words: str) -> None:
    clean = words.replace("\ue000", "").replace("\ue001", "").strip()
    expected = who.replace("\ue000", "").replace("\ue001", "")
    assert utterances(attributed(who, words)) == (((expected, clean),) if clean else ())


@given(st.text(alphabet="ab \ue000\ue001"))
def test_no_text_breaks_it(text: str) -> None:
    assert "\ue000" not in plain(text)
    assert all(words for _, words in utterances(text))
    assert 0 <= completeness(text) <= 1


def test_readers_see_names_only_where_there_are_several() -> None:
    assert rendered(utterances(ANN)) == "what time is it"
    assert rendered(utterances(f"{ANN} {BOB}"), str.title) == "Ann: what time is it\nBob: yes"
    assert rendered(utterances(f"{ANN} hello"), lambda _: "") == "what time is it hello"
    assert rendered((("", "hi"), ("bob", "yes"))) == "Somebody: hi\nbob: yes"


def test_names_are_no_words() -> None:
    assert split_words(f"{ANN} {BOB}") == ["what", "time", "is", "it", "yes"]
    assert content_words(attributed("stop", "mm-hmm")) == 0


def test_each_speaker_is_judged_by_their_own_words() -> None:
    murmurs = " ".join(attributed(who, "yeah") for who in "abcdef")
    assert is_backchannel(murmurs)
    assert content_words(murmurs) == 0
    assert content_words(f"{murmurs} {attributed('g', 'stop it')}") == 2
    unfinished = attributed("ann", "I would like to book a table for")
    assert completeness(f"{unfinished} {BOB}") == completeness(unfinished) < 0.15
    assert completeness(f"{ANN} {BOB}") > 0.7
