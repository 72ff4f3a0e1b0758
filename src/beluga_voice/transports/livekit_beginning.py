"""The first seconds of a track whose beginning was recorded before the agent was there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from beluga_voice.transports.livekit_preconnect import splice

__all__ = ["Beginning"]

# Enough live audio, in frames of 20 ms, to find where it overlaps the recording.
_FRAMES_TO_SPLICE = 13
# What was said before is told ten times as fast as it was said, so that no queue on the way is flooded.
_PIECE_SECONDS, _EVERY = 0.2, 0.02


class Beginning:
    """Keeps live audio back until the recording is there, then lets both out fast until it has caught up.

    Args:
        recording: mono s16le at ``sample_rate``; empty if there is none after all.
        sample_rate: in Hz.
        channels: of the live audio.
        late: takes a piece, and how many seconds ago it ended.
        then: takes all frames after that.
    """

    def __init__(
        self,
        recording: Coroutine[Any, Any, bytes],
        sample_rate: int,
        channels: int,
        late: Callable[[bytes, float], None],
        then: Callable[[bytes], None],
    ) -> None:
        self._coming = asyncio.get_running_loop().create_task(recording, name="livekit-recording")
        self._rate = sample_rate
        self._channels = channels
        self._late = late
        self._then = then
        self._live: list[bytes] = []
        self._backlog: bytearray | None = None
        self._caught_up = False
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, pcm: bytes) -> None:
        """Takes a frame of the live track."""
        if self._caught_up:
            self._then(pcm)
        elif self._backlog is not None:
            self._backlog += pcm
        else:
            self._live.append(pcm)
            if self._coming.done() and len(self._live) >= _FRAMES_TO_SPLICE:
                self._backlog = bytearray(self._joined())
                self._live.clear()
                self._next()

    def close(self) -> None:
        """Waits for the recording no more and lets nothing more out."""
        self._coming.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _joined(self) -> bytes:
        recorded = b"" if self._coming.cancelled() or self._coming.exception() else self._coming.result()
        live = b"".join(self._live)
        if self._channels == 2:
            return np.repeat(np.frombuffer(recorded, "<i2"), 2).tobytes() + live
        return splice(recorded, live, self._rate)

    def _next(self) -> None:
        assert self._backlog is not None
        second = 2 * self._channels * self._rate
        size = int(_PIECE_SECONDS * self._rate) * 2 * self._channels
        piece = bytes(self._backlog[:size])
        del self._backlog[:size]
        if piece:
            self._late(piece, len(self._backlog) / second)
        if self._backlog:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._next)
        else:
            self._caught_up = True
