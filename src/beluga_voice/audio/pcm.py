"""Signed 16-bit PCM: conversions, channels, frames and gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from beluga_voice.errors import FormatError

__all__ = [
    "Gain",
    "array_to_pcm",
    "downmix",
    "fade_out",
    "float_to_pcm",
    "pcm_to_array",
    "pcm_to_float",
    "split_frames",
]

Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]

_LOWEST, _HIGHEST = -32768, 32767


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


def array_to_pcm(samples: NDArray[np.floating] | NDArray[np.integer]) -> bytes:
    """Samples on the 16-bit scale as s16le bytes: rounded to the nearest, clipped where too loud."""
    return np.minimum(np.maximum(np.rint(samples), _LOWEST), _HIGHEST).astype("<i2").tobytes()


def pcm_to_float(pcm: bytes) -> Float32:
    """s16le bytes as floats in [−1, 1)."""
    return pcm_to_array(pcm).astype(np.float32) / 32768.0


def float_to_pcm(samples: NDArray[np.floating]) -> bytes:
    """Floats as s16le bytes, the inverse of `pcm_to_float`; what is outside [−1, 1) is clipped."""
    return array_to_pcm(samples * 32768.0)


def downmix(pcm: bytes, channels: int) -> bytes:
    """Interleaved s16le as mono: the mean of the channels.

    Raises:
        FormatError: ``invalid_format`` if ``pcm`` is not a whole number of samples of each channel.
    """
    if channels == 1:
        return pcm
    samples = pcm_to_array(pcm)
    if channels < 1 or len(samples) % channels:
        raise FormatError(
            "pcm", "invalid_format", f"{len(samples)} samples do not divide by {channels} channels"
        )
    return array_to_pcm(samples.reshape(-1, channels).mean(axis=1))


def split_frames(pcm: bytes, frame_bytes: int) -> tuple[list[bytes], bytes]:
    """Cuts ``pcm`` into whole frames of ``frame_bytes``; returns them and what is left over."""
    whole = len(pcm) // frame_bytes * frame_bytes
    return [pcm[i : i + frame_bytes] for i in range(0, whole, frame_bytes)], pcm[whole:]


def fade_out(pcm: bytes, samples: int) -> bytes:
    """``pcm`` (mono s16le) with its last ``samples`` falling to zero in a straight line."""
    signal = pcm_to_array(pcm).astype(np.float32)
    count = min(samples, len(signal))
    if count <= 0:
        return pcm
    signal[-count:] *= np.arange(count - 1, -1, -1, dtype=np.float32) / count
    return array_to_pcm(signal)


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
        """Moves towards ``factor`` (0 silent, 1 unchanged, more is louder and clipped at full scale)."""
        self._target = factor
        if at_once:
            self._value = factor

    def apply(self, pcm: bytes) -> bytes:
        """Mono s16le audio at the present volume.

        Raises:
            FormatError: ``invalid_format`` for an odd number of bytes.
        """
        if self._value == self._target:
            return pcm if self._value == 1.0 else array_to_pcm(pcm_to_array(pcm) * self._value)
        samples = pcm_to_array(pcm)
        if not len(samples):
            return pcm
        step = (1.0 if self._target > self._value else -1.0) / self._ramp
        factors = self._value + step * np.arange(1, len(samples) + 1)
        low, high = sorted((self._value, self._target))
        factors = np.clip(factors, low, high)
        self._value = float(factors[-1])
        return array_to_pcm(samples * factors)
