"""An event loop for a whole program: signals as a queue, and an end that nothing can hold up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["run_bounded", "signals_queue"]

log = logging.getLogger("beluga_voice.worker")

T = TypeVar("T")
_END_DEADLINE = 2.0


def run_bounded(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` that does not wait for ever for tasks that refuse to be cancelled."""
    loop = _new_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            loop.run_until_complete(_end())
        finally:
            loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _end() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_END_DEADLINE)
        for task in late:
            log.error("task %s refuses to end and is abandoned", task.get_name())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_DEADLINE):
            await asyncio.get_running_loop().shutdown_asyncgens()


@contextlib.contextmanager
def signals_queue() -> Generator[asyncio.Queue[int]]:
    """SIGINT and SIGTERM as a queue, where this thread may catch them."""
    loop = asyncio.get_running_loop()
    came: asyncio.Queue[int] = asyncio.Queue(16)
    caught: list[signal.Signals] = []

    def note(number: int) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            came.put_nowait(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, note, int(number))
            caught.append(number)
    try:
        yield came
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
