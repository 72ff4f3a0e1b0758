"""The light judge of how a voice sounds at its end."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from beluga_voice.providers.turn.melody import Melody, create, measure, probability
from beluga_voice.registry import registry_for


def voice(
    seconds: float, pitch: tuple[float, float], level: tuple[float, float], silence: float = 0.2
) -> bytes:
    """A buzz whose last 0.4 s go from one pitch (Hz) and level (0 to 1) to the other, then a quiet room."""
    t = np.arange(int(seconds * 16_000)) / 16_000
    path = np.clip((t - seconds + 0.4) / 0.4, 0, 1)
    phase = 2 * np.pi * np.cumsum(pitch[0] + (pitch[1] - pitch[0]) * path) / 16_000
    wave = sum(np.sin(n * phase) / n for n in range(1, 8)) * (level[0] + (level[1] - level[0]) * path) * 6000
    room = np.random.default_rng(1).normal(0, 20, len(t) + int(silence * 16_000))
    room[: len(t)] += wave
    return room.astype("<i2").tobytes()


FALLING = voice(1.5, (180, 90), (1.0, 0.15))
LEVEL = voice(1.5, (150, 150), (1.0, 1.0))
RISING = voice(1.5, (130, 230), (1.0, 1.0))


def test_pitch_and_loudness_are_measured() -> None:
    falling, level, rising = measure(FALLING, 16_000), measure(LEVEL, 16_000), measure(RISING, 16_000)
    assert falling and level and rising
    assert falling.fall < -15 < -2 < level.fall < 2 < 15 < rising.fall
    assert falling.level < -6 < -2 < level.level < 1


async def test_a_voice_that_comes_down_sounds_finished() -> None:
    judge = create({})
    falling, level, rising = [await judge.complete("", pcm, 16_000) for pcm in (FALLING, LEVEL, RISING)]
    assert falling > 0.55 > 0.45 > level >= rising >= 0.354


@pytest.mark.parametrize("pcm", [b"", bytes(3200), bytes(64_000), voice(0.05, (150, 150), (1, 1))])
async def test_too_little_to_tell_is_left_open(pcm: bytes) -> None:
    assert await create({}).complete("", pcm, 16_000) == 0.5


async def test_noise_is_judged_without_a_pitch() -> None:
    noise = np.random.default_rng(2).normal(0, 3000, 24_000).astype("<i2").tobytes()
    assert 0.35 <= await create({}).complete("", noise, 16_000) <= 0.65


def test_it_is_never_sure() -> None:
    assert probability(Melody(-90.0, -500.0)) == pytest.approx(0.646, abs=0.001)
    assert probability(Melody(90.0, 500.0)) == pytest.approx(0.354, abs=0.001)


def test_other_rates_give_about_the_same() -> None:
    here, half = measure(FALLING, 16_000), measure(np.frombuffer(FALLING, "<i2")[::2].tobytes(), 8_000)
    assert here and half
    assert here.level == pytest.approx(half.level, abs=1.5)
    assert here.fall == pytest.approx(half.fall, abs=8)


def test_it_is_cheap() -> None:
    measure(FALLING, 16_000)
    began = time.process_time()
    for _ in range(20):
        measure(FALLING, 16_000)
    assert (time.process_time() - began) / 20 < 0.01


def test_the_first_judgement_loads_no_module() -> None:
    program = """
import sys
from beluga_voice.providers.turn.melody import measure
known = set(sys.modules)
assert measure(sys.stdin.buffer.read(), 16_000)
print(sorted(set(sys.modules) - known))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=FALLING, capture_output=True, check=True, timeout=50
    )
    assert done.stdout.decode().strip() == "[]"


def test_it_is_registered() -> None:
    assert {"melody", "smart_turn"} <= set(registry_for("turn").names())
