"""The turn machine, conversation by conversation."""

from __future__ import annotations

from typing import Any

import pytest

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine


class Talk:
    """Drives a machine and collects what it decides."""

    def __init__(self, **settings: Any) -> None:
        self.machine = TurnMachine(TurnSettings(**settings))
        self.done: list[cmd.Command] = []

    def __call__(self, now: float, *events: inp.Input) -> list[cmd.Command]:
        out: list[cmd.Command] = []
        self.machine.wake(now)
        self._drain(out)
        for event in events:
            self.machine.feed(event, now)
            self._drain(out)
        return [c for c in out if not isinstance(c, cmd.MoveTo)]

    def _drain(self, out: list[cmd.Command]) -> None:
        while (command := self.machine.poll()) is not None:
            out.append(command)
            self.done.append(command)

    def of(self, kind: type) -> list[Any]:
        return [c for c in self.done if isinstance(c, kind)]

    @property
    def state(self) -> State:
        return self.machine.state


def spoken(
    talk: Talk, text: str = "what time do you open on saturday", start: float = 1.0, segment: int = 0
) -> float:
    """One utterance of two seconds with its final; returns when its last voice was."""
    talk(start + 0.1, inp.SpeechStarted(start))
    talk(start + 1.0, inp.PartialText(segment, text))
    talk(start + 2.2, inp.SpeechEnded(start + 2.0))
    talk(start + 2.25, inp.FinalText(segment, text))
    return start + 2.0


def answered(talk: Talk, start: float = 1.0, segment: int = 0) -> int:
    """… and its reply is being heard; returns the reply's number."""
    end = spoken(talk, start=start, segment=segment)
    talk(end + 0.5)
    reply = talk.machine.c.reply
    talk(end + 0.7, inp.PlayoutStarted(reply))
    assert talk.state is State.SPEAKING
    return reply


def test_a_turn_from_speech_to_silence_again() -> None:
    talk = Talk()
    assert talk(1.1, inp.SpeechStarted(1.0)) == []
    assert talk.state is State.USER_SPEAKING
    assert talk(3.2, inp.SpeechEnded(3.0)) == [cmd.AskFinal(3.0)]
    assert talk.state is State.DECIDING
    assert talk(3.25, inp.FinalText(0, "what time do you open on saturday")) == []
    assert talk(3.31) == [
        cmd.CommitTurn(1, "what time do you open on saturday", 3.0, "silence"),
        cmd.StartReply(1, 1, "what time do you open on saturday"),
    ]
    assert talk.state is State.THINKING
    talk(3.5, inp.PlayoutStarted(1))
    assert talk.state is State.SPEAKING
    talk(5.0, inp.ReplyEnded(1, audio=True))
    assert talk.state is State.SPEAKING
    talk(6.0, inp.PlayoutFinished(1))
    assert talk.state is State.LISTENING


def test_the_delay_depends_on_whether_the_words_sound_finished() -> None:
    finished, unfinished = Talk(), Talk()
    spoken(finished, "what time do you open on saturday")
    spoken(unfinished, "i would like to book a table for")
    assert finished(3.35) != []
    assert unfinished(4.5) == []
    assert isinstance(unfinished(5.6)[0], cmd.CommitTurn)


def test_a_pause_inside_a_sentence_makes_one_turn_of_two_segments() -> None:
    talk = Talk()
    spoken(talk, "i would like to book a table for")
    talk(3.9, inp.SpeechStarted(3.8))
    assert talk.state is State.USER_SPEAKING
    talk(4.9, inp.SpeechEnded(4.7))
    assert talk(5.0, inp.FinalText(1, "two people please"))[0] == cmd.CommitTurn(
        1, "i would like to book a table for two people please", 4.7, "silence"
    )


def test_no_words_is_no_turn() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(1.4, inp.SpeechEnded(1.2))
    assert talk(1.5, inp.FinalText(0, "")) == [cmd.DiscardSpeech(1.0, "", "no_words")]
    assert talk.state is State.LISTENING
    assert talk.machine.c.turn == 0


def test_a_final_that_never_comes_is_replaced_by_the_partial() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(2.0, inp.PartialText(0, "what time do you open"))
    talk(3.2, inp.SpeechEnded(3.0))
    assert talk(4.6) == []
    assert talk(4.75)[0] == cmd.CommitTurn(1, "what time do you open", 3.0, "final_timeout")
    assert talk(5.0, inp.FinalText(0, "what time do you open today")) == []
    assert talk.machine.ignored == {"FinalText": 1}


