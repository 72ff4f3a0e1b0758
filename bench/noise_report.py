"""The table of `bench.barge_in_noise`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import percentile

__all__ = ["Row", "markdown", "show"]

_FRAME = 0.02
_HALF = 0.5  # a frame so much softer than the same of an undisturbed answer is lowered
_AUDIBLE = 300.0  # frames softer than this say nothing about their gain
HEAD = ("over the agent", "stopped for nothing", "lowered", "held", "real: silent, p50", "p95", "not noticed")


@dataclass(slots=True)
class Row:
    """One scene.

    Attributes:
        order: in the table.
        name: of the scene.
        runs: people.
        disturbed: seconds of disturbance they had, together.
        false: of them, how many agents stopped though nobody had interrupted.
        lowered: seconds of the agent's voice that were softer than they should be.
        held: seconds it was silent in the middle of its words.
        silences: seconds from a real interruption's first voiced sample to the end of the agent's last one.
        missed: real interruptions that did not stop it.
    """

    order: int
    name: str
    runs: int = 0
    disturbed: float = 0.0
    false: int = 0
    lowered: float = 0.0
    held: float = 0.0
    silences: list[float] = field(default_factory=list[float])
    missed: int = 0

    def add_voice(self, frames: Sequence[tuple[float, float]], plain: Sequence[float], cut: bool) -> None:
        """The agent's frames while nobody interrupted: when each began to sound, and how loud it was."""
        pairs = zip(frames, plain, strict=False)
        self.lowered += _FRAME * sum(loud > _AUDIBLE and got < loud * _HALF for (_, got), loud in pairs)
        if not cut:
            self.held += max(0.0, frames[-1][0] - frames[0][0] - _FRAME * (len(frames) - 1))

    def summary(self) -> dict[str, Any]:
        """What is told of it, times in ms."""
        known = self.silences
        return {
            "lowered_percent": round(100 * self.lowered / self.disturbed, 1) if self.disturbed else None,
            "held_percent": round(100 * self.held / self.disturbed, 1) if self.disturbed else None,
            "silence_p50_ms": round(1000 * percentile(known, 50)) if known else None,
            "silence_p95_ms": round(1000 * percentile(known, 95)) if known else None,
        }

    def cells(self) -> list[str]:
        told = self.summary()
        real = self.runs - self.false
        return [
            self.name,
            f"{self.false} of {self.runs}",
            f"{told['lowered_percent']} %",
            f"{told['held_percent']} %",
            "" if told["silence_p50_ms"] is None else f"{told['silence_p50_ms']} ms",
            "" if told["silence_p95_ms"] is None else f"{told['silence_p95_ms']} ms",
            f"{self.missed} of {real}" if real else "",
        ]


def show(console: Console, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    table = Table(title="Barge-in where it is not quiet (virtual time)", title_justify="left")
    for name in HEAD:
        table.add_column(name, justify="left" if name == HEAD[0] else "right")
    for row in rows:
        table.add_row(*row.cells())
    console.print(table)
    for name, fact in facts.items():
        console.print(f"[dim]{name}[/]  {fact}", highlight=False)


def markdown(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """The same for the documentation."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    lines += ["", *(f"- {name}: {fact}" for name, fact in facts.items())]
    return "\n".join(lines) + "\n"
