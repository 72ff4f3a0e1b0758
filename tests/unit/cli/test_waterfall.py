from __future__ import annotations

from typing import Any

import pytest

from beluga_voice.cli.waterfall import waterfall
from beluga_voice.events import MetricsEvent


def metrics(**values: Any) -> MetricsEvent:
    return MetricsEvent(at=1.0, turn=1, speech_end=0.5, **values)


def test_the_bar_is_cut_in_proportion() -> None:
    text = waterfall(metrics(endpointing=0.2, llm=0.1, tts=0.05, playout=0.05, total=0.4, target=0.4))
    assert text.plain.count("█") == 40
    lengths = [len(text.plain[span.start : span.end]) for span in text.spans[:4]]
    assert lengths == [20, 10, 5, 5]
    assert "400 ms of 400" in text.plain
    assert "endpointing 200  llm 100  tts 50  playout 50" in text.plain


def test_a_turn_within_the_target_leaves_room() -> None:
    text = waterfall(metrics(endpointing=0.25, total=0.25, target=0.5))
    assert text.plain.count("█") == 20
    assert text.plain.count("·") == 20


@pytest.mark.parametrize(
    "values", [{}, {"total": 0.0}, {"total": None, "llm": 0.3}, {"total": 31.0, "llm": 30.9, "target": 0.1}]
)
def test_missing_and_extreme_values_are_shown(values: dict[str, float | None]) -> None:
    plain = waterfall(metrics(**values)).plain
    assert "ms" in plain
    assert plain.count("█") <= 41


def test_the_stage_at_fault_is_marked() -> None:
    text = waterfall(metrics(endpointing=0.2, llm=0.6, tts=0.1, total=0.9, slowest="llm"))
    (marked,) = [s for s in text.spans if "underline" in str(s.style)]
    assert text.plain[marked.start : marked.end] == "llm 600"


def test_waiting_for_the_transcript_is_said() -> None:
    late = metrics(endpointing=0.9, transcription=0.9, total=1.0, slowest="transcription")
    assert "transcription 900" in waterfall(late).plain


def test_work_done_ahead_is_said() -> None:
    assert "ahead 210" in waterfall(metrics(endpointing=0.4, llm=0.0, total=0.4, ahead=0.21)).plain
    assert "ahead" not in waterfall(metrics(total=0.4)).plain
