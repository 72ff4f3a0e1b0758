"""What a stream of a realtime vendor still has to send: in order, bounded, and never losing a command."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Outbox"]

T = TypeVar("T")


class Outbox(Generic[T]):
    """A queue between callers that must not wait and the one task that sends.

    Args:
        audio_limit: most pieces of audio it holds; when full the oldest of them is dropped and counted.

    Attributes:
        dropped: pieces of audio that were not sent.
    """

    def __init__(self, audio_limit: int) -> None:
        self._items: deque[tuple[T, bool]] = deque()
        self._limit = audio_limit
        self._audio = 0
        self._changed = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, item: T, *, audio: bool = False) -> None:
        """Adds an item; after `close` it is thrown away."""
        if self._closed:
            return
        if audio:
            if self._audio >= self._limit:
                self._drop_oldest()
            self._audio += 1
        self._items.append((item, audio))
        self._changed.set()

    async def get(self) -> T | None:
        """The oldest item, or None once it is closed and empty."""
        while not self._items:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        item, audio = self._items.popleft()
        self._audio -= audio
        return item

    def close(self) -> None:
        """Ends it: what is inside can still be sent."""
        self._closed = True
        self._changed.set()

    def _drop_oldest(self) -> None:
        for index, (_, audio) in enumerate(self._items):
            if audio:
                del self._items[index]
                self._audio -= 1
                self.dropped += 1
                return
