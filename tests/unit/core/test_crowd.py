"""Several speakers merged into the one the turn machine knows."""

from __future__ import annotations

from typing import Any

from beluga_voice.core import inputs as inp
from beluga_voice.core.crowd import Crowd, Finalize, Step
from beluga_voice.core.voices import plain, utterances


def said(step: Step) -> tuple[tuple[str, str], ...]:
    assert isinstance(step, inp.FinalText | inp.PartialText)
    return utterances(step.text)


def shown(steps: list[Step]) -> list[Any]:
    return [
        (type(s).__name__, s.segment, plain(s.text)) if isinstance(s, inp.FinalText | inp.PartialText) else s
        for s in steps
    ]


def test_a_lone_speaker_without_a_name_passes_unchanged() -> None:
    crowd = Crowd()
    assert crowd.voice_started("", 1.0) == [inp.SpeechStarted(1.0)]
    assert crowd.words("", 0, "hello", 1.5, final=False) == [inp.PartialText(0, "hello")]
    assert crowd.voice_ended("", 2.0) == [inp.SpeechEnded(2.0)]
    assert crowd.ask_final(2.0, 2.2) == [Finalize("", 2.0, goes_on=False)]
    assert crowd.words("", 0, "hello there", 2.3, final=True) == [inp.FinalText(0, "hello there")]
    assert crowd.said("", "typed") == "typed"


def test_a_turn_cut_while_the_speaker_goes_on_begins_the_next_segment() -> None:
    crowd = Crowd()
    crowd.voice_started("ann", 1.0)
    assert crowd.ask_final(9.0, 9.0) == [Finalize("ann", 9.0, goes_on=True)]
    assert shown(crowd.words("ann", 1, "next", 9.1, final=False)) == [("PartialText", 1, "next")]
    assert shown(crowd.words("ann", 0, "first", 9.2, final=True)) == [("FinalText", 0, "first")]


def test_the_room_is_silent_when_nobody_speaks() -> None:
    crowd = Crowd()
    assert crowd.voice_started("ann", 1.0) == [inp.SpeechStarted(1.0)]
    assert crowd.voice_started("bob", 1.5) == []
    assert crowd.voiced == {"ann", "bob"}
    assert crowd.voice_ended("ann", 2.0) == [Finalize("ann", 2.0, goes_on=False)]
    assert crowd.voice_ended("ann", 2.1) == []
    assert crowd.voice_ended("bob", 1.9) == [inp.SpeechEnded(2.0)], "the later of the two"
    assert crowd.last_speaker == "bob"


def test_a_final_of_the_room_waits_for_everybody_and_keeps_their_order() -> None:
    crowd = Crowd()
    crowd.voice_started("bob", 1.0)
    crowd.voice_started("ann", 1.4)
    crowd.voice_ended("bob", 2.0)
    crowd.voice_ended("ann", 2.5)
    assert crowd.ask_final(2.5, 2.7) == [Finalize("ann", 2.5, goes_on=False)], (
        "bob was asked when he fell silent"
    )
    assert shown(crowd.words("ann", 0, "me too", 2.8, final=True)) == [("PartialText", 0, "me too")]
    steps = crowd.words("bob", 0, "tea please", 2.9, final=True)
    assert [type(s) for s in steps] == [inp.FinalText]
    assert said(steps[0]) == (("bob", "tea please"), ("ann", "me too"))


def test_speakers_who_take_turns_keep_their_order() -> None:
    crowd = Crowd()
    crowd.voice_started("ann", 1.0)
    crowd.voice_started("bob", 1.8)
    crowd.voice_ended("ann", 2.0)
    crowd.words("ann", 0, "one", 2.1, final=True)
    crowd.voice_started("ann", 2.8)
    crowd.voice_ended("bob", 3.0)
    crowd.words("bob", 0, "two", 3.1, final=True)
    crowd.voice_ended("ann", 4.0)
    assert crowd.ask_final(4.0, 4.2) == [Finalize("ann", 4.0, goes_on=False)]
    final = crowd.words("ann", 1, "three", 4.3, final=True)[0]
    assert said(final) == (("ann", "one"), ("bob", "two"), ("ann", "three"))


def test_a_question_for_words_where_nobody_spoke_is_answered_at_once() -> None:
    assert Crowd().ask_final(1.0, 1.0) == [inp.FinalText(0, "")]


