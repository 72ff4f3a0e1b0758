"""Answers prepared before the turn is decided."""

from __future__ import annotations

import pytest
from turn_driver import QUESTION, Talk

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.voices import attributed


def paused(text: str = QUESTION) -> Talk:
    """Somebody said ``text``; their voice is quiet since 3.0 s, and it is 3.08 s."""
    talk = Talk(max_guesses=2)
    talk(1.1, inp.SpeechStarted(1.0))
    talk(3.0, inp.PartialText(0, text))
    talk(3.08, inp.SpeechPaused(3.0))
    return talk


def test_a_pause_prepares_an_answer_and_the_commit_uses_it() -> None:
    talk = paused()
    assert talk.done[-1] == cmd.Speculate(1, 1, QUESTION)
    assert talk(3.2, inp.SpeechEnded(3.0)) == [cmd.AskFinal(3.0)]
    assert talk(3.25, inp.FinalText(0, QUESTION)) == []
    assert talk(3.31)[-1] == cmd.StartReply(1, 1, QUESTION, guess=1)
    assert talk.of(cmd.Abandon) == []


def test_words_that_come_in_the_pause_begin_it() -> None:
    talk = Talk(max_guesses=2)
    talk(1.1, inp.SpeechStarted(1.0))
    assert talk(3.08, inp.SpeechPaused(3.0)) == []
    assert talk(3.1, inp.PartialText(0, QUESTION)) == [cmd.Speculate(1, 1, QUESTION)]


def test_other_case_and_punctuation_are_the_same_words() -> None:
    talk = paused()
    talk(3.2, inp.SpeechEnded(3.0))
    assert talk(3.4, inp.FinalText(0, QUESTION.capitalize() + "?"))[-1] == cmd.StartReply(
        1, 1, QUESTION.capitalize() + "?", guess=1
    )


def test_other_words_begin_another_and_give_up_the_first() -> None:
    talk = paused("what time do you open")
    talk(3.2, inp.SpeechEnded(3.0))
    assert talk(3.25, inp.FinalText(0, QUESTION)) == [cmd.Abandon(1), cmd.Speculate(2, 1, QUESTION)]
    assert talk(3.4)[-1].guess == 2


def test_a_voice_that_goes_on_gives_it_up() -> None:
    resumed, again = paused(), paused()
    assert resumed(3.12, inp.SpeechResumed(3.1)) == [cmd.Abandon(1)]
    assert resumed(3.2, inp.PartialText(0, QUESTION + " and")) == []
    again(3.2, inp.SpeechEnded(3.0))
    assert again(3.25, inp.SpeechStarted(3.22)) == [cmd.Abandon(1)]
    assert again.state is State.USER_SPEAKING


@pytest.mark.parametrize("text", ["i would like to book a table for", "um", "my number is five", ""])
def test_words_that_plainly_go_on_are_not_worth_it(text: str) -> None:
    assert paused(text).of(cmd.Speculate) == []


def test_several_speakers_are_not_guessed_at() -> None:
    assert (
        paused(attributed("ann", "what time is it") + " " + attributed("bob", "four")).of(cmd.Speculate) == []
    )
    assert paused(attributed("ann", QUESTION)).of(cmd.Speculate) != []


def test_no_more_than_the_cap_in_a_turn() -> None:
    talk = paused()
    for n in range(6):
        talk(3.2 + n, inp.SpeechResumed(3.2 + n))
        talk(3.3 + n, inp.SpeechPaused(3.3 + n))
    assert len(talk.of(cmd.Speculate)) == 2
    assert len(talk.of(cmd.Abandon)) == 2


def test_the_next_turn_has_a_cap_of_its_own() -> None:
    talk = paused()
    talk(3.2, inp.SpeechEnded(3.0))
    talk(3.4, inp.FinalText(0, QUESTION))
    assert talk.machine.c.guesses == 0


def test_none_where_it_is_off() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0), inp.PartialText(0, QUESTION))
    assert talk(3.1, inp.SpeechPaused(3.0)) == []


def test_typing_gives_it_up() -> None:
    talk = paused()
    told = talk(3.1, inp.TypedText("and on sunday"))
    assert told[1:] == [
        cmd.Abandon(1),
        cmd.CommitTurn(1, f"{QUESTION} and on sunday", 3.1, "typed"),
        cmd.StartReply(1, 1, f"{QUESTION} and on sunday"),
    ]


@pytest.mark.parametrize("stop", [inp.Stop("bye"), inp.Stop("bye", graceful=True)])
def test_the_end_gives_it_up(stop: inp.Stop) -> None:
    assert paused()(3.1, stop) == [cmd.Abandon(1), cmd.Close("bye")]


def test_noise_gives_it_up() -> None:
    talk = paused()
    talk(3.2, inp.SpeechEnded(3.0))
    assert talk(3.3, inp.FinalText(0, "")) == [cmd.DiscardSpeech(1.0, "", "no_words"), cmd.Abandon(1)]


def test_a_snapshot_remembers_it() -> None:
    talk = paused()
    snapshot = talk.machine.snapshot()
    talk.machine.restore(snapshot)
    talk(3.2, inp.SpeechEnded(3.0))
    assert talk(3.4, inp.FinalText(0, QUESTION))[-1].guess == 1
