"""The table, the curve and the JSON of `bench.turns`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.compare.contenders import OURS
from bench.figures import percentile
from bench.turns_speech import Spoken

__all__ = ["VIRTUAL", "Row", "chart", "markdown", "show", "summarise"]

# Ours where the machine's speed does not count.
VIRTUAL = "virtual"
# (kind, pause) of the columns with cut-offs, and the goal in percent.
_CUTS: tuple[tuple[str, float, str, float | None], ...] = (
    ("unfinished", 0.4, "unfinished, 0.4 s", 2.0),
    ("unfinished", 0.8, "unfinished, 0.8 s", 10.0),
    ("open", 0.4, "open, 0.4 s", None),
    ("open", 0.8, "open, 0.8 s", None),
)
_GOAL_MS = 450.0


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
    """

    key: str
    label: str
    cuts: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    waits: list[float] = field(default_factory=list[float])
    after_pause: list[float] = field(default_factory=list[float])
    unanswered: int = 0
    takes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

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
    lines.append(f"| *goal* | {' | '.join(goals)} | ≤ {_GOAL_MS:g} ms | | |")
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


_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 860, 470, 70, 70, 90
_INK, _SOFT, _LINE, _GOAL = "#1d2733", "#5b6775", "#dde3ea", "#c2410c"
_COLORS = {
    VIRTUAL: "#0f5c7a",
    OURS: "#2a9db5",
    "livekit": "#b45309",
    "pipecat": "#7c3aed",
    "pipecat-timeout": "#be185d",
}


def chart(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """False cut-offs against delay (SVG): a line through our settings for each pause, a point for each peer."""
    longest = max([r.wait(50) or 0 for r in rows] + [900.0]) * 1.08
    parts: list[str] = []

    def x(ms: float) -> float:
        return _LEFT + ms / longest * (_WIDTH - _LEFT - 40)

    def y(percent: float) -> float:
        return _TOP + (1 - percent / 100) * (_HEIGHT - _TOP - _BOTTOM)

    def text(
        at: tuple[float, float], words: str, color: str = _SOFT, anchor: str = "start", weight: int = 400
    ) -> None:
        place = (
            f'x="{at[0]:.1f}" y="{at[1]:.1f}" fill="{color}" text-anchor="{anchor}" font-weight="{weight}"'
        )
        parts.append(
            f'<text {place} paint-order="stroke" stroke="#fff" stroke-width="4">{escape(words)}</text>'
        )

    for percent in range(0, 101, 20):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 40}" y1="{y(percent)}" y2="{y(percent)}" stroke="{_LINE}"/>'
        )
        text((_LEFT - 8, y(percent) + 4), f"{percent} %", anchor="end")
    for ms in range(0, int(longest) + 1, 200):
        text((x(ms), _HEIGHT - _BOTTOM + 20), f"{ms}", anchor="middle")
    goal = f'x1="{x(_GOAL_MS)}" x2="{x(_GOAL_MS)}" y1="{y(100)}" y2="{y(0)}" stroke="{_GOAL}" stroke-dasharray="4 3"'
    parts.append(f"<line {goal}/>")
    text((x(_GOAL_MS), _TOP - 6), f"goal {_GOAL_MS:g} ms", _GOAL, "middle")
    text(
        (24, 30),
        "Cut off in a pause where the words are plainly unfinished, against the wait for an answer",
        _INK,
        weight=600,
    )
    text((24, 48), "filled: a pause of 0.8 s, hollow: 0.4 s; the line goes through our settings")
    text(
        ((_WIDTH + _LEFT) / 2, _HEIGHT - _BOTTOM + 42),
        "ms from the end of a finished sentence to the agent's voice (median)",
        anchor="middle",
    )
    for pause in (0.8, 0.4):
        points = sorted(
            (row.wait(50) or 0.0, row.share("unfinished", pause) or 0.0) for row in rows if row.key == VIRTUAL
        )
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{_COLORS[VIRTUAL]}" stroke-width="2" opacity="0.6"/>'
        )
    told: list[tuple[float, float]] = []
    for row in rows:
        for pause in (0.8, 0.4):
            share, wait = row.share("unfinished", pause), row.wait(50)
            if share is None or wait is None:
                continue
            color = _COLORS.get(row.key, "#be185d")
            fill = color if pause == 0.8 else "#fff"
            parts.append(
                f'<circle cx="{x(wait):.1f}" cy="{y(share):.1f}" r="6" fill="{fill}" stroke="{color}"/>'
            )
            if pause == 0.8:
                at = (x(wait) + 10, y(share) - 8)
                while any(abs(at[1] - b) < 15 and abs(at[0] - a) < 150 for a, b in told):
                    at = (at[0], at[1] - 15)
                told.append(at)
                label = row.label.replace("Beluga Voice, ", "ours, ").removesuffix(", virtual time")
                text(
                    at,
                    label,
                    color,
                    "end" if wait > longest * 0.75 else "start",
                    600 if row.key in (VIRTUAL, OURS) else 400,
                )
    text((24, _HEIGHT - 16), " · ".join((facts["processor"], facts.get("measured", ""))))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif" font-size="12.5">'
        "<title>False cut-offs against delay</title>"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="10" fill="#ffffff" stroke="{_LINE}"/>'
    )
    return "\n".join((head, *parts, "</svg>")) + "\n"