def test_a_recogniser_that_ends_segments_itself_is_believed_when_all_are_silent() -> None:
    crowd = Crowd()
    assert shown(crowd.words("ann", 0, "quietly", 1.0, final=True)) == [("FinalText", 0, "quietly")]
    crowd.voice_started("bob", 2.0)
    assert shown(crowd.words("ann", 1, "more", 2.5, final=True)) == [("PartialText", 1, "more")]
    crowd.voice_ended("bob", 3.0)
    assert crowd.ask_final(3.0, 3.1) == [Finalize("bob", 3.0, goes_on=False)]
    assert said(crowd.words("bob", 0, "yes", 3.2, final=True)[0]) == (("bob", "yes"), ("ann", "more"))


def test_somebody_who_leaves_in_the_middle_of_a_word_keeps_nobody_waiting() -> None:
    crowd = Crowd()
    crowd.voice_started("ann", 1.0)
    crowd.words("ann", 0, "I wanted to", 1.5, final=False)
    crowd.voice_started("bob", 1.2)
    crowd.voice_ended("bob", 1.8)
    crowd.words("bob", 0, "go on", 1.9, final=True)
    assert crowd.left("ann", 2.0, 2.0) == [inp.SpeechEnded(2.0)]
    final = crowd.ask_final(2.0, 2.1)
    assert [said(s) for s in final] == [(("ann", "I wanted to"), ("bob", "go on"))]
    assert crowd.left("ann", 3.0, 3.0) == []


def test_somebody_who_leaves_while_their_final_is_due_settles_it() -> None:
    crowd = Crowd()
    crowd.voice_started("ann", 1.0)
    crowd.words("ann", 0, "hello", 1.5, final=False)
    crowd.voice_ended("ann", 2.0)
    crowd.ask_final(2.0, 2.1)
    assert shown(crowd.left("ann", 2.0, 2.2)) == [("FinalText", 0, "hello")]
    assert crowd.voice_started("ann", 4.0) == [inp.SpeechStarted(4.0)], "back, with a new recogniser"
    crowd.voice_ended("ann", 5.0)
    assert crowd.ask_final(5.0, 5.1) == [Finalize("ann", 5.0, goes_on=False)]
    assert said(crowd.words("ann", 0, "again", 5.2, final=True)[0]) == (("ann", "again"),)


def test_finals_are_told_in_order_and_one_that_hangs_holds_up_nobody_for_long() -> None:
    crowd = Crowd()
    crowd.voice_started("ann", 1.0)
    crowd.words("ann", 0, "par", 1.5, final=False)
    crowd.voice_ended("ann", 2.0)
    crowd.ask_final(2.0, 2.1)
    crowd.voice_started("bob", 3.0)
    crowd.voice_ended("bob", 3.5)
    crowd.ask_final(3.5, 3.6)
    assert shown(crowd.words("bob", 0, "hello", 3.7, final=True)) == [("PartialText", 1, "hello")]
    crowd.voice_started("bob", 5.0)
    crowd.voice_ended("bob", 5.5)
    assert shown(crowd.ask_final(5.5, 5.6)) == [
        Finalize("bob", 5.5, goes_on=False),
        ("FinalText", 0, "par"),
        ("FinalText", 1, "hello"),
    ]
    assert crowd.words("ann", 0, "particular", 5.7, final=True) == [], "what was told stands"


def test_words_that_come_late_where_there_were_none_are_words_said_now() -> None:
    crowd = Crowd()
    for who, at in (("ann", 1.0), ("bob", 2.0)):
        crowd.voice_started(who, at)
        crowd.voice_ended(who, at + 0.5)
        crowd.ask_final(at + 0.5, at + 0.6)
    assert shown(crowd.words("bob", 0, "hello", 3.7, final=True)) == [
        ("FinalText", 0, ""),
        ("FinalText", 1, "hello"),
    ]
    assert shown(crowd.words("ann", 0, "sorry", 4.5, final=True)) == [("FinalText", 2, "sorry")]
    assert crowd.words("ann", 0, "sorry", 4.6, final=True) == []


def test_somebody_who_speaks_on_behind_a_cut_is_asked_again_at_the_end() -> None:
    crowd = Crowd()
    crowd.voice_started("ann", 1.0)
    crowd.ask_final(9.0, 9.0)
    crowd.words("ann", 0, "first", 9.1, final=True)
    crowd.voice_ended("ann", 10.0)
    assert crowd.ask_final(10.0, 10.2) == [Finalize("ann", 10.0, goes_on=False)]
    assert shown(crowd.words("ann", 1, "second", 10.3, final=True)) == [("FinalText", 1, "second")]
