"""What smart-turn hears: the last eight seconds as the log-mel spectrogram of Whisper.

Facts (checked against the reference computation of its makers, 2026-11): 16 kHz, padded with zeros in front; the
waveform is brought to mean 0 and variance 1; periodic Hann window of 400 samples every 160, mirrored at both ends;
80 triangular bands on Slaney's mel scale, each of unit area, 0 to 8 kHz; log10, at most 8 below the loudest;
(x + 4) / 4.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SAMPLES", "log_mel"]

RATE = 16_000
SAMPLES = 8 * RATE
_WINDOW, _HOP, _BANDS = 400, 160, 80
_KNEE, _KNEE_MEL = 1000.0, 15.0  # Slaney: linear below, logarithmic above
_STEP = math.log(6.4) / 27.0

Floats = npt.NDArray[Any]


def log_mel(pcm: bytes) -> Floats:
    """Features of mono s16le audio at 16 kHz, shape [80, 800]: its last eight seconds, or all of it after zeros."""
    heard = np.frombuffer(pcm[-2 * SAMPLES :], "<i2").astype(np.float32) / 32768
    x = np.zeros(SAMPLES, np.float32)
    x[SAMPLES - len(heard) :] = heard
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
    x = np.pad(x, _WINDOW // 2, mode="reflect").astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(x, _WINDOW)[:SAMPLES:_HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    spectrum = np.fft.rfft(frames * hann, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    log = np.log10(np.maximum(1e-10, power @ _filters()))
    return ((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0).T.astype(np.float32)


@cache
def _filters() -> Floats:
    """Weights from the power spectrum to the bands, shape [201, 80]."""
    top = _KNEE_MEL + math.log(RATE / 2 / _KNEE) / _STEP
    mels: Floats = np.linspace(0.0, top, _BANDS + 2)
    edges: Floats = np.where(mels < _KNEE_MEL, mels * 200 / 3, _KNEE * np.exp(_STEP * (mels - _KNEE_MEL)))
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    hertz: Floats = np.linspace(0, RATE / 2, _WINDOW // 2 + 1)[:, None]
    rising, falling = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
    return np.maximum(0.0, np.minimum(rising, falling)) * 2 / (high - low)
