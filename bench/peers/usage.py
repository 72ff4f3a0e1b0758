"""What a process has used: CPU time of all its threads, memory, tasks."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import threading
from pathlib import Path

__all__ = ["OWN", "cpu_seconds", "framework_tasks", "memory_mb", "process_age", "settle", "threads"]

# Tasks of the bench itself have names that begin with this.
OWN = "bench:"


def cpu_seconds() -> float:
    """User and system time of this process, its threads, and children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def settle() -> None:
    """Garbage goes, and freed memory goes back to the system, so that what is left is really in use."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def memory_mb() -> dict[str, float]:
    """Resident (``rss``) and private (``uss``) memory in MB (10**6 bytes)."""
    rss = uss = 0
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            rss = int(line.split()[1])
        elif line.startswith("Private_"):
            uss += int(line.split()[1])
    return {"rss": rss * 1024 / 1e6, "uss": uss * 1024 / 1e6}


def framework_tasks() -> int:
    """Tasks of the event loop that are not the bench's."""
    return sum(not t.get_name().startswith(OWN) for t in asyncio.all_tasks())


def threads() -> int:
    """Threads of the interpreter and of native code."""
    return max(threading.active_count(), sum(1 for _ in Path("/proc/self/task").iterdir()))


def process_age() -> float:
    """Seconds since this process was started."""
    ticks = os.sysconf("SC_CLK_TCK")
    began = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]) / ticks
    return float(Path("/proc/uptime").read_text().split()[0]) - began
