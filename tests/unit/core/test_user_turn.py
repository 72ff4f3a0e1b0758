"""The user's turn: when it begins, what it holds and when it is taken."""

from __future__ import annotations

import pytest
from turn_driver import QUESTION, Talk, answered, spoken

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State


def test_a_turn_from_speech_to_silence_again() -> None:
    talk = Talk()
    assert talk(1.1, inp.SpeechStarted(1.0)) == []
    assert talk.state is State.USER_SPEAKING
    assert talk(3.2, inp.SpeechEnded(3.0)) == [cmd.AskFinal(3.0)]
    assert talk.state is State.DECIDING
    assert talk(3.25, inp.FinalText(0, QUESTION)) == []
    assert talk(3.31) == [cmd.CommitTurn(1, QUESTION, 3.0, "silence"), cmd.StartReply(1, 1, QUESTION)]
    assert talk.state is State.THINKING
    talk(3.5, inp.PlayoutStarted(1))
    assert talk.state is State.SPEAKING
    talk(5.0, inp.ReplyEnded(1, audio=True))
    assert talk.state is State.SPEAKING
    talk(6.0, inp.PlayoutFinished(1))
    assert talk.state is State.LISTENING


def test_the_delay_depends_on_whether_the_words_sound_finished() -> None:
    finished, unfinished = Talk(), Talk()
    spoken(finished, QUESTION)
    spoken(unfinished, "i would like to book a table for")
    assert finished(3.35) != []
    assert unfinished(4.5) == []
    assert isinstance(unfinished(5.6)[0], cmd.CommitTurn)


def test_a_detector_can_hurry_or_slow_the_decision() -> None:
    hurried, slowed = Talk(), Talk()
    for talk in (hurried, slowed):
        spoken(talk, "i lost my key")
    assert hurried(3.3, inp.TurnProbability(1.0)) == [
        cmd.CommitTurn(1, "i lost my key", 3.0, "silence"),
        cmd.StartReply(1, 1, "i lost my key"),
    ]
    assert slowed(3.3, inp.TurnProbability(0.0)) == []
    assert slowed(3.8) == []


def test_a_pause_inside_a_sentence_makes_one_turn_of_two_segments() -> None:
    talk = Talk()
    spoken(talk, "i would like to book a table for")
    talk(3.9, inp.SpeechStarted(3.8))
    assert talk.state is State.USER_SPEAKING
    talk(4.9, inp.SpeechEnded(4.7))
    assert talk(5.0, inp.FinalText(1, "two people please"))[0] == cmd.CommitTurn(
        1, "i would like to book a table for two people please", 4.7, "silence"
    )


def test_partials_of_two_segments_both_count_when_finals_are_late() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(2.0, inp.PartialText(0, "i would like to"))
    talk(2.2, inp.SpeechEnded(2.0))
    talk(2.4, inp.SpeechStarted(2.3))
    talk(3.0, inp.PartialText(1, "book a table"))
    talk(3.2, inp.SpeechEnded(3.0))
    talk(5.0)
    assert talk.committed == ["i would like to book a table"]


def test_no_words_is_no_turn() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(1.4, inp.SpeechEnded(1.2))
    assert talk(1.5, inp.FinalText(0, "")) == [cmd.DiscardSpeech(1.0, "", "no_words")]
    assert talk.state is State.LISTENING
    assert talk.machine.c.turn == 0


@pytest.mark.parametrize("text", ["um", "uh um", "äh", "euh"])
def test_a_hesitation_alone_is_no_turn(text: str) -> None:
    talk = Talk()
    spoken(talk, text)
    assert talk(6.0) == [cmd.DiscardSpeech(1.0, text, "no_words")]
    spoken(talk, "my name is miguel", start=7.0, segment=1)
    talk(12.0)
    assert talk.committed == ["my name is miguel"]


@pytest.mark.parametrize("text", ["yes", "mm-hmm", "okay", "a"])
def test_a_short_answer_is_a_turn(text: str) -> None:
    talk = Talk()
    spoken(talk, text)
    talk(6.0)
    assert talk.committed == [text]


# --- late and missing finals --------------------------------------------------------------------------------


