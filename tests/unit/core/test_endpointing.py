"""How long the silence must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.completeness import completeness
from beluga_voice.core.endpointing import combine, endpointing_delay
from beluga_voice.core.settings import TurnSettings

SETTINGS = TurnSettings()


def delay(text: str, sound: float | None = None, pace: float = 1.0) -> float:
    return endpointing_delay(combine(completeness(text), sound), SETTINGS, pace)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("yes please", 0.2, 0.2),
        ("what time do you open on saturday", 0.2, 0.2),
        ("that's all", 0.2, 0.2),
        ("two people", 0.2, 0.2),
        ("my number is five five five one two three four", 0.2, 0.2),
        ("i lost my key", 0.25, 0.5),
        ("saturday", 0.25, 0.8),
        ("my number is five five five", 1.2, 2.5),
        ("i would like to book a table for", 1.6, 2.5),
        ("well um", 2.5, 2.5),
        ("so what i mean is that", 1.6, 2.5),
        ("ich möchte einen tisch für", 1.6, 2.5),
        ("je voudrais une table pour", 1.6, 2.5),
        ("quisiera una mesa para", 1.6, 2.5),
    ],
)
def test_delay(text: str, low: float, high: float) -> None:
    assert low - 1e-9 <= delay(text) <= high + 1e-9


def test_a_detector_moves_what_the_words_leave_open() -> None:
    assert delay("I lost my key", 0.95) < delay("I lost my key") < delay("I lost my key", 0.1)
    assert delay("I lost my key", 0.5) == pytest.approx(delay("I lost my key"))


def test_words_veto_a_detector() -> None:
    assert delay("a table for", 0.99) > 1.6


def test_a_detector_that_is_sure_holds_words_that_sound_finished() -> None:
    assert delay("I would like a room", 0.05) > 0.8


def test_the_speakers_pauses_count_where_the_matter_is_open() -> None:
    assert delay("I lost my key", pace=2.0) > 1.15 * delay("I lost my key")
    assert delay("how many people", pace=0.7) < delay("how many people") < delay("how many people", pace=1.5)
    assert delay("yes please", pace=2.0) == delay("yes please")


def test_no_minimum() -> None:
    assert endpointing_delay(0.9, TurnSettings(min_endpointing_delay=0.0)) == 0.0


@given(st.floats(0, 1), st.floats(0, 2), st.floats(0.1, 5), st.floats(0.7, 2))
def test_the_delay_stays_within_its_bounds(probability: float, low: float, more: float, pace: float) -> None:
    settings = TurnSettings(min_endpointing_delay=low, max_endpointing_delay=low + more)
    assert low - 1e-9 <= endpointing_delay(probability, settings, pace) <= low + more + 1e-9


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.7, 2))
def test_more_complete_never_waits_longer(one: float, other: float, pace: float) -> None:
    low, high = sorted((one, other))
    assert endpointing_delay(high, SETTINGS, pace) <= endpointing_delay(low, SETTINGS, pace) + 1e-9


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_surer_detector_never_waits_longer(words: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= combine(words, low) <= combine(words, high) + 1e-9 <= 1 + 2e-9


@given(st.floats(0.001, 0.25), st.floats(0, 1))
def test_no_sound_finishes_words_that_plainly_go_on(words: float, sound: float) -> None:
    assert combine(words, sound) < 0.4
