"""Sounds over the agent in which nobody says anything: after a few of them only words count."""

from __future__ import annotations

from typing import Any

import pytest
from turn_driver import QUESTION, Talk, answered

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State


def clatter(talk: Talk, at: float, segment: int, words: str = "") -> list[cmd.Command]:
    """A sound of 0.2 s, and what the recogniser makes of it; returns what was decided about it."""
    out = talk(at + 0.05, inp.SpeechStarted(at))
    out += talk(at + 0.3, inp.SpeechEnded(at + 0.2))
    return out + talk(at + 0.4, inp.FinalText(segment, words))


def noisy(*, sounds: int = 3, words: str = "", **settings: Any) -> tuple[Talk, int]:
    """A reply over which there were so many wordless sounds, one a second from 5.0."""
    talk = Talk(**settings)
    reply = answered(talk)
    for n in range(sounds):
        assert cmd.Duck(reply) in clatter(talk, 5.0 + n, n + 1, words)
    return talk, reply


def test_after_three_sounds_without_words_the_next_neither_lowers_nor_holds_the_voice() -> None:
    talk, _ = noisy()
    assert talk(7.95, inp.SpeechSuspected(7.9)) == []
    assert clatter(talk, 8.0, 4) == [cmd.AskFinal(8.2), cmd.DiscardSpeech(8.0, "", "no_words")]
    assert talk.state is State.SPEAKING


def test_nor_does_its_length_interrupt() -> None:
    talk, reply = noisy()
    assert talk(9.05, inp.SpeechStarted(9.0)) == []
    for tenth in range(1, 50):
        assert talk(9.05 + tenth / 10) == []
    quiet, over = noisy(sounds=2)
    quiet(9.05, inp.SpeechStarted(9.0))
    for tenth in range(1, 50):
        quiet(9.05 + tenth / 10)
    assert quiet.of(cmd.CancelReply) == [cmd.CancelReply(over, "interrupted")], "two sounds prove nothing"
    assert talk.of(cmd.CancelReply) == []
    assert reply


def test_words_interrupt_all_the_same_and_end_the_suspicion() -> None:
    talk, reply = noisy()
    talk(8.05, inp.SpeechStarted(8.0))
    out = talk(8.5, inp.PartialText(4, "wait a minute"))
    assert out == [cmd.CancelReply(reply, "interrupted"), cmd.StopPlayout(reply)]
    talk(8.52, inp.PlayoutStopped(reply, "We"))
    talk(9.0, inp.SpeechEnded(8.9))
    talk(9.1, inp.FinalText(4, "wait a minute"))
    talk(11.8)
    assert talk.committed == [QUESTION, "wait a minute"]
    second = talk.machine.c.reply
    talk(12.0, inp.PlayoutStarted(second))
    assert talk(13.05, inp.SpeechStarted(13.0)) == [cmd.Duck(second)]


def test_it_is_forgotten_when_it_has_been_quiet() -> None:
    talk, reply = noisy()
    for now in (12.0, 17.0, 22.0):
        talk(now, inp.PlayoutProgress(reply))
    assert talk(23.05, inp.SpeechStarted(23.0)) == [cmd.Duck(reply)]


def test_a_noise_that_goes_on_is_not_forgotten() -> None:
    talk, reply = noisy()
    for n in range(8):
        talk(9.0 + 4 * n, inp.PlayoutProgress(reply))
        assert cmd.Duck(reply) not in clatter(talk, 10.0 + 4 * n, 4 + n)
        talk(12.0 + 4 * n, inp.PlayoutProgress(reply))


def test_sounds_far_apart_prove_nothing() -> None:
    talk = Talk()
    reply = answered(talk)
    for n, at in enumerate((5.0, 21.0, 37.0, 53.0)):
        talk(at - 10, inp.PlayoutProgress(reply))
        talk(at - 1, inp.PlayoutProgress(reply))
        assert cmd.Duck(reply) in clatter(talk, at, n + 1)


@pytest.mark.parametrize("murmur", ["mm-hmm", "yeah"])
def test_a_listener_who_murmurs_is_no_noise(murmur: str) -> None:
    talk, reply = noisy(sounds=5, words=murmur)
    assert talk(10.05, inp.SpeechStarted(10.0)) == [cmd.Duck(reply)]


def test_noise_outlives_a_snapshot() -> None:
    talk, _ = noisy()
    talk.machine.restore(talk.machine.snapshot())
    assert talk(8.05, inp.SpeechStarted(8.0)) == []
