"""The breakdown of a turn from the moments of its stages."""

from __future__ import annotations

import pytest

from beluga_voice.events import MetricsEvent
from beluga_voice.pipeline.turn_times import ReplyTimes, TurnTimes


def told(
    reply: ReplyTimes,
    sent: float,
    *,
    target: float = 0.5,
    final: float | None = 10.2,
    reason: str = "silence",
) -> MetricsEvent:
    """Speech ends at 10.0 and the turn is decided at 10.3."""
    times = TurnTimes(target)
    times.asked()
    if final is not None:
        times.final(final)
    times.commit(3, 10.0, 10.3, reason, "words 0.85")
    event = times.metrics(3, reply, sent, 0.06)
    assert event is not None
    return event


def waited(event: MetricsEvent) -> list[float | None]:
    stages = (event.endpointing, event.llm, event.tts, event.playout)
    return [None if value is None else round(value, 4) for value in stages]


def test_stages_follow_each_other() -> None:
    event = told(ReplyTimes(10.3, 10.5, 10.6), 10.65)
    assert waited(event) == [0.3, 0.2, 0.1, 0.05]
    assert event.total == pytest.approx(0.65)
    assert event.transcription == pytest.approx(0.2)
    assert event.ahead == 0.0
    assert event.delivery == 0.06
    assert (event.decided, event.asked, event.first_text, event.first_audio) == (10.3, 10.3, 10.5, 10.6)


@pytest.mark.parametrize(
    ("reply", "sent", "expected"),
    [
        (ReplyTimes(10.1, 10.35, 10.45), 10.46, [0.3, 0.05, 0.1, 0.01]),  # the model came after the decision
        (ReplyTimes(10.1, 10.2, 10.4), 10.42, [0.3, 0.0, 0.1, 0.02]),  # only the voice did
        (ReplyTimes(10.1, 10.15, 10.25), 10.31, [0.3, 0.0, 0.0, 0.01]),  # all was there
    ],
)
def test_what_was_done_ahead_was_not_waited_for(
    reply: ReplyTimes, sent: float, expected: list[float]
) -> None:
    event = told(reply, sent)
    assert waited(event) == expected
    assert event.total == pytest.approx(sum(expected)), (
        "the stages are all of the wait, and none counts twice"
    )
    assert event.ahead == pytest.approx(0.2)


def test_audio_of_the_application_has_no_words() -> None:
    event = told(ReplyTimes(10.3, None, 10.5), 10.52)
    assert waited(event) == [0.3, 0.2, None, 0.02]


@pytest.mark.parametrize(
    ("reply", "sent", "slowest"),
    [
        (ReplyTimes(10.3, 10.35, 10.4), 10.45, ""),  # in time
        (ReplyTimes(10.3, 11.0, 11.1), 11.2, "llm"),
        (ReplyTimes(10.3, 10.4, 11.1), 11.2, "tts"),
        (ReplyTimes(10.3, 10.4, 10.5), 11.2, "playout"),
        (ReplyTimes(10.3, 10.4, 10.5), 10.55, "endpointing"),
    ],
)
def test_a_missed_target_names_the_stage_at_fault(reply: ReplyTimes, sent: float, slowest: str) -> None:
    assert told(reply, sent).slowest == slowest


@pytest.mark.parametrize(
    ("final", "reason", "slowest"),
    [
        (10.2, "silence", "endpointing"),
        (10.2999, "silence", "transcription"),  # decided with the final words, not before
        (None, "final_timeout", "transcription"),  # they never came
        (10.2999, "typed", "endpointing"),
    ],
)
def test_a_decision_that_waited_for_the_words_is_the_recognisers_fault(
    final: float | None, reason: str, slowest: str
) -> None:
    event = told(ReplyTimes(10.3, 10.4, 10.5), 10.55, final=final, reason=reason)
    assert event.slowest == slowest


def test_speech_that_answers_no_turn_has_no_breakdown() -> None:
    times = TurnTimes(0.5)
    times.commit(2, 10.0, 10.3, "silence")
    assert times.metrics(0, ReplyTimes(11.0), 11.1, 0.0) is None
    assert times.metrics(1, ReplyTimes(11.0), 11.1, 0.0) is None


def by_model(times: TurnTimes, *, in_voice: bool) -> MetricsEvent:
    """A model takes the turn at 10.3, and is heard at 10.5."""
    times.commit(3, 10.3 if in_voice else 10.1, 10.3, "model")
    if in_voice:
        times.decided_in_voice()
    times.voice_ended(10.2)
    event = times.metrics(3, ReplyTimes(10.3, None, 10.45), 10.5, 0.0)
    assert event is not None
    return event


def test_a_voice_that_outlasts_the_decision_ended_where_the_vad_tells_afterwards() -> None:
    times = TurnTimes(0.5)
    times.voice_began()
    event = by_model(times, in_voice=True)
    assert event.speech_end == 10.2
    assert event.endpointing == pytest.approx(0.1)


def test_a_voice_that_paused_before_the_decision_ended_there() -> None:
    times = TurnTimes(0.5)
    times.voice_began()
    times.voice_ended(9.0)
    times.voice_began()  # it went on
    times.voice_ended(10.15)
    assert by_model(times, in_voice=True).speech_end == 10.15


def test_a_turn_that_only_the_model_heard_does_not_end_with_the_voice_of_the_one_before() -> None:
    times = TurnTimes(0.5)
    times.voice_began()
    times.voice_ended(4.0)
    assert by_model(times, in_voice=False).speech_end == 10.1
