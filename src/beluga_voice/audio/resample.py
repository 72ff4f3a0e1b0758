"""Changing the sample rate without holding speech back.

soxr's streams are excellent but give audio out in blocks: at 48 → 16 kHz they hold back 20 ms at quality LQ and 37 ms
at HQ, at 8 → 16 kHz 61 and 114 ms (measured with 20 ms frames); its QQ holds nothing but does not filter, so what lies
above the new band folds back into speech. A conversation cannot afford either. `Resampler` is a polyphase FIR
(windowed sinc, Kaiser β = 8; Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983) that holds back half
its length: 0.75 ms at 48 → 16 kHz, 1.5 ms at 8 → 16 kHz. For whole files, where nobody waits, `resample` uses soxr.
"""

from __future__ import annotations

import functools
from math import gcd

import numpy as np
import soxr
from numpy.typing import NDArray

from beluga_voice.audio.pcm import pcm_to_array

__all__ = ["Resampler", "resample"]

# Half the filter's length, in samples of the lower of the two rates.
_HALF_TAPS = 12
_KAISER_BETA = 8.0
# Pass band edge as a share of the lower Nyquist frequency; the rest is the filter's slope.
_CUTOFF = 0.92


class Resampler:
    """Resamples one channel of s16le audio, piece by piece.

    Args:
        in_rate: in Hz.
        out_rate: in Hz.
    """

    def __init__(self, in_rate: int, out_rate: int) -> None:
        divisor = gcd(in_rate, out_rate)
        self._up, self._down = out_rate // divisor, in_rate // divisor
        self._same = in_rate == out_rate
        self._bank = _filter_bank(self._up, self._down)
        self._taps = self._bank.shape[1]
        self.delay = 0.0 if self._same else (self._taps - 1) / 2 / in_rate
        # The past starts as silence; half the filter is dropped again at the end by `flush`.
        self._history = np.zeros(self._taps - 1, dtype=np.float32)
        self._position = 0

    def process(self, pcm: bytes) -> bytes:
        """The next piece at the new rate; its length may vary by a sample from call to call."""
        if self._same or not pcm:
            return pcm
        x = np.concatenate([self._history, pcm_to_array(pcm).astype(np.float32)])
        fresh = len(x) - len(self._history)
        # Output n reads the inputs that end at floor(n · down / up), counted from this piece's first sample.
        count = max(0, -(-(fresh * self._up - self._position) // self._down))
        at = self._position + np.arange(count) * self._down
        rows = self._bank[at % self._up]
        windows = np.lib.stride_tricks.sliding_window_view(x, self._taps)[at // self._up]
        out = np.einsum("ij,ij->i", windows, rows)
        self._position += count * self._down - fresh * self._up
        self._history = x[fresh:]
        return np.clip(np.rint(out), -32768, 32767).astype("<i2").tobytes()

    def flush(self) -> bytes:
        """What was held back; then it starts afresh."""
        if self._same:
            return b""
        tail = self.process(bytes(2 * (self._taps // 2)))
        self._history = np.zeros(self._taps - 1, dtype=np.float32)
        self._position = 0
        return tail


def resample(pcm: bytes, in_rate: int, out_rate: int) -> bytes:
    """A whole mono s16le recording at another rate, at the highest quality."""
    if in_rate == out_rate or not pcm:
        return pcm
    out: NDArray[np.int16] = soxr.resample(pcm_to_array(pcm), in_rate, out_rate, quality="HQ")
    return out.astype("<i2").tobytes()


@functools.cache
def _filter_bank(up: int, down: int) -> NDArray[np.float32]:
    """One filter for each of the ``up`` phases, newest input last; each phase passes a constant unchanged."""
    taps = 2 * -(-_HALF_TAPS * max(up, down) // up)
    length = taps * up
    t = np.arange(length) - (length - 1) / 2
    cutoff = _CUTOFF / max(up, down)
    prototype = np.sinc(t * cutoff) * np.kaiser(length, _KAISER_BETA)
    # prototype[p + k · up] weighs the input k samples before the newest one.
    bank = prototype.reshape(taps, up).T[:, ::-1]
    bank = bank / bank.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(bank, dtype=np.float32)
