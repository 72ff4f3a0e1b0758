"""How busy this process is: the event loop's lag and the processor time it takes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

__all__ = ["LoadMeter", "busyness"]

# A loop this late hurts: a frame of audio is 20 ms, and 40 ms of it are sent ahead.
_LAG_LIMIT = 0.2
_PERIOD = 0.25
_SMOOTHING = 0.3


def busyness(lag: float, loop_share: float, machine_share: float) -> float:
    """The worst of three, 0 to 1.

    Args:
        lag: seconds that timers of the loop come late.
        loop_share: processor time of the loop's thread, as a share of one core.
        machine_share: processor time of the whole process (its native threads too), as a share of all cores.
    """
    return max(0.0, min(1.0, max(lag / _LAG_LIMIT, loop_share, machine_share)))


class LoadMeter:
    """Measures four times a second and tells the smoothed value.

    Args:
        tell: called with the load, 0 to 1.
    """

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._cores = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        self.load = 0.0

    async def run(self) -> None:
        """Measures until cancelled."""
        wall, thread, process = time.monotonic(), time.thread_time(), time.process_time()
        while True:
            await asyncio.sleep(_PERIOD)
            before = wall, thread, process
            wall, thread, process = time.monotonic(), time.thread_time(), time.process_time()
            spent = wall - before[0]
            now = busyness(
                spent - _PERIOD, (thread - before[1]) / spent, (process - before[2]) / spent / self._cores
            )
            self.load += _SMOOTHING * (now - self.load)
            self._tell(round(self.load, 3))
