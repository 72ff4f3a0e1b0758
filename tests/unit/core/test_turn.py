"""The agent's side and the end: replies, things to say, deadlines, draining."""

from __future__ import annotations

from turn_driver import Talk, answered, spoken

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State


def test_things_to_say_wait_for_silence_and_are_said_in_order() -> None:
    talk = Talk()
    reply = answered(talk)
    assert talk(5.0, inp.SayRequested("one"), inp.SayRequested("two", interruptible=False)) == []
    assert talk(6.0, inp.PlayoutFinished(reply)) == [cmd.StartSay(reply + 1, "one")]
    assert talk(7.0, inp.ReplyEnded(reply + 1, audio=False)) == [cmd.StartSay(reply + 2, "two")]
    assert talk.machine.c.interruptible is False


def test_things_to_say_are_said_after_the_answer_to_what_the_user_says_meanwhile() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    assert talk(1.5, inp.SayRequested("notice")) == []
    talk(3.2, inp.PartialText(0, "what time is it"), inp.SpeechEnded(3.0))
    talk(3.3, inp.FinalText(0, "what time is it"))
    talk(4.0, inp.PlayoutStarted(1))
    assert talk(5.0, inp.PlayoutFinished(1)) == [cmd.StartSay(2, "notice")]


def test_a_noise_does_not_swallow_what_is_to_be_said() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(1.2, inp.SayRequested("notice"))
    talk(1.5, inp.SpeechEnded(1.3))
    assert talk(1.6, inp.FinalText(0, ""))[-1] == cmd.StartSay(1, "notice")


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


def test_a_tool_gives_the_agent_more_time() -> None:
    talk = Talk(thinking_timeout=5.0)
    end = spoken(talk)
    talk(end + 0.3)
    talk(end + 4.0, inp.ToolStarted(1))
    assert talk(end + 8.9) == []
    assert talk(end + 9.1) != []


def test_a_voice_that_stalls_is_given_up() -> None:
    talk = Talk(reply_gap_timeout=3.0)
    reply = answered(talk)
    talk(5.0, inp.PlayoutProgress(reply))
    assert talk(7.9) == []
    assert [type(c) for c in talk(8.1)] == [cmd.Fault, cmd.CancelReply, cmd.StopPlayout]


def test_a_reply_that_fails_leaves_a_listening_agent() -> None:
    talk = Talk()
    reply = answered(talk)
    assert talk(5.0, inp.ReplyFailed(reply)) == []
    assert talk.state is State.LISTENING


def test_silence_of_both_sides_is_told_and_then_ends_the_session() -> None:
    talk = Talk(user_away_timeout=10.0, idle_timeout=60.0)
    assert talk(10.1) == [cmd.UserAway(10.0)]
    assert talk(60.1) == [cmd.Close("idle")]


def test_noise_does_not_keep_a_session_open() -> None:
    talk = Talk(user_away_timeout=10.0, idle_timeout=60.0)
    for n in range(12):
        at = 1.0 + 5.0 * n
        talk(at, inp.SpeechStarted(at))
        talk(at + 0.4, inp.SpeechEnded(at + 0.2))
        talk(at + 0.5, inp.FinalText(n, ""))
    assert len(talk.of(cmd.UserAway)) == 1
    assert talk(60.1) == [cmd.Close("idle")]


def test_words_begin_the_silence_anew() -> None:
    talk = Talk(user_away_timeout=10.0)
    talk(10.1)
    reply = answered(talk, start=11.0)
    talk(20.0, inp.PlayoutFinished(reply))
    assert talk(29.9) == []
    assert talk(30.1) == [cmd.UserAway(10.0)]


# --- the end ------------------------------------------------------------------------------------------------


def test_a_graceful_stop_lets_the_reply_finish() -> None:
    talk = Talk()
    reply = answered(talk)
    assert talk(5.0, inp.Stop("done", graceful=True)) == []
    assert talk.state is State.DRAINING
    assert talk(6.0, inp.PlayoutFinished(reply)) == [cmd.Close("done")]
    assert talk.state is State.CLOSED
    assert talk.machine.deadline() is None


def test_a_graceful_stop_says_what_waits_to_be_said() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.0, inp.SayRequested("goodbye"), inp.Stop("done", graceful=True))
    assert talk(6.0, inp.PlayoutFinished(reply)) == [cmd.StartSay(reply + 1, "goodbye")]
    talk(6.1, inp.PlayoutStarted(reply + 1), inp.ReplyEnded(reply + 1, audio=True))
    assert talk.state is State.DRAINING
    assert talk(7.0, inp.PlayoutFinished(reply + 1)) == [cmd.Close("done")]


def test_a_graceful_stop_while_the_user_speaks_says_what_waits_or_ends_at_once() -> None:
    waits, empty = Talk(), Talk()
    for talk in (waits, empty):
        talk(1.1, inp.SpeechStarted(1.0))
    assert waits(2.0, inp.SayRequested("goodbye"), inp.Stop("done", graceful=True)) == [
        cmd.StartSay(1, "goodbye")
    ]
    assert empty(2.0, inp.Stop("done", graceful=True)) == [cmd.Close("done")]


def test_draining_gives_a_held_voice_back() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.25)
    assert talk(5.3, inp.Stop("done", graceful=True)) == [cmd.Resume(reply)]


def test_draining_has_an_end() -> None:
    talk = Talk(draining_timeout=4.0)
    reply = answered(talk)
    talk(5.0, inp.Stop("done", graceful=True))
    assert talk(9.1) == [cmd.CancelReply(reply, "drain_timeout"), cmd.StopPlayout(reply), cmd.Close("done")]


def test_a_second_stop_does_not_wait() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.0, inp.Stop("done", graceful=True))
    assert talk(5.05, inp.Stop("again", graceful=True)) == []
    assert talk(5.1, inp.Stop("now"))[-1] == cmd.Close("now")
    assert cmd.StopPlayout(reply) in talk.done


def test_a_stop_while_a_cut_is_settled_cuts_once() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.3, inp.PartialText(1, "no wait"))
    assert talk(5.31, inp.Stop("bye")) == [cmd.Interrupted(reply, 1, 5.0), cmd.Close("bye")]
    assert len(talk.of(cmd.CancelReply)) == len(talk.of(cmd.StopPlayout)) == 1


def test_nothing_happens_after_the_end() -> None:
    talk = Talk()
    talk(1.0, inp.Stop("bye"))
    assert talk(2.0, inp.SpeechStarted(1.9), inp.TypedText("hello"), inp.Stop("again")) == []
