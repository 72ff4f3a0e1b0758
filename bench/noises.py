"""Sounds that are not speech, a second at a time: noise, typing, coughs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.speech import RATE

__all__ = ["NOISES", "scaled"]

Floats = NDArray[np.float64]


def _white(random: np.random.Generator) -> Floats:
    return random.normal(0, 1, RATE)


def _pink(random: np.random.Generator) -> Floats:
    """Power falls by 3 dB an octave."""
    return _shaped(random.normal(0, 1, RATE), lambda hertz: 1 / np.sqrt(np.maximum(hertz, 20)))


def _typing(random: np.random.Generator) -> Floats:
    """Seven keys a second: each a click of 4 ms, a thud of 30 ms behind it, and the key coming up."""
    out = np.zeros(RATE)
    for beat in np.arange(7) / 7 + random.uniform(0, 0.08, 7):
        strength = random.uniform(0.5, 1.0)
        for after, length, low, high, gain in (
            (0.0, 0.004, 2000, 7500, 1.0),
            (0.002, 0.03, 150, 900, 0.5),
            (0.07, 0.004, 2500, 7500, 0.4),
        ):
            samples = round(length * RATE)
            burst = random.normal(0, 1, 4 * samples) * np.exp(-np.arange(4 * samples) / samples)
            _add(out, beat + after, strength * gain * _band(burst, low, high))
    return out


def _coughs(random: np.random.Generator) -> Floats:
    """A cough in this second or none: a burst, then breath through the shape of a throat for a quarter of a second."""
    out = np.zeros(RATE)
    if random.random() < 0.5:
        return out
    length = round(random.uniform(0.2, 0.35) * RATE)
    at = np.arange(length) / RATE
    breath = random.normal(0, 1, length)
    throat = sum(
        gain * _band(breath, hertz - width, hertz + width)
        for hertz, width, gain in ((600, 150, 1.0), (1300, 200, 0.7), (2600, 400, 0.4))
    )
    attack = np.minimum(1.0, at / 0.01)
    _add(out, random.uniform(0.05, 0.4), attack * np.exp(-at / 0.09) * throat)
    return out


def _add(out: Floats, at: float, sound: Floats) -> None:
    start = round(at * RATE)
    room = out[start : start + len(sound)]
    room += sound[: len(room)]


def _band(samples: Floats, low: float, high: float) -> Floats:
    return _shaped(samples, lambda hertz: ((hertz >= low) & (hertz <= high)).astype(float))


def _shaped(samples: Floats, gain: Callable[[Floats], Floats]) -> Floats:
    spectrum = np.fft.rfft(samples) * gain(np.fft.rfftfreq(len(samples), 1 / RATE))
    shaped: Floats = np.fft.irfft(spectrum, len(samples))
    return shaped


NOISES: Mapping[str, Callable[[np.random.Generator], Floats]] = {
    "white": _white,
    "pink": _pink,
    "typing": _typing,
    "coughs": _coughs,
}


def scaled(samples: Floats, dbfs: float) -> bytes:
    """As s16le whose loud part (what is within 20 dB of its loudest 10 ms) has this level."""
    windows = np.sqrt((samples.reshape(-1, RATE // 100) ** 2).mean(axis=1))
    loud = windows[windows > windows.max() / 10]
    if not len(loud):
        return bytes(2 * len(samples))
    gain = 32768 * 10 ** (dbfs / 20) / np.sqrt((loud**2).mean())
    return np.clip(np.rint(samples * gain), -32768, 32767).astype("<i2").tobytes()
