from __future__ import annotations

import pytest

from beluga_voice.core.inputs import (
    SpeechDismissed,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    SpeechSuspected,
)
from beluga_voice.core.voice_activity import VoiceActivity, VoiceEvent

W = 0.032


def run(probabilities: list[float]) -> list[VoiceEvent]:
    return [e for e in heard(probabilities) if isinstance(e, SpeechStarted | SpeechEnded)]


def heard(probabilities: list[float]) -> list[VoiceEvent]:
    activity = VoiceActivity()
    out = [activity.push(p, (i + 1) * W, W) for i, p in enumerate(probabilities)]
    return [e for e in out if e is not None]


def test_onset_is_where_speech_began_and_end_where_it_was_last_heard() -> None:
    started, ended = run([0.1] * 4 + [0.6, 0.7, 0.9, 0.9] + [0.1] * 8)
    assert started == SpeechStarted(4 * W)
    assert ended == SpeechEnded(8 * W)


def test_one_sure_window_is_enough_and_one_doubtful_is_not() -> None:
    assert len(run([0.95, 0.1, 0.1])) == 1
    assert run([0.6, 0.1, 0.6, 0.1]) == []


def test_a_short_dip_does_not_end_speech() -> None:
    assert len(run([0.9] * 5 + [0.1] * 4 + [0.9] * 5)) == 1


def test_between_the_thresholds_speech_goes_on() -> None:
    assert len(run([0.9] * 3 + [0.4] * 50)) == 1


def test_a_pause_is_told_at_its_first_quiet_window_and_once() -> None:
    assert heard([0.9] * 3 + [0.1] * 8)[1:] == [SpeechPaused(3 * W), SpeechEnded(3 * W)]


def test_a_voice_that_goes_on_after_a_dip_is_told() -> None:
    told = heard([0.9] * 3 + [0.1] * 3 + [0.9] * 3 + [0.1] * 2)
    assert told[1:] == [SpeechPaused(3 * W), SpeechResumed(6 * W), SpeechPaused(9 * W)]


def test_what_may_be_a_voice_is_told_at_its_first_window_and_taken_back() -> None:
    assert heard([0.1, 0.4, 0.1, 0.1]) == [SpeechSuspected(W), SpeechDismissed(3 * W)]


def test_a_suspicion_becomes_a_voice_that_began_where_it_was_suspected() -> None:
    assert heard([0.1, 0.4, 0.6, 0.6]) == [SpeechSuspected(W), SpeechStarted(W)]


def test_a_sure_voice_needs_no_suspicion() -> None:
    assert heard([0.1, 0.95]) == [SpeechStarted(W)]


def test_a_noise_that_goes_on_is_not_suspected_for_long_and_not_again() -> None:
    told = heard([0.4] * 40 + [0.1] + [0.4])
    assert told[:2] == [SpeechSuspected(0.0), SpeechDismissed(4 * W)]
    assert told[2:] == [SpeechSuspected(41 * W)]


def test_a_voice_out_of_a_long_noise_begins_where_it_stands_out() -> None:
    started = heard([0.4] * 10 + [0.6] * 2)[-1]
    assert isinstance(started, SpeechStarted)
    assert started.at == pytest.approx(10 * W)


def test_a_suspicion_ends_with_the_audio() -> None:
    activity = VoiceActivity()
    activity.push(0.4, W, W)
    assert activity.end() == SpeechDismissed(W)
    assert activity.end() is None
