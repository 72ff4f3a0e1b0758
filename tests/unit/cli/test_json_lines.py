from __future__ import annotations

import json
import logging

import pytest

from beluga_voice.cli.json_lines import JsonLines
from beluga_voice.events import MetricsEvent
from beluga_voice.observe.latency import LatencyWarnings


def test_a_missed_target_is_a_line_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    event = MetricsEvent(at=1.0, turn=4, speech_end=0.2, llm=0.5, total=0.8, target=0.5, slowest="llm")
    LatencyWarnings().missed("abc", event)
    line = json.loads(JsonLines().format(caplog.records[0]))
    assert (line["level"], line["logger"]) == ("warning", "beluga_voice.observe.latency")
    fields = {
        name: line[name] for name in ("session_id", "turn", "total", "target", "stage", "stage_seconds")
    }
    expected = {
        "session_id": "abc",
        "turn": 4,
        "total": 0.8,
        "target": 0.5,
        "stage": "llm",
        "stage_seconds": 0.5,
    }
    assert fields == expected


def test_a_plain_record_has_no_empty_fields() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "hello %s", ("there",), None)
    line = json.loads(JsonLines().format(record))
    assert set(line) == {"time", "level", "logger", "message"}
    assert line["message"] == "hello there"
