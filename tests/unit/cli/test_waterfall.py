from __future__ import annotations

import pytest

from beluga_voice.cli.waterfall import waterfall
from beluga_voice.events import MetricsEvent


def metrics(**values: float | None) -> MetricsEvent:
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
