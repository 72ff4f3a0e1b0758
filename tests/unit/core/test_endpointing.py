"""How long the silence must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.endpointing import endpointing_delay
from beluga_voice.core.settings import TurnSettings


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("yes please", 0.3, 0.3),
        ("what time do you open on saturday", 0.3, 0.3),
        ("that's all", 0.3, 0.3),
        ("my number is five five five one two three four", 0.3, 0.3),
        ("i lost my key", 0.3, 0.6),
        ("saturday", 0.3, 0.8),
        ("my number is five five five", 1.0, 2.0),
        ("i would like to book a table for", 2.5, 2.5),
        ("well um", 2.5, 2.5),
        ("so what i mean is that", 2.5, 2.5),
        ("ich möchte einen tisch für", 2.5, 2.5),
        ("je voudrais une table pour", 2.5, 2.5),
        ("quisiera una mesa para", 2.5, 2.5),
    ],
)
def test_delay(text: str, low: float, high: float) -> None:
    assert low - 1e-9 <= endpointing_delay(text, None, TurnSettings()) <= high + 1e-9


def test_a_detector_moves_what_the_words_leave_open() -> None:
    settings = TurnSettings(min_endpointing_delay=0.3, max_endpointing_delay=2.4)
    middle = endpointing_delay("I lost my key", None, settings)
    assert 0.3 < middle < 1.0
    assert (
        endpointing_delay("I lost my key", 0.95, settings)
        < middle
        < endpointing_delay("I lost my key", 0.1, settings)
    )


def test_words_veto_a_detector() -> None:
    settings = TurnSettings()
    assert endpointing_delay("a table for", 0.99, settings) == pytest.approx(settings.max_endpointing_delay)


def test_no_minimum() -> None:
    assert endpointing_delay("yes please", None, TurnSettings(min_endpointing_delay=0.0)) == 0.0


@given(st.text(max_size=60), st.none() | st.floats(0, 1), st.floats(0, 2), st.floats(0.1, 5))
def test_the_delay_stays_within_its_bounds(
    text: str, probability: float | None, low: float, more: float
) -> None:
    settings = TurnSettings(min_endpointing_delay=low, max_endpointing_delay=low + more)
    assert low - 1e-9 <= endpointing_delay(text, probability, settings) <= low + more + 1e-9


@given(st.text(max_size=60), st.floats(0, 1), st.floats(0, 1))
def test_a_surer_detector_never_waits_longer(text: str, one: float, other: float) -> None:
    settings = TurnSettings()
    low, high = sorted((one, other))
    assert endpointing_delay(text, high, settings) <= endpointing_delay(text, low, settings) + 1e-9
