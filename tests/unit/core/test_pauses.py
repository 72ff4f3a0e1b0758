"""What is learned of a speaker's pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.pauses import PACE_BOUNDS, adapt_pace


def paused(*pauses: float, pace: float = 1.0) -> float:
    for pause in pauses:
        pace = adapt_pace(pace, pause)
    return pace


def test_a_slow_speaker_is_waited_for() -> None:
    assert paused(*[1.4] * 6) > 1.8


def test_a_quick_speaker_is_answered_sooner() -> None:
    assert paused(*[0.25] * 12) < 0.75


def test_an_outlier_counts_no_more_than_another_long_pause() -> None:
    assert paused(30.0) == paused(1.0)
    assert paused(30.0) == pytest.approx(1.17, abs=0.01)


def test_a_gap_between_words_is_no_pause() -> None:
    assert paused(0.1) == 1.0


def test_it_settles_where_a_fifth_of_the_pauses_are_longer() -> None:
    pace = paused(*[0.5, 0.6, 0.7, 0.9, 1.3] * 60)
    assert 0.9 < pace * 0.7 < 1.4


@given(st.lists(st.floats(0, 100), max_size=40))
def test_it_stays_within_its_bounds(pauses: list[float]) -> None:
    assert PACE_BOUNDS[0] <= paused(*pauses) <= PACE_BOUNDS[1]
