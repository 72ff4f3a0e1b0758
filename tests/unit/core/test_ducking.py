"""The voice is lowered at the first sign of somebody else's, and given back."""

from __future__ import annotations

from turn_driver import Talk, answered, spoken

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State


def test_a_suspicion_lowers_the_voice_at_once_and_a_dismissal_gives_it_back() -> None:
    talk = Talk()
    reply = answered(talk)
    assert talk(5.03, inp.SpeechSuspected(5.0)) == [cmd.Duck(reply)]
    assert talk(5.06, inp.SpeechDismissed(5.06)) == [cmd.Resume(reply)]
    assert talk(6.0) == []
    assert talk.state is State.SPEAKING


def test_a_suspicion_that_becomes_a_voice_is_not_lowered_twice() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.03, inp.SpeechSuspected(5.0))
    assert talk(5.06, inp.SpeechStarted(5.0)) == []
    assert talk(5.16) == [cmd.Hold(reply)]
    talk(5.3, inp.SpeechEnded(5.2))
    assert talk(5.4, inp.FinalText(1, "")) == [cmd.DiscardSpeech(5.0, "", "no_words"), cmd.Resume(reply)]


def test_a_suspicion_that_is_never_resolved_ends() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.03, inp.SpeechSuspected(5.0))
    assert talk(5.4) == [cmd.Resume(reply)]
    assert talk(5.5, inp.SpeechDismissed(5.5)) == []


def test_the_next_reply_does_not_begin_lowered() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.03, inp.SpeechSuspected(5.0))
    talk(5.04, inp.PlayoutFinished(reply))
    assert talk(5.06, inp.SpeechDismissed(5.06)) == []
    assert not talk.machine.c.suspected


def test_a_graceful_stop_is_heard_at_full_voice() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.03, inp.SpeechSuspected(5.0))
    assert talk(5.04, inp.Stop("bye", graceful=True)) == [cmd.Resume(reply)]


def test_nothing_is_lowered_where_a_voice_must_last_or_the_reply_must_be_heard() -> None:
    for settings in ({"duck_after": 0.1}, {"allow_interruptions": False}):
        talk = Talk(**settings)
        answered(talk)
        assert talk(5.03, inp.SpeechSuspected(5.0)) == []


def test_what_is_suspected_while_somebody_is_judged_changes_nothing() -> None:
    talk = Talk()
    answered(talk)
    talk(5.06, inp.SpeechStarted(5.0))
    talk(5.3, inp.SpeechEnded(5.1))
    assert talk(5.35, inp.SpeechSuspected(5.32)) == []
    assert talk(5.38, inp.SpeechDismissed(5.38)) == []


def test_nothing_is_lowered_while_the_agent_thinks() -> None:
    talk = Talk()
    end = spoken(talk)
    talk(end + 0.5)
    assert talk(end + 0.6, inp.SpeechSuspected(end + 0.57)) == []