def test_words_before_the_answer_continue_the_turn() -> None:
    talk = Talk()
    end = spoken(talk, "what time do you open")
    talk(end + 0.5)
    assert talk.state is State.THINKING
    assert talk(end + 0.7, inp.SpeechStarted(end + 0.6)) == [cmd.Hold(1)]
    assert talk(end + 1.0, inp.PartialText(1, "on saturday")) == [
        cmd.CancelReply(1, "user_goes_on"),
        cmd.RetractTurn(1),
    ]
    assert talk.state is State.USER_SPEAKING
    talk(end + 1.7, inp.SpeechEnded(end + 1.5))
    talk(end + 1.75, inp.FinalText(1, "on saturday"))
    assert talk(end + 2.5)[0] == cmd.CommitTurn(1, "what time do you open on saturday", end + 1.5, "silence")


def test_a_turn_that_was_acted_on_is_not_taken_back() -> None:
    talk = Talk()
    end = spoken(talk, "book it for ten")
    talk(end + 1.0)
    talk(end + 1.1, inp.ToolStarted(1))
    talk(end + 1.3, inp.SpeechStarted(end + 1.2))
    out = talk(end + 1.6, inp.PartialText(1, "and call me back"))
    assert out == [cmd.CancelReply(1, "user_goes_on")]
    assert talk.machine.c.turn == 2


def test_a_cough_while_thinking_delays_nothing_but_itself() -> None:
    talk = Talk()
    end = spoken(talk)
    talk(end + 0.5)
    talk(end + 0.6, inp.SpeechStarted(end + 0.5))
    talk(end + 0.9, inp.SpeechEnded(end + 0.7))
    out = talk(end + 1.0, inp.FinalText(1, ""))
    assert out == [cmd.DiscardSpeech(end + 0.5, "", "no_words"), cmd.Resume(1)]
    assert talk.state is State.THINKING


def test_words_over_the_agent_interrupt_it() -> None:
    talk = Talk()
    reply = answered(talk)
    assert talk(5.05, inp.SpeechStarted(5.0)) == [cmd.Duck(reply)]
    assert talk(5.21) == [cmd.Hold(reply)]
    assert talk(5.3, inp.PartialText(1, "no wait")) == [
        cmd.CancelReply(reply, "interrupted"),
        cmd.StopPlayout(reply),
    ]
    assert talk.state is State.INTERRUPTED
    assert talk(5.31, inp.PlayoutStopped(reply, "We are")) == [cmd.Interrupted(reply, 1, 5.0)]
    assert talk.state is State.USER_SPEAKING
    assert talk.machine.c.turn == 2


def test_a_long_voice_over_the_agent_interrupts_without_words() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.21)
    assert talk(5.6) == []
    assert talk(5.75) == [cmd.CancelReply(reply, "interrupted"), cmd.StopPlayout(reply)]


@pytest.mark.parametrize("murmur", ["mm-hmm", "yeah okay", "genau", "d'accord", ""])
def test_a_back_channel_lets_the_agent_go_on(murmur: str) -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.25)
    talk(5.5, inp.SpeechEnded(5.3))
    out = talk(5.6, inp.FinalText(1, murmur))
    assert out[-1] == cmd.Resume(reply)
    assert talk.state is State.SPEAKING
    assert talk.of(cmd.CancelReply) == []
    assert talk.of(cmd.CommitTurn)[-1].turn == 1


def test_a_back_channel_whose_final_is_late_does_not_hold_the_agent_for_long() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.5, inp.SpeechEnded(5.3))
    assert talk(6.31) == [cmd.DiscardSpeech(5.0, "", "no_words"), cmd.Resume(reply)]


def test_speech_over_an_uninterruptible_reply_is_the_next_turn() -> None:
    talk = Talk(allow_interruptions=False)
    reply = answered(talk)
    assert talk(5.05, inp.SpeechStarted(5.0)) == []
    assert talk(6.5, inp.SpeechEnded(6.3)) == [cmd.AskFinal(6.3)]
    talk(6.6, inp.FinalText(1, "and on sunday please"))
    assert talk.state is State.SPEAKING
    out = talk(8.0, inp.PlayoutFinished(reply))
    assert out[0] == cmd.CommitTurn(2, "and on sunday please", 6.3, "silence")


def test_speech_that_begins_as_the_reply_ends_is_an_ordinary_turn() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.1, inp.PlayoutFinished(reply))
    assert talk.state is State.USER_SPEAKING
    assert talk.machine.c.turn == 2


