"""A bounded queue between two tasks, with a written policy for when it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

__all__ = ["Channel"]

T = TypeVar("T")


class Channel(Generic[T]):
    """One producer side, one consumer.

    Args:
        size: most items it holds.
        when_full: ``block`` makes `put` wait; ``drop_oldest`` throws away the oldest item that ``keep`` does
            not protect, and counts it.
        keep: items for which this is true are dropped only when nothing else is left.
    """

    def __init__(
        self,
        size: int,
        when_full: Literal["block", "drop_oldest"] = "block",
        keep: Callable[[T], bool] | None = None,
    ) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self._drop = when_full == "drop_oldest"
        self._keep = keep
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: T) -> None:
        """Adds an item, waiting for room if the policy is ``block``; after `close` it is thrown away."""
        while not self._drop and len(self._items) >= self._size and not self._closed:
            self._room.clear()
            await self._room.wait()
        self.put_nowait(item)

    def put_nowait(self, item: T) -> None:
        """Adds an item at once; with policy ``block`` this may exceed the size by what cannot wait."""
        if self._closed:
            return
        if self._drop and len(self._items) >= self._size:
            self._drop_one()
        self._items.append(item)
        self._changed.set()

    async def get(self) -> T:
        """The oldest item.

        Raises:
            StopAsyncIteration: when closed and empty.
        """
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        item = self._items.popleft()
        self._room.set()
        return item

    def peek(self) -> T:
        """The oldest item, left where it is; IndexError if there is none."""
        return self._items[0]

    def clear(self) -> None:
        """Throws away all items."""
        self._items.clear()
        self._room.set()

    def close(self) -> None:
        """Ends it: what is inside can still be read."""
        self._closed = True
        self._changed.set()
        self._room.set()

    def __aiter__(self) -> Channel[T]:
        return self

    async def __anext__(self) -> T:
        return await self.get()

    def _drop_one(self) -> None:
        self.dropped += 1
        if self._keep is not None:
            for index, item in enumerate(self._items):
                if not self._keep(item):
                    del self._items[index]
                    return
        self._items.popleft()
