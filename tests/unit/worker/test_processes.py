from __future__ import annotations

import pytest

from beluga_voice.worker.processes import ProcessLife


def life() -> ProcessLife:
    made = ProcessLife(10.0)
    made.started(0.0)
    made.heard(1.0)
    assert (made.state, made.restarts) == ("running", 0)
    return made


def test_a_crash_is_followed_by_a_restart_after_a_wait() -> None:
    one = life()
    one.ended(2.0, -9, 0.5)
    assert (one.state, one.last_exit) == ("restarting", "signal 9")
    assert one.retry_at == pytest.approx(2.375)
    assert not one.due(2.3)
    assert one.due(2.4)
    one.started(2.4)
    assert (one.state, one.restarts) == ("starting", 1)


def test_crashes_in_a_row_wait_longer_and_never_more_than_half_a_minute() -> None:
    one, now, waits = life(), 2.0, []
    for _ in range(12):
        one.ended(now, 1, 0.999)
        assert one.retry_at is not None
        waits.append(round(one.retry_at - now, 6))
        now = one.retry_at
        one.started(now)
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(0.5, abs=0.01)
    assert waits[-1] == pytest.approx(30.0, abs=0.1)


def test_a_process_that_lived_long_is_started_quickly_again() -> None:
    one = life()
    for _ in range(5):
        one.ended(2.0, 1, 0.5)
        one.started(2.0)
    one.ended(100.0, 1, 0.5)
    assert one.crashes == 0
    assert one.retry_at == pytest.approx(100.375)


def test_what_was_told_to_end_stays_ended() -> None:
    one = life()
    one.stopping()
    assert one.state == "stopping"
    one.ended(3.0, 0, 0.5)
    assert (one.state, one.retry_at) == ("stopped", None)
    assert not one.due(1e9)


def test_a_drain_does_not_start_what_just_crashed() -> None:
    one = life()
    one.ended(2.0, 1, 0.5)
    one.stopping()
    assert one.state == "stopped"
    assert not one.due(1e9)


def test_silence_means_stuck() -> None:
    one = life()
    assert not one.stuck(11.0)
    assert one.stuck(11.1)
    one.started(20.0)
    assert not one.stuck(79.0)  # importing and loading models takes its time
    assert one.stuck(81.0)
