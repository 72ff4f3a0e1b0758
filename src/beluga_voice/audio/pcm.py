"""Signed 16-bit PCM: conversions, channels, frames and gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from beluga_voice.errors import FormatError

__all__ = ["Gain", "downmix", "float_to_pcm", "pcm_to_array", "pcm_to_float", "split_frames"]

Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]


def pcm_to_array(pcm: bytes) -> Int16:
    """s16le bytes as samples (a view, not a copy).

    Raises:
        FormatError: ``invalid_format`` for an odd number of bytes.
    """
    if len(pcm) % 2:
        raise FormatError(
            "pcm", "invalid_format", f"{len(pcm)} bytes are not whole 16-bit samples; send s16le PCM"
        )
    return np.frombuffer(pcm, dtype="<i2")


def pcm_to_float(pcm: bytes) -> Float32:
    """s16le bytes as floats in [−1, 1)."""
    return pcm_to_array(pcm).astype(np.float32) / 32768.0


def float_to_pcm(samples: NDArray[np.floating]) -> bytes:
    """Floats as s16le bytes; what is outside [−1, 1] is clipped."""
    return np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def downmix(pcm: bytes, channels: int) -> bytes:
    """Interleaved s16le as mono: the mean of the channels."""
    if channels == 1:
        return pcm
    samples = pcm_to_array(pcm)
    if len(samples) % channels:
        raise FormatError(
            "pcm", "invalid_format", f"{len(samples)} samples do not divide by {channels} channels"
        )
    return samples.reshape(-1, channels).mean(axis=1).astype("<i2").tobytes()


def split_frames(pcm: bytes, frame_bytes: int) -> tuple[list[bytes], bytes]:
    """Cuts ``pcm`` into whole frames of ``frame_bytes``; returns them and what is left over."""
    whole = len(pcm) // frame_bytes * frame_bytes
    return [pcm[i : i + frame_bytes] for i in range(0, whole, frame_bytes)], pcm[whole:]


class Gain:
    """A volume that moves to its target along a straight ramp, so that it never clicks.

    Args:
        ramp_samples: how long a change from 0 to 1 would take.
    """

    def __init__(self, ramp_samples: int = 240) -> None:
        self._ramp = max(1, ramp_samples)
        self._value = self._target = 1.0

    @property
    def value(self) -> float:
        """The present factor."""
        return self._value

    def set(self, factor: float, *, at_once: bool = False) -> None:
        """Moves towards ``factor`` (0 silent, 1 unchanged)."""
        self._target = factor
        if at_once:
            self._value = factor

    def apply(self, pcm: bytes) -> bytes:
        """The audio at the present volume."""
        if self._value == self._target:
            if self._value == 1.0:
                return pcm
            return (pcm_to_array(pcm) * self._value).astype("<i2").tobytes()
        samples = pcm_to_array(pcm)
        step = (1.0 if self._target > self._value else -1.0) / self._ramp
        steps = self._value + step * np.arange(1, len(samples) + 1)
        low, high = sorted((self._value, self._target))
        factors = np.clip(steps, low, high)
        if len(factors):
            self._value = float(factors[-1])
        return np.clip(samples * factors, -32768, 32767).astype("<i2").tobytes()
