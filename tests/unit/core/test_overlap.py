"""Speech over the agent: interruption, back-channel, more of the same turn, or nothing."""

from __future__ import annotations

import pytest
from turn_driver import QUESTION, Talk, answered, spoken

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State

# --- while the agent thinks ---------------------------------------------------------------------------------


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


def test_a_turn_can_be_continued_again_and_again() -> None:
    talk = Talk()
    now, words = 1.0, ["what time", "do you", "open on", "saturday then"]
    for segment, text in enumerate(words):
        end = spoken(talk, text, start=now, segment=segment)
        talk(end + 2.6)
        now = end + 2.8
    assert talk.committed[-1] == " ".join(words)
    assert len(talk.of(cmd.RetractTurn)) == len(words) - 1
    assert {c.turn for c in talk.of(cmd.CommitTurn)} == {1}


def test_what_counts_is_when_the_user_went_on_not_when_it_was_understood() -> None:
    talk = Talk(merge_window=1.0)
    end = spoken(talk, "what time do you open")
    talk(end + 0.5)  # committed at end + 0.3
    talk(end + 1.2, inp.SpeechStarted(end + 1.1))
    talk(end + 1.7, inp.SpeechEnded(end + 1.5))
    assert cmd.RetractTurn(1) in talk(end + 2.0, inp.FinalText(1, "on saturday"))


def test_words_long_after_the_decision_are_a_turn_of_their_own() -> None:
    talk = Talk(merge_window=1.0)
    end = spoken(talk, "what time do you open")
    talk(end + 0.5)
    talk(end + 3.0, inp.SpeechStarted(end + 2.9))
    assert talk(end + 3.3, inp.PartialText(1, "hello are you there")) == [cmd.CancelReply(1, "user_goes_on")]
    assert talk.machine.c.turn == 2


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


def test_noise_does_not_give_a_hanging_agent_more_time_than_it_held_it_back() -> None:
    talk = Talk(thinking_timeout=5.0)
    end = spoken(talk)
    talk(end + 0.3)
    for n in range(1, 5):
        at = end + 0.3 + n
        talk(at, inp.SpeechStarted(at))
        talk(at + 0.2, inp.SpeechEnded(at + 0.1))
        talk(at + 0.3, inp.FinalText(n, ""))  # held for 0.3 s each time
    assert talk(end + 0.3 + 5.0 + 1.15) == []
    assert talk(end + 0.3 + 5.0 + 1.25)[1] == cmd.CancelReply(1, "timeout")


def test_a_turn_can_be_continued_even_where_replies_must_be_heard() -> None:
    talk = Talk(allow_interruptions=False)
    end = spoken(talk, "what time do you open")
    talk(end + 0.5)
    assert talk(end + 0.7, inp.SpeechStarted(end + 0.6)) == [cmd.Hold(1)]
    assert cmd.RetractTurn(1) in talk(end + 1.0, inp.PartialText(1, "on saturday"))


def test_a_reply_that_must_be_heard_is_let_go_once_it_has_acted() -> None:
    talk = Talk(allow_interruptions=False)
    end = spoken(talk, "book it for ten")
    talk(end + 0.5)
    talk(end + 0.7, inp.SpeechStarted(end + 0.6))
    assert talk(end + 0.8, inp.ToolStarted(1)) == [cmd.Resume(1)]
    assert talk(end + 1.0, inp.PartialText(1, "at the main office")) == []
    talk(end + 1.2, inp.PlayoutStarted(1), inp.SpeechEnded(end + 1.1))
    talk(end + 1.3, inp.FinalText(1, "at the main office"))
    talk(end + 4.0, inp.PlayoutFinished(1))
    talk(end + 5.0)
    assert talk.committed == ["book it for ten", "at the main office"]


# --- while the agent speaks ---------------------------------------------------------------------------------


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


def test_a_recognisers_first_guesses_at_a_murmur_do_not_interrupt() -> None:
    """What a real one made of "right", 80 ms apart."""
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    for n, guess in enumerate(("for", "ray", "right", "rates", "right")):
        assert cmd.CancelReply(reply, "interrupted") not in talk(5.3 + 0.08 * n, inp.PartialText(1, guess))
    talk(5.75, inp.SpeechEnded(5.6))
    assert talk(5.8, inp.FinalText(1, "right"))[-1] == cmd.Resume(reply)
    assert talk.state is State.SPEAKING


def test_words_interrupt_when_they_begin_the_same_for_a_moment() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    assert talk(5.3, inp.PartialText(1, "can")) == [cmd.Hold(reply)]
    assert talk(5.4, inp.PartialText(1, "can i")) == []
    assert talk(5.49) == []
    assert talk(5.51) == [cmd.CancelReply(reply, "interrupted"), cmd.StopPlayout(reply)]


def test_three_words_are_no_first_guess() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    assert cmd.CancelReply(reply, "interrupted") in talk(5.3, inp.PartialText(1, "can i ask"))


def test_a_short_word_interrupts_with_its_final() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.3, inp.PartialText(1, "tomorrow"))
    talk(5.35, inp.SpeechEnded(5.3))
    assert cmd.CancelReply(reply, "interrupted") in talk(5.4, inp.FinalText(1, "tomorrow"))


def test_the_voice_is_lowered_and_held_after_the_times_that_are_set() -> None:
    talk = Talk(duck_after=0.1, hold_after=0.4)
    reply = answered(talk)
    assert talk(5.05, inp.SpeechStarted(5.0)) == []
    assert talk(5.11) == [cmd.Duck(reply)]
    assert talk(5.39) == []
    assert talk(5.41) == [cmd.Hold(reply)]


