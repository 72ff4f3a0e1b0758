"""A deadline that costs nothing where nothing has to wait.

Most frames are taken at once. ``asyncio.timeout`` would arm and cancel a timer for each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

__all__ = ["within"]

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; the clock runs from the first time it has to wait.

    Raises:
        TimeoutError: if it waits for longer than ``seconds``; it is cancelled then.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return done.value
    async with asyncio.timeout(seconds):
        return await _go_on(work, waits_for)


@coroutine
def _go_on(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Awaits a coroutine that has begun and waits for something."""
    try:
        while True:
            try:
                answer = yield waits_for
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                waits_for = work.throw(error)
            else:
                waits_for = work.send(answer)
    except StopIteration as done:
        return done.value
