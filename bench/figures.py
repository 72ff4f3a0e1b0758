"""What a measurement comes to, and the arithmetic they share."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Figure", "Result", "median", "percentile", "process_rss"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: how much it was.
        unit: of ``value`` and ``goal``.
        goal: the most it may be; None if it is only told.
        note: how it spreads, or what is in it.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


@dataclass(slots=True)
class Result:
    """What one file measured: lines for the table and the samples behind them."""

    figures: list[Figure] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str, goal: float | None = None, note: str = "") -> None:
        self.figures.append(Figure(name, value, unit, goal, note))

    def add_times(self, name: str, seconds: Sequence[float], goal: float | None = None) -> None:
        """The median of times in ms, judged against ``goal`` in ms, with the 95th percentile beside it."""
        worst = f"p95 {percentile(seconds, 95) * 1000:.0f} ms of {len(seconds)}"
        self.add(f"{name}, p50", median(seconds) * 1000, "ms", goal, worst)


def percentile(values: Sequence[float], share: float) -> float:
    """Between the two nearest ranks, as numpy does it; ``share`` in percent."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * share / 100
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def median(values: Sequence[float]) -> float:
    return percentile(values, 50)


def process_rss(pid: int | str = "self") -> float:
    """Resident memory of a process in MB (10**6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