def test_a_long_voice_interrupts_without_words_but_takes_longer() -> None:
    """The agent is silent meanwhile, so waiting costs nothing; a passing lorry must not end its answer."""
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.21)
    assert talk(6.7) == []
    assert talk(6.8) == [cmd.CancelReply(reply, "interrupted"), cmd.StopPlayout(reply)]


def test_a_long_voice_interrupts_at_once_where_no_words_are_required() -> None:
    talk = Talk(min_interruption_words=0)
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    assert talk(5.6) == [cmd.Hold(reply)]
    assert talk(5.75) == [cmd.CancelReply(reply, "interrupted"), cmd.StopPlayout(reply)]


def test_two_coughs_are_not_a_long_voice() -> None:
    talk = Talk(min_interruption_words=0)
    answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.35, inp.SpeechEnded(5.2))
    talk(5.85, inp.SpeechStarted(5.8))
    talk(6.15, inp.SpeechEnded(6.0))
    talk(6.2, inp.FinalText(1, ""))
    talk(6.3, inp.FinalText(2, ""))
    assert talk.state is State.SPEAKING
    assert talk.of(cmd.CancelReply) == []


@pytest.mark.parametrize("murmur", ["mm-hmm", "yeah okay", "genau", "d'accord", "the", ""])
def test_a_back_channel_lets_the_agent_go_on(murmur: str) -> None:
    talk = Talk(language="auto")
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.25)
    talk(5.5, inp.SpeechEnded(5.3))
    out = talk(5.6, inp.FinalText(1, murmur))
    assert out[-1] == cmd.Resume(reply)
    assert talk.state is State.SPEAKING
    assert talk.of(cmd.CancelReply) == []
    assert talk.committed == [QUESTION]


def test_a_back_channel_whose_final_is_late_does_not_hold_the_agent_for_long() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.5, inp.SpeechEnded(5.3))
    assert talk(6.31) == [cmd.DiscardSpeech(5.0, "", "no_words"), cmd.Resume(reply)]


def test_words_that_come_late_still_interrupt() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.5, inp.SpeechEnded(5.3))
    talk(6.31)
    assert talk(6.6, inp.FinalText(1, "stop please")) == [
        cmd.CancelReply(reply, "interrupted"),
        cmd.StopPlayout(reply),
    ]
    talk(6.61, inp.PlayoutStopped(reply, "We are open"))
    talk(7.0)
    assert talk.committed == [QUESTION, "stop please"]


@pytest.mark.parametrize(("late", "text"), [(0.5, "mm-hmm"), (0.5, ""), (5.0, "stop please")])
def test_a_late_murmur_or_a_very_late_word_does_not(late: float, text: str) -> None:
    talk = Talk()
    answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.5, inp.SpeechEnded(5.3))
    talk(6.31)
    assert talk(6.31 + late, inp.FinalText(1, text)) == []
    assert talk.state is State.SPEAKING


def test_a_voice_that_goes_on_while_the_cut_is_settled_is_one_turn() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.3, inp.PartialText(1, "no wait"))
    assert talk(5.4, inp.SpeechEnded(5.35)) == [cmd.AskFinal(5.35)]
    talk(5.5, inp.SpeechStarted(5.45), inp.FinalText(1, "no wait"))
    talk(5.6, inp.PlayoutStopped(reply, "We"))
    assert talk.state is State.USER_SPEAKING
    talk(6.7, inp.SpeechEnded(6.5))
    talk(6.8, inp.FinalText(2, "i meant sunday"))
    talk(8.0)
    assert talk.committed == [QUESTION, "no wait i meant sunday"]


def test_a_cut_that_is_never_confirmed_is_reported_and_the_turn_goes_on() -> None:
    talk = Talk()
    answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.3, inp.PartialText(1, "no wait"))
    out = talk(6.4)
    assert [type(c) for c in out] == [cmd.Fault, cmd.Interrupted]
    assert talk.state is State.USER_SPEAKING


# --- over a reply that must be heard ------------------------------------------------------------------------


def test_speech_over_an_uninterruptible_reply_is_the_next_turn() -> None:
    talk = Talk(allow_interruptions=False)
    reply = answered(talk)
    assert talk(5.05, inp.SpeechStarted(5.0)) == []
    assert talk(6.5, inp.SpeechEnded(6.3)) == [cmd.AskFinal(6.3)]
    talk(6.6, inp.FinalText(1, "and on sunday please"))
    assert talk.state is State.SPEAKING
    out = talk(8.0, inp.PlayoutFinished(reply))
    assert out[0] == cmd.CommitTurn(2, "and on sunday please", 6.3, "silence")


def test_a_murmur_in_the_middle_of_an_uninterruptible_reply_is_no_turn() -> None:
    talk = Talk(allow_interruptions=False)
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.5, inp.SpeechEnded(5.3))
    talk(5.6, inp.FinalText(1, "mm-hmm"))
    assert talk(9.0, inp.PlayoutFinished(reply)) == [cmd.DiscardSpeech(5.0, "mm-hmm", "backchannel")]
    assert talk.state is State.LISTENING


def test_a_yes_at_its_end_is_an_answer() -> None:
    talk = Talk(allow_interruptions=False)
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.5, inp.SpeechEnded(5.3))
    talk(5.6, inp.FinalText(1, "yes"))
    talk(5.7, inp.PlayoutFinished(reply))
    talk(6.0)
    assert talk.committed == [QUESTION, "yes"]


def test_speech_that_begins_as_the_reply_ends_is_an_ordinary_turn() -> None:
    talk = Talk()
    reply = answered(talk)
    talk(5.05, inp.SpeechStarted(5.0))
    talk(5.1, inp.PlayoutFinished(reply))
    assert talk.state is State.USER_SPEAKING
    assert talk.machine.c.turn == 2
