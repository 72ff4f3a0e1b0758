"""Several people's audio, laid on the session's timeline, as one stream for a model that hears everybody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from beluga_voice.audio.pcm import array_to_pcm, downmix, pcm_to_array
from beluga_voice.audio.resample import Resampler
from beluga_voice.frames import AudioFrame

__all__ = ["RoomMix"]

# Stamps this close to where somebody's audio should go on are the clock's play, in seconds.
_PLAY = 0.04
# No more than this waits for people whose audio is late, in seconds.
_MOST = 1.0


class RoomMix:
    """Adds voices up where they were heard; what comes too late for its place is lost.

    Args:
        rate: of the sum, in Hz.
        send: takes mono s16le audio and when it ends.
    """

    def __init__(self, rate: int, send: Callable[[bytes, float], None]) -> None:
        self._rate = rate
        self._send = send
        self._sum = np.zeros(0, dtype=np.int32)
        self._start: float | None = None
        self._next: dict[str, int] = {}
        self._resamplers: dict[str, tuple[int, Resampler]] = {}

    def begin(self, at: float) -> None:
        """The sum goes on from ``at``."""
        self._sum = np.zeros(0, dtype=np.int32)
        self._start = at
        self._next.clear()

    def push(self, who: str, frame: AudioFrame, end: float) -> None:
        """Adds a frame of ``who`` that ends at ``end``."""
        pcm = self._resampled(who, frame)
        if not pcm:
            return
        samples = pcm_to_array(pcm)
        if self._start is None:
            self.begin(end - len(samples) / self._rate)
        assert self._start is not None
        at = round((end - self._start) * self._rate) - len(samples)
        due = self._next.get(who)
        if due is not None and abs(at - due) <= _PLAY * self._rate:
            at = due
        self._next[who] = at + len(samples)
        if at < 0:
            samples, at = samples[-at:], 0
        if at + len(samples) > len(self._sum):
            self._sum = np.pad(self._sum, (0, at + len(samples) - len(self._sum)))
        self._sum[at : at + len(samples)] += samples
        if len(self._sum) > _MOST * self._rate:
            self.release(self._start + len(self._sum) / self._rate - _MOST)

    def release(self, upto: float) -> None:
        """Everybody's audio is there up to ``upto``."""
        if self._start is None:
            return
        count = min(len(self._sum), round((upto - self._start) * self._rate))
        if count <= 0:
            return
        ready, self._sum = self._sum[:count], self._sum[count:]
        self._start += count / self._rate
        self._next = {who: at - count for who, at in self._next.items()}
        self._send(array_to_pcm(ready), self._start)

    def forget(self, who: str) -> None:
        """``who`` is gone."""
        self._next.pop(who, None)
        self._resamplers.pop(who, None)

    def _resampled(self, who: str, frame: AudioFrame) -> bytes:
        pcm = downmix(frame.data, frame.channels)
        if frame.sample_rate == self._rate:
            return pcm
        known = self._resamplers.get(who)
        if known is None or known[0] != frame.sample_rate:
            known = self._resamplers[who] = (frame.sample_rate, Resampler(frame.sample_rate, self._rate))
        return known[1].process(pcm)
