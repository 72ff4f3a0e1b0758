"""A transport inside the process: for tests, and for programs that have the audio already."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from beluga_voice.config import TransportConfig
from beluga_voice.errors import ConnectError
from beluga_voice.frames import AudioFrame

__all__ = ["MemoryTransport", "create"]

# Ten seconds each way; then the oldest goes.
_FRAMES = 500
_EVENTS = 1000


class MemoryTransport:
    """Frames are given by `feed` and taken from ``sent``, or one after another from `played`.

    Args:
        config: ``sample_rate`` is that of `feed` and of what `send` takes.
    """

    def __init__(self, config: TransportConfig | None = None) -> None:
        config = config or TransportConfig()
        self.sample_rate = config.sample_rate
        self.output_sample_rate = config.sample_rate
        self.output_delay = 0.0
        self.output_lead = 0.02
        self.sent: deque[AudioFrame] = deque(maxlen=_FRAMES)
        self.events: deque[Mapping[str, Any]] = deque(maxlen=_EVENTS)
        self.clears = 0
        self._to_read: deque[AudioFrame] = deque(maxlen=_FRAMES)
        self._played = asyncio.Event()
        self._fed: deque[AudioFrame] = deque(maxlen=_FRAMES)
        self._changed = asyncio.Event()
        self._ended = self._closed = False
        self._handler: Callable[[Mapping[str, Any]], None] | None = None

    def feed(self, audio: AudioFrame | bytes) -> None:
        """The user's audio: a frame, or mono s16le at ``sample_rate``."""
        self._fed.append(audio if isinstance(audio, AudioFrame) else AudioFrame(audio, self.sample_rate))
        self._changed.set()

    def control(self, message: Mapping[str, Any]) -> None:
        """What a client would send beside audio, e.g. ``{"type": "text", "text": "hello"}``."""
        if self._handler is not None:
            self._handler(message)

    def end(self) -> None:
        """The user leaves."""
        self._ended = True
        self._changed.set()

    async def played(self) -> AsyncIterator[AudioFrame]:
        """What was sent and not cleared, as it comes, until `close`; for one reader."""
        while True:
            while self._to_read:
                yield self._to_read.popleft()
            if self._closed:
                return
            self._played.clear()
            await self._played.wait()

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """What was fed, until `end` or `close`."""
        self._require_open("recv")
        while True:
            while self._fed:
                yield self._fed.popleft()
            if self._ended or self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def send(self, frame: AudioFrame) -> None:
        """Adds to ``sent`` and tells `played`."""
        self._require_open("send")
        self.sent.append(frame)
        self._to_read.append(frame)
        self._played.set()

    async def clear(self) -> None:
        """Counts, and drops what `played` has not given out; ``sent`` keeps all."""
        self.clears += 1
        self._to_read.clear()

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Adds to ``events``."""
        self.events.append(event)

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Sets who is told of `control`."""
        self._handler = handler

    async def close(self) -> None:
        """Ends `recv` and `played`; idempotent."""
        self._closed = True
        self._changed.set()
        self._played.set()

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "memory: the transport is closed")


def create(config: TransportConfig) -> MemoryTransport:
    """Makes a transport."""
    return MemoryTransport(config)
