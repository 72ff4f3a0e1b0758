"""Threads for tools that block: one each, so that a tool that hangs holds up nothing else, not even the exit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

__all__ = ["ToolThreads"]

P = ParamSpec("P")
T = TypeVar("T")


class ToolThreads(Executor):
    """Runs each job in a daemon thread of its own; there are no idle threads.

    A thread cannot be ended from outside, so one whose tool has timed out goes on until the tool returns.

    Args:
        limit: how many may run at once; a job beyond that is refused with `RuntimeError`.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._running = 0
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Starts ``fn`` at once."""
        with self._lock:
            if self._running >= self._limit:
                raise RuntimeError(f"{self._limit} tools are running already")
            self._running += 1
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        thread = threading.Thread(target=self._run, args=(future, fn, args, kwargs), name="tool", daemon=True)
        thread.start()
        return future

    def _run(self, future: Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            self._leave()
            future.set_exception(error)
        else:
            self._leave()
            future.set_result(result)

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