def test_a_final_that_never_comes_is_replaced_by_the_partial() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(2.0, inp.PartialText(0, "what time do you open"))
    talk(3.2, inp.SpeechEnded(3.0))
    assert talk(4.6) == []
    assert talk(4.75)[0] == cmd.CommitTurn(1, "what time do you open", 3.0, "final_timeout")
    assert talk(5.0, inp.FinalText(0, "what time do you open today")) == []
    assert talk.machine.ignored == {"FinalText": 1}


def test_late_words_are_counted_and_ignored() -> None:
    talk = Talk()
    end = spoken(talk)
    talk(end + 0.5)
    talk(end + 0.6, inp.FinalText(0, "something else"), inp.PlayoutStarted(99))
    assert talk.machine.ignored == {"FinalText": 1, "PlayoutStarted": 1}
    assert talk.committed == [QUESTION]


def test_a_late_final_is_answered_if_the_turn_had_no_words_without_it() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(3.2, inp.SpeechEnded(3.0))
    assert talk(4.75) == [cmd.DiscardSpeech(1.0, "", "no_words")]
    assert talk.state is State.LISTENING
    assert talk(5.5, inp.FinalText(0, QUESTION)) == [
        cmd.CommitTurn(1, QUESTION, 3.0, "silence"),
        cmd.StartReply(1, 1, QUESTION),
    ]


def test_a_late_final_joins_the_turn_that_has_begun_since() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(1.8, inp.SpeechEnded(1.6))
    talk(3.4)
    talk(3.6, inp.SpeechStarted(3.5))
    talk(3.7, inp.FinalText(0, "excuse me"))
    talk(5.2, inp.SpeechEnded(5.0))
    talk(5.3, inp.FinalText(1, "what time is it"))
    talk(6.0)
    assert talk.committed == ["excuse me what time is it"]


def test_a_final_that_is_very_late_is_ignored() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(3.2, inp.SpeechEnded(3.0))
    talk(4.75)
    assert talk(20.0, inp.FinalText(0, QUESTION)) == []
    assert talk.state is State.LISTENING
    assert talk.machine.ignored == {"FinalText": 1}


def test_a_recogniser_that_ends_segments_itself_is_believed() -> None:
    talk = Talk()
    talk(1.0, inp.FinalText(0, QUESTION))
    assert talk.state is State.DECIDING
    assert talk(1.4)[0] == cmd.CommitTurn(1, QUESTION, 1.0, "silence")
    talk(1.6, inp.PlayoutStarted(1))
    talk(3.0, inp.PlayoutFinished(1))
    spoken(talk, "and on sunday please", start=4.0, segment=1)
    talk(7.0)
    assert talk.committed == [QUESTION, "and on sunday please"]


# --- turns that are taken by force --------------------------------------------------------------------------


def test_a_monologue_is_taken_as_it_stands() -> None:
    talk = Talk(max_turn=10.0)
    talk(1.1, inp.SpeechStarted(1.0))
    talk(9.0, inp.PartialText(0, "and then and then"))
    assert talk(11.2) == [cmd.AskFinal(11.2)]
    out = talk(11.3, inp.FinalText(0, "and then and then"))
    assert out[0] == cmd.CommitTurn(1, "and then and then", 11.2, "forced")
    assert talk.machine.c.interruptible is False


def test_the_longest_turn_counts_from_its_beginning_however_often_it_pauses() -> None:
    talk = Talk(max_turn=10.0, max_endpointing_delay=3.0)
    for n in range(8):
        spoken(talk, "and then we went to the", start=1.0 + 3.0 * n, segment=n)
    assert talk.of(cmd.CommitTurn)[0].reason == "forced"
    assert 11.0 <= talk.of(cmd.CommitTurn)[0].speech_end <= 12.0


def test_what_follows_a_cut_monologue_is_the_next_turn_and_nothing_is_said_twice() -> None:
    talk = Talk(max_turn=10.0)
    talk(1.1, inp.SpeechStarted(1.0))
    talk(9.0, inp.PartialText(0, "first part"))
    talk(11.2)
    talk(11.25, inp.PartialText(1, "second"))  # the recogniser's next segment has begun
    talk(11.3, inp.FinalText(0, "first part"))
    assert talk.committed == ["first part"]
    reply = talk.machine.c.reply
    talk(11.5, inp.PlayoutStarted(reply))
    talk(12.2, inp.PartialText(1, "second part please"), inp.SpeechEnded(12.0))
    talk(12.3, inp.FinalText(1, "second part please"))
    talk(14.0, inp.PlayoutFinished(reply))
    talk(15.0)
    assert talk.committed == ["first part", "second part please"]


