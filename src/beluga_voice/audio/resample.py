"""Changing the sample rate without holding speech back.

soxr's streams are excellent but give audio out in blocks, and its only quality that does not, QQ, lets what lies above
the new band fold back into speech. A conversation can afford neither. `Resampler` is a polyphase FIR (windowed sinc,
Kaiser β = 8; Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983) that delays by half its length. For
whole files, where nobody waits, `resample` uses soxr.

Measured with frames of 20 ms (2026-11, soxr 1.1): the delay in ms, what is left of a tone 25 % above the new band, and
the µs a frame takes:

=============  =================  ==================  ==================  ==================
rates in kHz   ours               soxr QQ             soxr LQ             soxr HQ
=============  =================  ==================  ==================  ==================
48 → 16        0.7, −82 dB, 12    0, 0 dB, 5          20, −87 dB, 6       37, −87 dB, 6
44.1 → 16      0.8, −84 dB, 13    0, 0 dB, 5          22, −87 dB, 6       39, −87 dB, 9
24 → 16        0.7, −82 dB, 12    0.1, −2 dB, 4       20, −87 dB, 5       37, −87 dB, 5
24 → 48        0.5, –, 13         0.1, –, 10          20, –, 6            38, –, 6
8 → 16         1.4, –, 11         0.3, –, 5           61, –, 4            115, –, 4
16 → 8         1.5, −82 dB, 11    0.1, 0 dB, 4        61, −87 dB, 3       115, −87 dB, 3
=============  =================  ==================  ==================  ==================

Noise and distortion of a 1 kHz tone at −6 dBFS are −87 dB or less in all of ours (that is 16 bits), and −47 dB in QQ
at 8 → 16 kHz. The response is flat within 0.1 dB up to three quarters of the lower band and −1.7 dB at 85 %.
"""

from __future__ import annotations

import functools
from math import gcd

import numpy as np
import soxr
from numpy.typing import NDArray

from beluga_voice.audio.pcm import array_to_pcm, pcm_to_array

__all__ = ["Resampler", "resample"]

Floats = NDArray[np.float32]

# Half the filter's length, in samples of the lower of the two rates.
_HALF_TAPS = 12
_KAISER_BETA = 8.0
# Pass band edge as a share of the lower Nyquist frequency; the rest is the filter's slope.
_CUTOFF = 0.92
# Input samples that one row of the matrix product advances by: long rows waste products, short ones copies.
_ROW = 64


class Resampler:
    """Resamples one channel of s16le audio, piece by piece.

    How the audio is cut into pieces changes the result by at most one step of 16 bits.

    Args:
        in_rate: in Hz.
        out_rate: in Hz.

    Attributes:
        delay: how much later the audio comes out, in seconds (0 if the rates are equal).
    """

    def __init__(self, in_rate: int, out_rate: int) -> None:
        divisor = gcd(in_rate, out_rate)
        self._up, self._down = out_rate // divisor, in_rate // divisor
        self._same = in_rate == out_rate
        self._bank = _filter_bank(self._up, self._down)
        self._taps = self._bank.shape[1]
        self.delay = 0.0 if self._same else (self._taps - 1) / 2 / in_rate
        self._history = np.zeros(self._taps - 1, dtype=np.float32)
        # Where the next output lies, in steps of the common multiple of both rates after the next input.
        self._position = 0

    def process(self, pcm: bytes) -> bytes:
        """The next piece at the new rate; its length may vary by a sample from call to call.

        Raises:
            FormatError: ``invalid_format`` for an odd number of bytes.
        """
        if self._same or not pcm:
            return pcm
        samples = pcm_to_array(pcm)
        x = np.empty(self._taps - 1 + len(samples), dtype=np.float32)
        x[: self._taps - 1] = self._history
        x[self._taps - 1 :] = samples
        self._history = x[len(samples) :].copy()
        aligned = self._position == 0 and len(samples) % self._down == 0
        return array_to_pcm(self._whole_cycles(x) if aligned else self._any_length(x))

    def flush(self) -> bytes:
        """What was held back (`delay` seconds); then it starts afresh."""
        if self._same:
            return b""
        tail = self.process(bytes(2 * (self._taps // 2)))
        self._history = np.zeros(self._taps - 1, dtype=np.float32)
        self._position = 0
        return tail

    def _whole_cycles(self, x: Floats) -> Floats:
        """The usual case, four times as fast: ``down`` inputs always give ``up`` outputs, so it is one product."""
        cycles = (len(x) - self._taps + 1) // self._down
        per_row = next(n for n in range(max(1, _ROW // self._down), 0, -1) if cycles % n == 0)
        matrix = _row_matrix(self._up, self._down, per_row)
        rows = np.lib.stride_tricks.as_strided(
            x,
            (cycles // per_row, len(matrix)),
            (x.itemsize * per_row * self._down, x.itemsize),
            writeable=False,
        )
        return (np.ascontiguousarray(rows) @ matrix).ravel()

    def _any_length(self, x: Floats) -> Floats:
        fresh = len(x) - self._taps + 1
        # Output n reads the inputs that end at floor(n · down / up), counted from this piece's first sample.
        count = max(0, -(-(fresh * self._up - self._position) // self._down))
        at = self._position + np.arange(count) * self._down
        windows = np.lib.stride_tricks.sliding_window_view(x, self._taps)[at // self._up]
        self._position += count * self._down - fresh * self._up
        return np.einsum("ij,ij->i", windows, self._bank[at % self._up])


def resample(pcm: bytes, in_rate: int, out_rate: int) -> bytes:
    """A whole mono s16le recording at another rate (Hz), at high quality and without delay.

    Raises:
        FormatError: ``invalid_format`` for an odd number of bytes.
    """
    if in_rate == out_rate or not pcm:
        return pcm
    return array_to_pcm(soxr.resample(pcm_to_array(pcm), in_rate, out_rate, quality="HQ"))


@functools.cache
def _filter_bank(up: int, down: int) -> Floats:
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


@functools.cache
def _row_matrix(up: int, down: int, cycles: int) -> Floats:
    """What turns the inputs of ``cycles`` cycles (and the history before them) into their outputs."""
    bank = _filter_bank(up, down)
    taps = bank.shape[1]
    matrix = np.zeros((taps - 1 + cycles * down, cycles * up), dtype=np.float32)
    for n in range(cycles * up):
        newest = n * down // up
        matrix[newest : newest + taps, n] = bank[n * down % up]
    return matrix
