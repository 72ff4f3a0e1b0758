"""Where time comes from: one clock per session, so that tests and replays can supply their own."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "MonotonicClock"]


class Clock(Protocol):
    """Seconds that never go back; the zero point means nothing."""

    def now(self) -> float:
        """The current time in seconds."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """The current time in seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to, for tests.

    Args:
        start: the first reading, in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        """The current time in seconds."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Moves forward by ``seconds`` (≥ 0) and returns the new time.

        Raises:
            ValueError: if ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back: {seconds}")
        self._now += seconds
        return self._now
