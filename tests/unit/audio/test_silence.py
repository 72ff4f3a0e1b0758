"""The gate before the VAD's model: what it may skip, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest

from beluga_voice.audio.silence import Gate

WINDOW = 512
SECOND = 31


def powers(dbfs: float, seconds: float, seed: int = 1) -> list[float]:
    """Mean squares of windows of white noise."""
    noise = np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), (int(seconds * SECOND), WINDOW))
    return [float(p) for p in (noise**2).mean(axis=1)]


def quiet_gate() -> Gate:
    gate = Gate()
    gate.probability = 0.01
    return gate


def skipped(gate: Gate, values: list[float]) -> list[bool]:
    return [gate.silent(p) for p in values]


@pytest.mark.parametrize("dbfs", [-90, -70, -60, -52])
def test_even_noise_is_skipped_after_a_third_of_a_second(dbfs: float) -> None:
    told = skipped(quiet_gate(), powers(dbfs, 6))
    assert not any(told[:10])
    assert sum(told[12:]) / len(told[12:]) > 0.95


def test_loud_noise_is_always_judged() -> None:
    assert not any(skipped(quiet_gate(), powers(-45, 6)))


@pytest.mark.parametrize("noise", [-72, -60, -52])
def test_a_voice_above_the_noise_is_judged_from_its_first_window(noise: float) -> None:
    gate = quiet_gate()
    skipped(gate, powers(noise, 3))
    assert not any(skipped(gate, powers(noise + 7, 0.5)))


def test_nothing_is_skipped_while_the_model_hears_somebody() -> None:
    gate = quiet_gate()
    skipped(gate, powers(-60, 3))
    gate.probability = 0.4
    assert not any(skipped(gate, powers(-60, 1)))
    gate.probability = 0.05
    assert all(skipped(gate, powers(-60, 1)))


def test_the_floor_follows_a_fan_within_two_seconds() -> None:
    gate = quiet_gate()
    skipped(gate, powers(-70, 3))
    told = skipped(gate, powers(-55, 4))
    assert not any(told[:SECOND])
    assert all(told[int(2.5 * SECOND) :])


def test_somebody_who_speaks_at_once_is_judged() -> None:
    """There is no floor yet, and syllables are uneven: nothing may be taken for noise."""
    gate = Gate()
    syllables = [10 ** ((-50 + 12 * abs(np.sin(i / 3))) / 10) * 32768**2 for i in range(3 * SECOND)]
    gate.probability = 0.9
    assert not any(skipped(gate, syllables))