def test_typed_words_are_a_turn_and_cut_the_reply() -> None:
    talk = Talk()
    reply = answered(talk)
    out = talk(5.0, inp.TypedText("and on sunday?"))
    assert out == [
        cmd.CancelReply(reply, "typed"),
        cmd.StopPlayout(reply),
        cmd.Interrupted(reply, 1, 5.0),
        cmd.CommitTurn(2, "and on sunday?", 5.0, "typed"),
        cmd.StartReply(reply + 1, 2, "and on sunday?"),
    ]


def test_things_to_say_wait_for_silence_and_are_said_in_order() -> None:
    talk = Talk()
    reply = answered(talk)
    assert talk(5.0, inp.SayRequested("one"), inp.SayRequested("two", interruptible=False)) == []
    assert talk(6.0, inp.PlayoutFinished(reply)) == [cmd.StartSay(reply + 1, "one")]
    assert talk(7.0, inp.ReplyEnded(reply + 1, audio=False)) == [cmd.StartSay(reply + 2, "two")]
    assert talk.machine.c.interruptible is False


def test_too_many_things_to_say_are_refused() -> None:
    talk = Talk()
    answered(talk)
    talk(5.0, *[inp.SayRequested(str(i)) for i in range(17)])
    assert [f.stage for f in talk.of(cmd.Fault)] == ["session"]


def test_an_agent_that_says_nothing_is_given_up() -> None:
    talk = Talk(thinking_timeout=5.0)
    end = spoken(talk)
    talk(end + 0.5)
    out = talk(end + 5.6)
    assert [type(c) for c in out] == [cmd.Fault, cmd.CancelReply]
    assert talk.state is State.LISTENING


def test_a_voice_that_stalls_is_given_up() -> None:
    talk = Talk(reply_gap_timeout=3.0)
    reply = answered(talk)
    talk(5.0, inp.PlayoutProgress(reply))
    assert talk(7.9) == []
    assert [type(c) for c in talk(8.1)] == [cmd.Fault, cmd.CancelReply, cmd.StopPlayout]


def test_a_monologue_is_taken_as_it_stands() -> None:
    talk = Talk(max_turn=10.0)
    talk(1.1, inp.SpeechStarted(1.0))
    talk(9.0, inp.PartialText(0, "and then and then"))
    assert talk(11.2) == [cmd.AskFinal(11.2)]
    out = talk(11.3, inp.FinalText(0, "and then and then"))
    assert out[0] == cmd.CommitTurn(1, "and then and then", 11.2, "forced")
    assert talk.machine.c.interruptible is False


def test_a_graceful_stop_lets_the_reply_finish() -> None:
    talk = Talk()
    reply = answered(talk)
    assert talk(5.0, inp.Stop("done", graceful=True)) == []
    assert talk.state is State.DRAINING
    assert talk(6.0, inp.PlayoutFinished(reply)) == [cmd.Close("done")]
    assert talk.state is State.CLOSED
    assert talk.machine.deadline() is None


def test_draining_has_an_end() -> None:
    talk = Talk(draining_timeout=4.0)
    reply = answered(talk)
    talk(5.0, inp.Stop("done", graceful=True))
    assert talk(9.1) == [cmd.CancelReply(reply, "drain_timeout"), cmd.StopPlayout(reply), cmd.Close("done")]


def test_a_second_stop_does_not_wait() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.0, inp.Stop("done", graceful=True))
    assert talk(5.1, inp.Stop("now"))[-1] == cmd.Close("now")
    assert cmd.StopPlayout(reply) in talk.done


def test_nothing_happens_after_the_end() -> None:
    talk = Talk()
    talk(1.0, inp.Stop("bye"))
    assert talk(2.0, inp.SpeechStarted(1.9), inp.TypedText("hello"), inp.Stop("again")) == []


def test_silence_of_both_sides_is_told_and_then_ends_the_session() -> None:
    talk = Talk(user_away_timeout=10.0, idle_timeout=60.0)
    assert talk(10.1) == [cmd.UserAway(10.0)]
    assert talk(60.1) == [cmd.Close("idle")]


def test_late_words_are_counted_and_ignored() -> None:
    talk = Talk()
    end = spoken(talk)
    talk(end + 0.5)
    talk(end + 0.6, inp.FinalText(0, "something else"), inp.PlayoutStarted(99))
    assert talk.machine.ignored == {"FinalText": 1, "PlayoutStarted": 1}
    assert talk.of(cmd.CommitTurn)[0].text == "what time do you open on saturday"
