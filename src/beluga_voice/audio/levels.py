"""How loud audio is."""

from __future__ import annotations

import math

import numpy as np

from beluga_voice.audio.pcm import pcm_to_array

__all__ = ["SILENCE_DBFS", "peak_dbfs", "rms_dbfs"]

# What digital silence reads: the noise floor of 16 bits.
SILENCE_DBFS = -96.0


def rms_dbfs(pcm: bytes) -> float:
    """RMS level of s16le audio in dB relative to full scale, −96 to 0."""
    if not pcm:
        return SILENCE_DBFS
    samples = pcm_to_array(pcm).astype(np.float32)
    return _dbfs(math.sqrt(float(np.dot(samples, samples)) / len(samples)))


def peak_dbfs(pcm: bytes) -> float:
    """Highest sample of s16le audio in dB relative to full scale, −96 to 0."""
    if not pcm:
        return SILENCE_DBFS
    return _dbfs(float(np.abs(pcm_to_array(pcm).astype(np.int32)).max()))


def _dbfs(amplitude: float) -> float:
    if amplitude <= 0:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, min(0.0, 20 * math.log10(amplitude / 32768.0)))
