"""The agent's voice as a WebRTC track, and the user's track as mono PCM."""

from __future__ import annotations

import asyncio
import fractions
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame as AvFrame
from numpy.typing import NDArray

__all__ = ["RATE", "VoiceTrack", "mono"]

RATE = 48_000
_SAMPLES = 960
_FRAME_BYTES = _SAMPLES * 2
_FRAME_SECONDS = _SAMPLES / RATE
_TIME_BASE = fractions.Fraction(1, RATE)
# A second of the agent's voice waits at most; the session paces it, so more means that nobody fetches it.
_MAX_PCM = 50 * _FRAME_BYTES
# An event loop that was held up longer than this leaves a gap instead of a burst of old frames.
_MAX_LATE = 0.2


class VoiceTrack(MediaStreamTrack):
    """The agent's voice, 20 ms at a time; silence in between keeps the browser's jitter buffer steady."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._pcm = bytearray()
        self._pts = 0
        self._next: float | None = None

    @property
    def waiting(self) -> float:
        """Seconds of audio that were added and not fetched."""
        return len(self._pcm) / (2 * RATE)

    def add(self, pcm: bytes) -> None:
        """Queues mono s16le at 48 kHz, any length; with a second waiting, the oldest goes."""
        self._pcm += pcm
        over = len(self._pcm) - _MAX_PCM
        if over > 0:
            del self._pcm[:over]

    def clear(self) -> None:
        """Drops all that is queued."""
        self._pcm.clear()

    async def recv(self) -> AvFrame:
        """The next 20 ms, when they are due by the clock (called by aiortc)."""
        if self.readyState != "live":
            raise MediaStreamError
        now = asyncio.get_running_loop().time()
        if self._next is None:
            self._next = now
        elif now - self._next > _MAX_LATE:
            missed = int((now - self._next) / _FRAME_SECONDS)
            self._pts += missed * _SAMPLES
            self._next += missed * _FRAME_SECONDS
        if self._next > now:
            await asyncio.sleep(self._next - now)
        self._next += _FRAME_SECONDS
        pcm = bytes(self._pcm[:_FRAME_BYTES])
        del self._pcm[:_FRAME_BYTES]
        samples = np.frombuffer(pcm.ljust(_FRAME_BYTES, b"\0"), np.int16)
        frame = AvFrame.from_ndarray(samples[None, :], "s16", "mono")
        frame.sample_rate = RATE
        frame.time_base = _TIME_BASE
        frame.pts = self._pts
        self._pts += _SAMPLES
        return frame


def mono(frame: Any) -> bytes:
    """s16 audio of any layout as mono s16le, the mean of its channels."""
    channels: int = len(frame.layout.channels)
    if frame.format.is_planar:
        rows: NDArray[np.int32] = frame.to_ndarray().astype(np.int32)
    else:
        packed: NDArray[np.int16] = np.frombuffer(frame.planes[0], np.int16, frame.samples * channels)
        if channels == 1:
            return packed.astype("<i2").tobytes()
        rows = packed.astype(np.int32).reshape(-1, channels).T
    total = rows[0] + rows[1] if channels == 2 else rows.sum(axis=0)  # several times as fast for two
    return (total // channels).astype("<i2").tobytes()
