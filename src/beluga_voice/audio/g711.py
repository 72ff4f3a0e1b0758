"""G.711, the telephone's 8-bit companding: µ-law (North America, Japan) and A-law (elsewhere).

Source: ITU-T Recommendation G.711 (11/1988), tables 1 and 2. Whole tables, because both directions then are one
lookup per sample: 8 bits to 16 (256 entries) and 16 bits to 8 (65,536 entries, made on first use).
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from beluga_voice.audio.pcm import pcm_to_array

__all__ = ["alaw_to_pcm", "pcm_to_alaw", "pcm_to_ulaw", "ulaw_to_pcm"]

# µ-law adds this to the magnitude (14-bit scale) so that every segment is a power of two wide.
_ULAW_BIAS = 33
# A-law sends even bits inverted, so that an idle line still has transitions.
_ALAW_TOGGLE = 0x55


def ulaw_to_pcm(data: bytes) -> bytes:
    """µ-law bytes as s16le, one sample each."""
    return _ulaw_values()[np.frombuffer(data, np.uint8)].tobytes()


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """s16le as µ-law, one byte per sample.

    Raises:
        FormatError: ``invalid_format`` for an odd number of bytes.
    """
    return _ulaw_codes()[pcm_to_array(pcm).view(np.uint16)].tobytes()


def alaw_to_pcm(data: bytes) -> bytes:
    """A-law bytes as s16le, one sample each."""
    return _alaw_values()[np.frombuffer(data, np.uint8)].tobytes()


def pcm_to_alaw(pcm: bytes) -> bytes:
    """s16le as A-law, one byte per sample.

    Raises:
        FormatError: ``invalid_format`` for an odd number of bytes.
    """
    return _alaw_codes()[pcm_to_array(pcm).view(np.uint16)].tobytes()


@functools.cache
def _ulaw_values() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    segment, step = code >> 4 & 7, code & 15
    magnitude = ((step << 1) + _ULAW_BIAS << segment) - _ULAW_BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) * 4).astype("<i2")


@functools.cache
def _ulaw_codes() -> NDArray[np.uint8]:
    value = _all_samples() >> 2  # 14 bits
    magnitude = np.minimum(np.abs(value) + _ULAW_BIAS, 0x1FFF)
    segment = _bit_length(magnitude) - 6
    code = segment << 4 | magnitude >> segment + 1 & 15
    return (~(code | np.where(value < 0, 0x80, 0)) & 0xFF).astype(np.uint8)


@functools.cache
def _alaw_values() -> NDArray[np.int16]:
    code = np.arange(256) ^ _ALAW_TOGGLE
    segment, step = code >> 4 & 7, code & 15
    # Segments 0 and 1 have the same step; each further one doubles it. The value is the middle of its step.
    magnitude = np.where(segment == 0, step * 2 + 1, (step * 2 + 33) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) * 8).astype("<i2")


@functools.cache
def _alaw_codes() -> NDArray[np.uint8]:
    value = _all_samples() >> 3  # 13 bits
    magnitude = np.where(value < 0, -value - 1, value)
    segment = np.maximum(_bit_length(magnitude) - 5, 0)
    step = magnitude >> np.maximum(segment, 1) & 15
    return ((segment << 4 | step | np.where(value < 0, 0, 0x80)) ^ _ALAW_TOGGLE).astype(np.uint8)


def _all_samples() -> NDArray[np.int64]:
    """Every 16-bit sample, in the order of its bits read as unsigned."""
    return np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _bit_length(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits needed to write each of ``values`` (≥ 0)."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)