def test_a_voice_that_ends_while_its_turn_is_being_taken_ends_that_turn() -> None:
    talk = Talk(max_turn=10.0)
    talk(1.1, inp.SpeechStarted(1.0))
    talk(9.0, inp.PartialText(0, "first part"))
    talk(11.2)
    assert talk(11.25, inp.SpeechEnded(11.1)) == [cmd.AskFinal(11.1)]
    talk(11.3, inp.FinalText(0, "first part"))
    assert talk(11.4, inp.FinalText(1, "and the rest"))[0] == cmd.CommitTurn(
        1, "first part and the rest", 11.1, "forced"
    )
    assert talk.machine.c.interruptible
    assert not talk.machine.c.voiced


def test_an_endless_noise_is_thrown_away_and_listened_to_again() -> None:
    talk = Talk(max_turn=10.0)
    talk(1.1, inp.SpeechStarted(1.0))
    talk(11.2)
    assert talk(11.3, inp.FinalText(0, "")) == [cmd.DiscardSpeech(1.0, "", "no_words")]
    assert talk.state is State.USER_SPEAKING
    talk(12.0, inp.PartialText(1, QUESTION))
    talk(13.2, inp.SpeechEnded(13.0))
    assert talk(13.3, inp.FinalText(1, QUESTION))[0] == cmd.CommitTurn(1, QUESTION, 13.0, "silence")


# --- typed words --------------------------------------------------------------------------------------------


def test_typed_words_are_a_turn() -> None:
    talk = Talk()
    assert talk(1.0, inp.TypedText("hello")) == [
        cmd.CommitTurn(1, "hello", 1.0, "typed"),
        cmd.StartReply(1, 1, "hello"),
    ]


def test_typed_words_cut_the_reply() -> None:
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


def test_words_spoken_before_typing_belong_to_the_turn_and_the_voice_goes_on() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(2.0, inp.PartialText(0, "send it to"))
    out = talk(2.1, inp.TypedText("12 main street"))
    assert out == [
        cmd.AskFinal(2.1),
        cmd.CommitTurn(1, "send it to 12 main street", 2.1, "typed"),
        cmd.StartReply(1, 1, "send it to 12 main street"),
    ]
    assert talk(2.2, inp.FinalText(0, "send it to")) == []
    talk(2.8, inp.SpeechEnded(2.6))
    assert talk(2.9, inp.FinalText(1, "before friday")) == [
        cmd.CancelReply(1, "user_goes_on"),
        cmd.RetractTurn(1),
    ]
    talk(4.0)
    assert talk.committed[-1] == "send it to 12 main street before friday"


def test_a_noise_while_typing_does_not_keep_the_answer_back() -> None:
    talk = Talk()
    talk(1.1, inp.SpeechStarted(1.0))
    talk(2.0, inp.TypedText("hello"))
    talk(2.2, inp.PlayoutStarted(1))
    assert talk(10.0) == []
    talk(11.0, inp.SpeechEnded(10.8))
    assert talk(11.1, inp.FinalText(0, ""), inp.FinalText(1, "")) == [cmd.DiscardSpeech(2.0, "", "no_words")]
    assert talk.state is State.SPEAKING


def test_words_typed_over_a_reply_that_must_be_heard_wait_for_its_end() -> None:
    talk = Talk(allow_interruptions=False)
    reply = answered(talk)
    assert talk(5.0, inp.TypedText("and on"), inp.TypedText("sunday?")) == []
    assert talk(8.0, inp.PlayoutFinished(reply)) == [
        cmd.CommitTurn(2, "and on sunday?", 8.0, "typed"),
        cmd.StartReply(reply + 1, 2, "and on sunday?"),
    ]


def test_nothing_typed_is_nothing() -> None:
    talk = Talk()
    assert talk(1.0, inp.TypedText("  ")) == []
    assert talk.state is State.LISTENING
