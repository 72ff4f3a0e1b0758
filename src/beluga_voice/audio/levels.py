"""How loud audio is."""

from __future__ import annotations

import math

import numpy as np

from beluga_voice.audio.pcm import pcm_to_array

__all__ = ["SILENCE_DBFS", "LevelMeter", "peak_dbfs", "rms_dbfs"]

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


class LevelMeter:
    """The RMS level a few times a second, over all the audio since the reading before.

    Args:
        sample_rate: in Hz.
        per_second: readings for each second of audio.
    """

    def __init__(self, sample_rate: int, per_second: float = 10.0) -> None:
        self._every = max(1, round(sample_rate / per_second))
        self._energy = 0.0
        self._count = 0

    def push(self, pcm: bytes) -> float | None:
        """Takes mono s16le audio; returns a reading in dBFS (−96 to 0) when one is due.

        Raises:
            FormatError: ``invalid_format`` for an odd number of bytes.
        """
        samples = pcm_to_array(pcm).astype(np.float32)
        self._energy += float(np.dot(samples, samples))
        self._count += len(samples)
        if self._count < self._every:
            return None
        level = _dbfs(math.sqrt(self._energy / self._count))
        self._energy, self._count = 0.0, 0
        return level


def _dbfs(amplitude: float) -> float:
    if amplitude <= 0:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, min(0.0, 20 * math.log10(amplitude / 32768.0)))
