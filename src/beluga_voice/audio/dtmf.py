"""Telephone keys as pairs of tones: making them and hearing them.

Source: ITU-T Recommendations Q.23 (frequencies) and Q.24 (what a receiver must accept and refuse). Q.24 leaves the
values to each network; these are AT&T's (its annex A): frequencies off by up to 1.5 % are accepted and by 3.5 %
refused, tones of 40 ms are accepted and of 23 ms refused, breaks below 10 ms are bridged and of 40 ms separate two
keys, and the high tone may be 4 dB louder or 8 dB softer than the low one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from beluga_voice.audio.pcm import array_to_pcm, pcm_to_array
from beluga_voice.errors import FormatError

__all__ = ["DtmfDetector", "dtmf_tones"]

Complex = NDArray[np.complexfloating]
Floats = NDArray[np.floating]

_KEYS = "123A456B789C*0#D"
_LOW = (697.0, 770.0, 852.0, 941.0)
_HIGH = (1209.0, 1336.0, 1477.0, 1633.0)

# A window must fit twice into the shortest tone and still tell neighbours 73 Hz apart.
_WINDOW_SECONDS = 0.01275
# A light taper: the loud tone of a pair leaks less into the measure of the soft one.
_KAISER_BETA = 2.0
_HITS = 4
_MISSES = 5
# Share of a window's energy that must lie in the two tones: speech seldom reaches it, a tone 1.5 % off does.
_MIN_PURITY = 0.76
# 4 and 8 dB, and a little for what the window leaks from one tone into the other.
_MAX_HIGH_OVER_LOW = 10 ** (5 / 10)
_MAX_LOW_OVER_HIGH = 10 ** (9.5 / 10)
# The other tones of each group must be this far below.
_MIN_OVER_OTHERS = 10 ** (6 / 10)
_MIN_POWER = (32768.0 * 10 ** (-36 / 20)) ** 2 / 2
_MAX_DETUNE = 0.025


def dtmf_tones(
    digits: str,
    sample_rate: int = 8000,
    *,
    seconds: float = 0.1,
    pause: float = 0.1,
    dbfs: float = -9.0,
) -> bytes:
    """Keys as mono s16le audio.

    Args:
        digits: any of ``0-9 * # A-D``.
        sample_rate: in Hz, at least 8000.
        seconds: length of each tone.
        pause: silence after each tone, in seconds.
        dbfs: peak of each of the two tones, relative to full scale; above −6 the sum would clip.

    Raises:
        FormatError: ``invalid_format`` for another character.
    """
    t = np.arange(round(sample_rate * seconds)) / sample_rate
    amplitude = 32768.0 * 10 ** (dbfs / 20)
    out = bytearray()
    for digit in digits.upper():
        place = _KEYS.find(digit)
        if place < 0:
            raise FormatError("dtmf", "invalid_format", f"{digit!r} is not a key; use 0-9, *, # and A-D")
        low, high = _LOW[place // 4], _HIGH[place % 4]
        out += array_to_pcm(amplitude * (np.sin(2 * np.pi * low * t) + np.sin(2 * np.pi * high * t)))
        out += bytes(2 * round(sample_rate * pause))
    return bytes(out)


class DtmfDetector:
    """Hears telephone keys in mono s16le audio.

    Measures the eight frequencies over windows of 12.75 ms that overlap by half (a DFT at just these frequencies,
    which is what Goertzel's recursion computes; numpy does it for all windows of a frame at once). The phase a tone
    gains from one window to the next gives its true frequency, far finer than the window resolves.

    Args:
        sample_rate: in Hz, at least 8000.
    """

    def __init__(self, sample_rate: int = 8000) -> None:
        self._hop = round(sample_rate * _WINDOW_SECONDS / 2)
        self._size = 2 * self._hop
        self._hop_seconds = self._hop / sample_rate
        frequencies = np.array(_LOW + _HIGH)
        n = np.arange(self._size)
        taper = np.kaiser(self._size, _KAISER_BETA)[:, None]
        waves = np.exp(-2j * np.pi * np.outer(n, frequencies) / sample_rate)
        self._basis = (waves * taper / taper.mean()).astype(np.complex64)
        # What an exactly tuned tone's phase gains per hop.
        self._turn = np.exp(-2j * np.pi * frequencies * self._hop_seconds)
        self._left = np.zeros(0, dtype=np.int16)
        self._before = np.zeros(8, dtype=np.complex64)
        self._candidate = ""
        self._hits = self._misses = 0
        self._reported = False

    def push(self, pcm: bytes) -> str:
        """Takes the next piece, of any length; returns the keys newly heard, each once, often none.

        Raises:
            FormatError: ``invalid_format`` for an odd number of bytes.
        """
        samples = np.concatenate([self._left, pcm_to_array(pcm)])
        count = (len(samples) - self._size) // self._hop + 1
        if count <= 0:
            self._left = samples
            return ""
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._size)[:: self._hop][:count]
        windows = windows.astype(np.float32)
        self._left = samples[count * self._hop :]
        tones = windows @ self._basis
        power = np.abs(tones) ** 2 * (2 / self._size**2)  # of each tone, as its mean square
        total = np.einsum("ij,ij->i", windows, windows) / self._size
        return "".join(self._hear(*row) for row in zip(tones, power, total, strict=True))

    def _hear(self, tones: Complex, power: Floats, total: np.floating) -> str:
        """Judges one window; returns the key if this one made it certain."""
        key, low, high = self._key(power, float(total))
        if key and self._candidate == key:
            key = key if self._in_tune(tones, low, high) else ""
        self._before = tones
        if not key:
            self._misses += 1
            if not self._reported or self._misses >= _MISSES:
                self._candidate, self._hits, self._reported = "", 0, False
            return ""
        if key != self._candidate:
            self._candidate, self._hits, self._reported = key, 0, False
        self._hits += 1
        self._misses = 0
        if self._hits == _HITS and not self._reported:
            self._reported = True
            return key
        return ""

    def _key(self, power: Floats, total: float) -> tuple[str, int, int]:
        low = int(power[:4].argmax())
        high = 4 + int(power[4:].argmax())
        p_low, p_high = float(power[low]), float(power[high])
        others = np.delete(power, [low, high])
        heard = (
            min(p_low, p_high) >= _MIN_POWER
            and p_high <= p_low * _MAX_HIGH_OVER_LOW
            and p_low <= p_high * _MAX_LOW_OVER_HIGH
            and p_low + p_high >= _MIN_PURITY * total
            and p_low >= _MIN_OVER_OTHERS * float(others[:3].max())
            and p_high >= _MIN_OVER_OTHERS * float(others[3:].max())
        )
        return (_KEYS[low * 4 + high - 4] if heard else ""), low, high

    def _in_tune(self, tones: Complex, low: int, high: int) -> bool:
        """Whether both tones turned, since the window before, as their frequencies should."""
        for index in (low, high):
            gained = complex(tones[index] * np.conj(self._before[index]) * self._turn[index])
            hertz = math.atan2(gained.imag, gained.real) / (2 * math.pi * self._hop_seconds)
            if abs(hertz) > _MAX_DETUNE * (_LOW + _HIGH)[index]:
                return False
        return True
