"""The line in the log that names the stage at fault."""

from __future__ import annotations

import logging

import pytest

from beluga_voice.events import MetricsEvent
from beluga_voice.observe.latency import EVERY, LatencyWarnings


def turn(total: float = 0.8, slowest: str = "llm", **stages: float) -> MetricsEvent:
    values = {"endpointing": 0.2, "llm": 0.5, "tts": 0.1, "playout": 0.0, **stages}
    return MetricsEvent(at=9.0, turn=4, speech_end=8.2, total=total, target=0.5, slowest=slowest, **values)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_line_says_who_how_much_and_why(caplog: pytest.LogCaptureFixture) -> None:
    LatencyWarnings().missed("abc123", turn())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    assert said == (
        "session abc123 turn 4: answered after 800 ms, target 500 ms; slowest stage: llm (the agent), 500 ms, 62 %"
    )
    assert record.__dict__["session_id"] == "abc123"
    assert record.__dict__["stage"] == "llm"
    assert record.__dict__["total"] == 0.8


def test_the_recogniser_is_blamed_for_the_whole_wait_for_its_words(caplog: pytest.LogCaptureFixture) -> None:
    LatencyWarnings().missed("abc123", turn(2.0, "transcription", endpointing=1.5))
    assert "transcription (the transcript), 1500 ms, 75 %" in caplog.records[0].getMessage()


def test_fields_can_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    LatencyWarnings(structured=False).missed("abc123", turn())
    assert "session_id" not in caplog.records[0].__dict__


def test_a_turn_in_time_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    LatencyWarnings().missed("abc123", turn(0.4, ""))
    assert caplog.records == []


def test_many_slow_turns_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    warnings = LatencyWarnings(clock=clock)
    for number in range(50):
        warnings.missed(f"session{number}", turn())
    assert len(caplog.records) == 1
    clock.now += EVERY
    warnings.missed("another", turn())
    clock.now += EVERY
    warnings.missed("another", turn())
    assert [r.getMessage().endswith("; 49 more since the last such line") for r in caplog.records] == [
        False,
        True,
        False,
    ]
