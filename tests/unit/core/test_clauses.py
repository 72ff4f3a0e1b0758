from __future__ import annotations

import pytest

from beluga_voice.core.clauses import ClauseSplitter, split_text


def pieces(text: str, **lengths: int) -> list[str]:
    splitter = ClauseSplitter(**lengths)
    return splitter.feed(text) + splitter.flush()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Hello there, my friend. How are you?", "Hello there,"),
        ("We are open on Monday; come along.", "We are open on Monday;"),
        ("Here is the list: one and two.", "Here is the list:"),
        ("Wait a moment—I will look it up.", "Wait a moment—"),
        ("Wait a moment — I will look it up.", "Wait a moment —"),
        ("It is open now! Come along.", "It is open now!"),
        ('He said "come in now." Then he left.', 'He said "come in now."'),
        ("Yes, we are open until five. Come along.", "Yes, we are open until five."),
        ("It costs forty dollars. Shall I book it?", "It costs forty dollars."),
        ("We open again at 9. Come along then.", "We open again at 9."),
        ("A first line\nand a second line", "A first line"),
        ("我们星期一开门。请来。", "我们星期一开门。"),
    ],
)
def test_first_piece_ends_at_the_first_clause(text: str, first: str) -> None:
    assert pieces(text)[0] == first


@pytest.mark.parametrize(
    "sentence",
    [
        "You will see Dr. Smith at the front desk today.",
        "It opens at 9.30 and costs 3.50 a piece today.",
        "Bring papers, e.g. a passport, when you come here.",
        "He lives in the U.S. Army barracks near the lake.",
        "The book by J. K. Rowling is on the table there.",
        "Well... let me see what we have for you today.",
        "Well… let me see what we have for you today.",
        "See https://example.com/a.b,c?d=1;e for directions.",
        "Take bus No. 5 to the last stop on the main road.",
        "The shop is approx. five minutes away from here.",
        "It closes at 5 p.m. on weekdays and never later.",
        "It holds 1,000 litres and weighs 2.5 tonnes full.",
        'He said "Stop." and went on with it regardless.',
    ],
)
def test_full_stops_inside_a_sentence_do_not_split_it(sentence: str) -> None:
    lead = "This is the first piece. "
    assert pieces(lead + sentence + " And here is one more of them.") == [
        lead.strip(), sentence, "And here is one more of them."
    ]  # fmt: skip


def test_a_capital_after_an_abbreviation_that_may_end_a_sentence_splits() -> None:
    text = "This is the first piece. We close the doors at 5 p.m. Please come before that time."
    assert pieces(text)[1:] == ["We close the doors at 5 p.m.", "Please come before that time."]


def test_short_sentences_are_joined() -> None:
    assert pieces("This is the first piece. Yes. No. I am not sure about it. Fine then, go.")[1:] == [
        "Yes. No. I am not sure about it.",
        "Fine then, go.",
    ]


def test_later_text_is_cut_at_sentences_not_clauses() -> None:
    text = "Of course, sir. There are apples, pears, plums, and there are cherries too. Which one?"
    assert pieces(text) == [
        "Of course, sir.",
        "There are apples, pears, plums, and there are cherries too.",
        "Which one?",
    ]


def test_a_long_sentence_may_end_at_a_clause() -> None:
    text = "Right away, sir. There " + "word " * 30 + "end, and then it goes on for a little while."
    parts = pieces(text)
    assert parts[0] == "Right away, sir."
    assert parts[1].endswith("end,")


def test_no_piece_is_longer_than_the_limit() -> None:
    for text in ("x" * 1000, "word " * 200, "word, " * 200, "a" * 219 + " " + "b" * 300):
        parts = pieces(text)
        assert max(map(len, parts)) <= 220
        assert "".join("".join(parts).split()) == "".join(text.split())


def test_overlong_text_is_cut_at_a_clause_if_there_is_one() -> None:
    text = "z" * 12 + "! " + "word " * 20 + "stop, " + "word " * 40
    assert pieces(text)[1].endswith("stop,")


def test_one_character_of_look_ahead_at_most() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("We are open today,") == []
    assert splitter.feed(" ") == ["We are open today,"]
    splitter = ClauseSplitter()
    assert splitter.feed("We are open today. ") == []
    assert splitter.feed("C") == ["We are open today."]
    assert splitter.pending == "C"


def test_dash_needs_no_look_ahead() -> None:
    assert ClauseSplitter().feed("We are open today—") == ["We are open today—"]


def test_pending_and_flush() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("  Hi \n there ") == []
    assert splitter.pending == "Hi there"
    assert splitter.flush() == ["Hi there"]
    assert splitter.pending == ""
    assert splitter.flush() == []


def test_release_speaks_whole_words_up_to_a_natural_break() -> None:
    splitter = ClauseSplitter()
    splitter.feed("The nearest free time that we cou")
    assert splitter.flush_after == 0.15
    assert splitter.release() == ["The nearest free time"]
    assert splitter.pending == "that we cou"
    assert splitter.feed("ld offer is tomorrow.") == []
    assert splitter.flush() == ["that we could offer is tomorrow."]


def test_release_without_a_break_keeps_the_growing_word() -> None:
    splitter = ClauseSplitter()
    splitter.feed("I am looking it u")
    assert splitter.release() == ["I am looking it"]
    assert splitter.pending == "u"


def test_release_of_a_sentence_that_waits_for_the_next_character() -> None:
    splitter = ClauseSplitter()
    splitter.feed("One moment please.")
    assert splitter.flush_after == 0.08
    assert splitter.release() == ["One moment please."]
    assert splitter.flush_after is None


def test_release_waits_for_the_rest_of_a_number() -> None:
    splitter = ClauseSplitter()
    splitter.feed("We open at 9.")
    assert splitter.flush_after == 0.15
    assert splitter.release() == ["We open at"]
    assert splitter.feed("30 on Monday.") == []
    assert splitter.flush() == ["9.30 on Monday."]


def test_release_with_too_few_words_says_nothing() -> None:
    splitter = ClauseSplitter()
    splitter.feed("The nearest")
    assert splitter.flush_after is None
    assert splitter.release() == []
    assert splitter.pending == "The nearest"


def test_later_words_wait_longer() -> None:
    splitter = ClauseSplitter()
    splitter.feed("One moment please, I am going to look ")
    assert splitter.flush_after == 1.0


@pytest.mark.parametrize("text", ["", "   ", "\n\n \t"])
def test_nothing_from_white_space(text: str) -> None:
    assert pieces(text) == []


def test_unreasonable_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="longest"):
        ClauseSplitter(longest=50)
    with pytest.raises(ValueError, match="first"):
        ClauseSplitter(first=0)


def test_split_text() -> None:
    assert split_text("Good morning, all. This is a whole text that is known. The end of it is here.") == [
        "Good morning, all. This is a whole text that is known.",
        "The end of it is here.",
    ]
    assert split_text("a" * 25, longest=10) == ["a" * 10, "a" * 10, "a" * 5]


def test_the_first_words_are_released_at_a_phrase_and_only_once() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("We are open ") == []
    assert splitter.release_first() == []
    assert splitter.feed("from nine ") == []
    assert splitter.release_first() == ["We are open"]
    assert splitter.feed("to five at night ") == []
    assert splitter.release_first() == []
    assert splitter.flush() == ["from nine to five at night"]


def test_words_without_a_phrase_are_not_released_early() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("Let me check that ") == []
    assert splitter.release_first() == []
