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


class Beginning:
    """Keeps live audio back until the recording is there, then passes both on as one frame, which is not paced.

    Args:
        recording: mono s16le at ``sample_rate``; empty if there is none after all.
        sample_rate: in Hz.
        channels: of the live audio.
        whole: takes recording and live audio as one.
        then: takes all frames after that.
    """

    def __init__(
        self,
        recording: Coroutine[Any, Any, bytes],
        sample_rate: int,
        channels: int,
        whole: Callable[[bytes], None],
        then: Callable[[bytes], None],
    ) -> None:
        self._coming = asyncio.get_running_loop().create_task(recording, name="livekit-recording")
        self._rate = sample_rate
        self._channels = channels
        self._whole = whole
        self._then = then
        self._live: list[bytes] | None = []

    def __call__(self, pcm: bytes) -> None:
        """Takes a frame of the live track."""
        if self._live is None:
            self._then(pcm)
            return
        self._live.append(pcm)
        if not self._coming.done() or len(self._live) < _FRAMES_TO_SPLICE:
            return
        recorded = b"" if self._coming.cancelled() or self._coming.exception() else self._coming.result()
        live, self._live = b"".join(self._live), None
        if self._channels == 2:
            self._whole(np.repeat(np.frombuffer(recorded, "<i2"), 2).tobytes() + live)
        else:
            self._whole(splice(recorded, live, self._rate))

    def close(self) -> None:
        """Waits for the recording no more."""
        self._coming.cancel()
