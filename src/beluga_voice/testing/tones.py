"""Tones that tell who is heard: everybody in a room gives their own, and every ear must hear exactly the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["ToneProbe", "tone_frames", "tone_frequencies"]

# From the middle of a telephone's band upwards; the ratio keeps harmonics of one off the others.
_LOWEST, _RATIO = 420.0, 1.31
# A tone counts when it holds this share of the loudest one's power: Opus keeps tones within a few dB of each other.
_SHARE = 0.02
# Below this level (of full scale, root mean square) there is only noise.
_SILENCE = 0.003


def tone_frequencies(count: int, sample_rate: int = 16_000) -> tuple[float, ...]:
    """``count`` frequencies in Hz that stay apart after a voice codec, none a harmonic of another.

    Raises:
        ValueError: if more are wanted than fit below 45 % of the sample rate.
    """
    found = tuple(round(_LOWEST * _RATIO**n) for n in range(count))
    if found and found[-1] > 0.45 * sample_rate:
        raise ValueError(f"{count} tones do not fit into {sample_rate} Hz")
    return tuple(map(float, found))


def tone_frames(
    hertz: float, sample_rate: int = 16_000, *, level: float = 0.1, frame_ms: int = 20
) -> Iterator[bytes]:
    """Endless frames of a sine, mono s16le, without a seam between them.

    Args:
        hertz: frequency.
        sample_rate: in Hz.
        level: peak, of full scale; several participants are added up, so keep it small.
        frame_ms: length of a frame.
    """
    size = sample_rate * frame_ms // 1000
    start = 0
    while True:
        # The phase is taken modulo one turn, so that it stays exact for hours.
        turns = (hertz / sample_rate * (start + np.arange(size))) % 1.0
        yield np.rint(32767.0 * level * np.sin(2 * np.pi * turns)).astype("<i2").tobytes()
        start += size


class ToneProbe:
    """Says which of the known tones are in what it was fed last.

    Args:
        frequencies: the tones to look for, in Hz.
        sample_rate: of what is fed, in Hz.
        window: seconds looked at.
    """

    def __init__(self, frequencies: Sequence[float], sample_rate: int = 16_000, window: float = 0.5) -> None:
        self._frequencies = tuple(frequencies)
        self._rate = sample_rate
        self._size = int(window * sample_rate)
        self._frames: deque[np.ndarray] = deque()
        self._samples = 0

    def feed(self, pcm: bytes) -> None:
        """Adds mono s16le samples."""
        frame = np.frombuffer(pcm, "<i2")
        self._frames.append(frame)
        self._samples += len(frame)
        while self._samples - len(self._frames[0]) >= self._size:
            self._samples -= len(self._frames.popleft())

    def forget(self) -> None:
        """Begins anew."""
        self._frames.clear()
        self._samples = 0

    @property
    def full(self) -> bool:
        """Whether a whole window was fed."""
        return self._samples >= self._size

    def powers(self) -> dict[float, float]:
        """Power of each tone in the window, relative to a full-scale sine."""
        if not self._frames:
            return dict.fromkeys(self._frequencies, 0.0)
        samples = np.concatenate(self._frames).astype(np.float64) / 32768.0
        window = np.hanning(len(samples))
        weighted = samples * window
        times = np.arange(len(samples)) / self._rate
        scale = 2.0 / max(1.0, float(window.sum()))
        return {
            hertz: float(abs(np.dot(weighted, np.exp(-2j * np.pi * hertz * times))) * scale) ** 2
            for hertz in self._frequencies
        }

    def heard(self) -> frozenset[float]:
        """The tones that are there; none in silence or before a whole window was fed."""
        if not self.full:
            return frozenset()
        powers = self.powers()
        loudest = max(powers.values(), default=0.0)
        if loudest < 2 * _SILENCE**2:
            return frozenset()
        return frozenset(hertz for hertz, power in powers.items() if power >= _SHARE * loudest)
