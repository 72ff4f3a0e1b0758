"""An event loop on virtual time: minutes of conversation in milliseconds, in the same order every run.

When nothing is ready the loop jumps to its next timer instead of waiting. Work in executors is real: while any is
under way, virtual time stands still and the loop waits for it.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualClock", "VirtualLoop", "run"]

T = TypeVar("T")

# With no timer, no job and nothing readable for this long (real seconds), nothing will ever happen.
HANG_AFTER = 30.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector event loop whose `time` is virtual and starts at 0.

    Args:
        hang_after: real seconds without any prospect of progress after which it raises RuntimeError.
    """

    def __init__(self, hang_after: float = HANG_AFTER) -> None:
        super().__init__(_JumpingSelector(self))
        self._virtual_now = 0.0
        self._jobs = 0
        self._hang_after = hang_after

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """As usual, and virtual time waits for it."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        """As usual; joining its threads is real work too, and Python 3.12 and later set it a deadline."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._jobs -= 1

    def _job_done(self, _: Any) -> None:
        self._jobs -= 1

    def select(self, base: selectors.BaseSelector, timeout: float | None) -> list[Any]:
        """What the selector does instead of sleeping: look, then jump or wait for real work."""
        ready = base.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._jobs > 0:
            return self._wait_for_job(base)
        if timeout is None:
            ready = base.select(self._hang_after)
            if not ready:
                names = sorted(t.get_name() for t in asyncio.all_tasks(self) if not t.done())
                raise RuntimeError(f"nothing will ever happen: no timer, no job; tasks that wait: {names}")
            return ready
        self._virtual_now += timeout
        return []

    def _wait_for_job(self, base: selectors.BaseSelector) -> list[Any]:
        started = time.monotonic()
        while True:
            ready = base.select(min(1.0, self._hang_after))
            if ready:
                return ready
            if time.monotonic() - started > self._hang_after:
                raise RuntimeError(f"{self._jobs} executor job(s) did not end in {self._hang_after:g} s")


class _JumpingSelector(selectors.BaseSelector):
    """Passes everything on, except that waiting is the loop's business."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._base = selectors.DefaultSelector()
        self._loop = loop

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._base.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._base.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._base.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[Any]:
        return self._loop.select(self._base, timeout)

    def close(self) -> None:
        self._base.close()

    def get_map(self) -> Any:
        return self._base.get_map()


class VirtualClock:
    """The loop's time as a `beluga_voice.clock.Clock`.

    Args:
        loop: any event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """The current time in seconds."""
        return self._loop.time()


def run(main: Coroutine[Any, Any, T], *, hang_after: float = HANG_AFTER) -> T:
    """Runs ``main`` to its end in virtual time and returns its result.

    Raises:
        RuntimeError: if everything waits and nothing will ever happen.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(hang_after)) as runner:
        return runner.run(main)
