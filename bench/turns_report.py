"""The table and the JSON of `bench.turns`; the picture is in `bench.turns_chart`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.compare.contenders import OURS
from bench.figures import percentile
from bench.turns_speech import Spoken

__all__ = ["GOAL_MS", "OURS", "VIRTUAL", "Row", "markdown", "show", "summarise"]

# Ours where the machine's speed does not count.
VIRTUAL = "virtual"
# (kind, pause) of the columns with cut-offs, and the goal in percent.
_CUTS: tuple[tuple[str, float, str, float | None], ...] = (
    ("unfinished", 0.4, "unfinished, 0.4 s", 2.0),
    ("unfinished", 0.8, "unfinished, 0.8 s", 10.0),
    ("open", 0.4, "open, 0.4 s", None),
    ("open", 0.8, "open, 0.8 s", None),
)
GOAL_MS = 450.0


@dataclass(slots=True)
class Row:
    """One system at one setting.

    Attributes:
        key: of the contender.
        label: for people.
        cuts: cut off, and of how many, by kind and pause (``open@0.8``), also by part (``held_out open@0.8``).
        waits: seconds from the end of finished sentences to the agent's voice.
        after_pause: the same, of sentences with a pause in an unfinished place that were not cut off.
        unanswered: how many had no answer.
        takes: each take: id, cut off or not, seconds.
        curve: whether it is a point of the curve of waits.
    """

    key: str
    label: str
    cuts: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    waits: list[float] = field(default_factory=list[float])
    after_pause: list[float] = field(default_factory=list[float])
    unanswered: int = 0
    takes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    curve: bool = False

    def share(self, kind: str, pause: float, part: str = "") -> float | None:
        """Percent cut off."""
        cut, count = self.cuts.get(f"{part + ' ' if part else ''}{kind}@{pause:g}", (0, 0))
        return 100 * cut / count if count else None

    def wait(self, share: float) -> float | None:
        """A percentile of the wait after finished sentences, in ms."""
        return 1000 * percentile(self.waits, share) if self.waits else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "label": self.label,
            "cuts": {name: list(pair) for name, pair in self.cuts.items()},
            "wait_ms": {str(q): self.wait(q) for q in (50, 95, 99)},
            "unanswered": self.unanswered,
            "takes": self.takes,
        }


def summarise(
    key: str, label: str, result: Mapping[str, Any], takes: Mapping[str, tuple[Spoken, float]]
) -> Row:
    """What a driver measured, counted by kind."""
    row = Row(key, label)
    for turn in result["turns"]:
        item, pause = takes[turn["text"]]
        sentence = item.sentence
        early, wait = bool(turn["early"]), turn["latency"]
        row.takes.append({"id": turn["text"], "early": early, "wait": wait})
        if sentence.kind == "finished":
            if wait is not None:
                row.waits.append(wait)
        elif sentence.kind == "unfinished" and wait is not None:
            row.after_pause.append(wait)
        if not early and wait is None:
            row.unanswered += 1
        for name in (f"{sentence.kind}@{pause:g}", f"{sentence.part} {sentence.kind}@{pause:g}"):
            cut, count = row.cuts.get(name, (0, 0))
            row.cuts[name] = (cut + early, count + 1)
    return row


def show(console: Console, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    table = Table(title="Cut off in a pause, and the wait after finished sentences", title_justify="left")
    for name in _head():
        table.add_column(name, justify="left" if name == "system" else "right")
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)
    console.print("  ".join(f"{name}: {fact}" for name, fact in facts.items()), style="dim")


def _head() -> list[str]:
    return ["system", *(title for _, _, title, _ in _CUTS), "wait p50", "wait p95", "no answer"]


def _cells(row: Row) -> list[str]:
    cells = [row.label]
    for kind, pause, _, _ in _CUTS:
        cut, count = row.cuts.get(f"{kind}@{pause:g}", (0, 0))
        cells.append(f"{100 * cut / count:.0f} % ({cut} of {count})" if count else "")
    waits = [row.wait(50), row.wait(95)]
    return [*cells, *(f"{w:.0f} ms" if w is not None else "" for w in waits), str(row.unanswered)]


def markdown(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """The table, and ours by part of the set."""
    head = _head()
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---'] + ['---:'] * (len(head) - 1))}|"]
    goals = [f"≤ {goal:g} %" if goal is not None else "" for *_, goal in _CUTS]
    lines.append(f"| *goal* | {' | '.join(goals)} | ≤ {GOAL_MS:g} ms | | |")
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    parts = sorted({name.split()[0] for row in rows for name in row.cuts if " " in name})
    if len(parts) > 1:
        lines += ["", "Ours by half of the set (rules were written and tuned on `develop` only):", ""]
        lines += [f"| half | {' | '.join(title for _, _, title, _ in _CUTS)} |", "|---|---:|---:|---:|---:|"]
        ours = next((r for r in rows if r.key in (VIRTUAL, OURS)), None)
        for part in parts if ours else ():
            shares = [ours.share(kind, pause, part) for kind, pause, _, _ in _CUTS] if ours else []
            lines.append(f"| {part} | {' | '.join('' if s is None else f'{s:.0f} %' for s in shares)} |")
    return "\n".join([*lines, "", *(f"- {name}: {fact}" for name, fact in facts.items())]) + "\n"
