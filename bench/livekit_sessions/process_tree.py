"""What a process and everything it started have used: CPU time of all threads, and memory that is its own."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpu_seconds", "memory_mb", "processes", "threads"]

_TICKS = os.sysconf("SC_CLK_TCK")


def processes(pid: int) -> list[int]:
    """``pid`` and its descendants."""
    found = [pid]
    for parent in found:
        for task in _tasks(parent):
            try:
                children = (task / "children").read_text()
            except OSError:
                continue
            found += [int(child) for child in children.split()]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, ended children included."""
    total = 0
    for one in processes(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def memory_mb(pid: int) -> dict[str, float]:
    """``uss`` (in one process only) and ``pss`` (shared pages shared out) of the tree, in MB (10**6 bytes)."""
    uss = pss = 0
    for one in processes(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("Pss:"):
                pss += int(line.split()[1])
            elif line.startswith("Private_"):
                uss += int(line.split()[1])
    return {"uss": uss * 1024 / 1e6, "pss": pss * 1024 / 1e6, "processes": float(len(processes(pid)))}


def threads(pid: int) -> int:
    """Threads of the tree, native ones included."""
    return sum(len(_tasks(one)) for one in processes(pid))


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
