"""Speech over the agent that is its own voice, and a "yes" that answers its question."""

from __future__ import annotations

from typing import Any

from turn_driver import QUESTION, Talk, answered

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State


def speaking(said: str = "we began many years ago in a small house", **settings: Any) -> tuple[Talk, int]:
    """A reply of which ``said`` was heard, a word every 0.3 s, the last at 6.0."""
    talk = Talk(**settings)
    reply = answered(talk)
    says(talk, reply, said, 6.0)
    return talk, reply


def says(talk: Talk, reply: int, said: str, until: float) -> None:
    words = said.split()
    for n, word in enumerate(words, 1):
        talk(until - 0.3 * (len(words) - n), inp.WordsHeard(reply, word))


def echoed(talk: Talk, at: float, words: str, segment: int) -> list[cmd.Command]:
    talk(at + 0.1, inp.SpeechStarted(at))
    talk(at + 0.3, inp.PartialText(segment, words))
    talk(at + 0.6, inp.SpeechEnded(at + 0.4))
    return talk(at + 0.7, inp.FinalText(segment, words))


def echoing() -> tuple[Talk, int]:
    """A room where its own words came back twice; the last word was heard at 8.0."""
    talk, reply = speaking()
    echoed(talk, 6.1, "in a small house", 1)
    says(talk, reply, "beside the river", 7.0)
    assert talk(7.1, inp.SpeechStarted(7.0)) == [cmd.Duck(reply)]
    talk(7.4, inp.SpeechEnded(7.2))
    assert talk(7.5, inp.FinalText(2, "the river"))[-1] == cmd.Resume(reply)
    says(talk, reply, "with one chair", 8.0)
    return talk, reply


def test_its_own_words_do_not_interrupt_the_agent() -> None:
    talk, reply = speaking()
    out = echoed(talk, 6.1, "in a small house", 1)
    assert out == [cmd.DiscardSpeech(6.1, "in a small house", "echo"), cmd.Resume(reply)]
    assert talk.state is State.SPEAKING


def test_other_words_over_its_own_do() -> None:
    talk, reply = speaking()
    talk(6.2, inp.SpeechStarted(6.1))
    assert talk(6.4, inp.PartialText(1, "in a small house")) == [cmd.Hold(reply)]
    out = talk(6.8, inp.PartialText(1, "in a small house stop please"))
    assert out == [cmd.CancelReply(reply, "interrupted"), cmd.StopPlayout(reply)]


def test_words_it_said_long_ago_are_the_users() -> None:
    talk, reply = speaking("we began many years ago in a small house and so on and so forth")
    talk(6.2, inp.SpeechStarted(6.1))
    talk(6.5, inp.PartialText(1, "small house"))
    assert cmd.CancelReply(reply, "interrupted") in talk(6.7)


def test_where_it_echoes_sounds_alone_neither_lower_nor_hold_the_voice() -> None:
    talk, reply = echoing()
    assert talk(8.15, inp.SpeechSuspected(8.1)) == []
    assert talk(8.2, inp.SpeechStarted(8.1)) == []
    assert talk(8.5) == []
    assert talk(11.0) == [], "nor does its length interrupt"
    out = talk(11.1, inp.PartialText(3, "one chair wait a minute"))
    assert out == [cmd.CancelReply(reply, "interrupted"), cmd.StopPlayout(reply)]
    talk(11.15, inp.PlayoutStopped(reply, "…"))
    talk(11.6, inp.SpeechEnded(11.4))
    talk(11.7, inp.FinalText(3, "with one chair wait a minute"))
    talk(14.0)
    assert talk.committed == [QUESTION, "wait a minute"]


def test_a_room_that_does_not_echo_any_more_is_trusted_again() -> None:
    talk, reply = echoing()
    for now in (15.0, 25.0, 35.0):
        talk(now, inp.PlayoutProgress(reply))
    assert talk(40.1, inp.SpeechStarted(40.0)) == [cmd.Duck(reply)]


def test_the_end_of_its_own_words_is_no_turn() -> None:
    talk, reply = echoing()
    talk(8.2, inp.SpeechStarted(8.1))
    talk(8.3, inp.PartialText(3, "one chair"))
    talk(8.4, inp.PlayoutFinished(reply))
    talk(8.6, inp.SpeechEnded(8.4))
    out = talk(8.7, inp.FinalText(3, "with one chair"))
    assert cmd.DiscardSpeech(8.1, "", "echo") in out
    talk(12.0)
    assert talk.committed == [QUESTION]


def test_what_the_user_says_behind_it_is_a_turn_without_it() -> None:
    talk, reply = echoing()
    talk(8.2, inp.SpeechStarted(8.1))
    talk(8.4, inp.PlayoutFinished(reply))
    talk(10.2, inp.SpeechEnded(10.0))
    talk(10.3, inp.FinalText(3, "with one chair what does it cost"))
    talk(12.0)
    assert talk.committed == [QUESTION, "what does it cost"]


def test_an_early_answer_in_the_agents_words_is_a_turn() -> None:
    """Where nothing was ever echoed, one word of its own is no proof."""
    talk, reply = speaking("would you like nine or ten")
    talk(6.2, inp.SpeechStarted(6.1))
    talk(6.25, inp.PlayoutFinished(reply))
    talk(6.7, inp.SpeechEnded(6.5))
    talk(6.8, inp.FinalText(1, "ten"))
    talk(9.0)
    assert talk.committed == [QUESTION, "ten"]


def test_a_yes_right_after_a_question_is_an_answer_and_elsewhere_it_is_none() -> None:
    for said, cut in (("shall i book it ? i could", True), ("i can book it . then i", False)):
        talk, reply = speaking(said)
        talk(6.1, inp.SpeechStarted(6.0))
        out = talk(6.3, inp.PartialText(1, "yes"))
        assert (cmd.CancelReply(reply, "interrupted") in out) is cut


def test_a_murmur_after_a_question_is_none_and_a_yes_long_after_is_none() -> None:
    talk, _ = speaking("shall i book it ? i could")
    talk(6.1, inp.SpeechStarted(6.0))
    assert talk(6.3, inp.PartialText(1, "mm")) == [cmd.Hold(1)]
    talk, reply = speaking("shall i book it ? i could")
    talk(9.1, inp.SpeechStarted(9.0))
    assert cmd.CancelReply(reply, "interrupted") not in talk(9.3, inp.PartialText(1, "yeah"))


def test_words_that_stop_interrupt_though_more_words_are_asked_for() -> None:
    talk = Talk(min_interruption_words=3)
    reply = answered(talk)
    talk(5.1, inp.SpeechStarted(5.0))
    assert cmd.CancelReply(reply, "interrupted") in talk(5.3, inp.PartialText(1, "no"))


def test_the_language_decides_what_a_murmur_is() -> None:
    for language, cut in (("de", False), ("de,en", False), ("en", True)):
        talk = Talk(language=language)
        reply = answered(talk)
        talk(5.1, inp.SpeechStarted(5.0))
        talk(5.3, inp.PartialText(1, "genau"))
        assert (cmd.CancelReply(reply, "interrupted") in talk(5.5)) is cut
