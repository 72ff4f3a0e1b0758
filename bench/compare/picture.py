"""The comparison as a picture (SVG): cost and answers by number of sessions, answers and interruptions side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from bench.compare.contenders import CONTENDERS, FLOOR, OURS
from bench.compare.figures import AT
from bench.compare.summary import Level, Standing
from bench.figures import percentile

__all__ = ["picture"]

_INK, _SOFT, _LINE, _GOAL = "#1d2733", "#5b6775", "#e3e8ee", "#c2410c"
_COLORS = {OURS: "#0f5c7a", "livekit": "#e08a1e", "pipecat": "#7a4fa3", "pipecat-timeout": "#b9a3d0"}
_WIDTH, _PAD, _GAP = 1000, 28, 56
_PANEL_W, _PANEL_H = (_WIDTH - 2 * _PAD - _GAP) / 2, 210
_AXIS = 46  # room for numbers left of a plot


class _Panel:
    """A plot with axes; draws in the units of its data."""

    def __init__(self, x: float, y: float, title: str, note: str) -> None:
        self.parts: list[str] = []
        self.left, self.top = x + _AXIS, y + 34
        self.right, self.bottom = x + _PANEL_W, y + 34 + _PANEL_H
        self.text(x, y + 4, title, _INK, bold=True, size=14)
        self.text(x, y + 20, note, _SOFT, size=11.5)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        color: str = _SOFT,
        anchor: str = "start",
        bold: bool = False,
        size: float = 12,
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        place = f'x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}" font-size="{size}"{weight}'
        halo = 'paint-order="stroke" stroke="#ffffff" stroke-width="3"'
        self.parts.append(f"<text {place} {halo}>{escape(text)}</text>")

    def line(
        self, points: Sequence[tuple[float, float]], color: str, width: float = 1, dash: str = ""
    ) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        stroke = f'stroke="{color}" stroke-width="{width}" stroke-linejoin="round"'
        self.parts.append(f'<polyline points="{path}" fill="none" {stroke}{style}/>')

    def dot(self, x: float, y: float, color: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{color}" stroke="#fff"/>')

    def bar(self, x: float, y: float, width: float, height: float, color: str) -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(1.0, width):.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect {place} rx="2.5" fill="{color}"/>')


def picture(standings: dict[str, Standing], facts: dict[str, str]) -> str:
    """An SVG; contenders and panels without figures are left out."""
    people = {k: standings[k] for k in CONTENDERS if k in standings and k != FLOOR and standings[k].levels}
    second = _PAD + _PANEL_W + _GAP
    top, below = 96, 96 + _PANEL_H + 116
    panels = [
        _by_sessions(
            _PAD,
            top,
            "What a session costs",
            "% of a core, by sessions in one process",
            people,
            lambda v: v.cpu_each,
        ),
        _by_sessions(
            second,
            top,
            "How evenly answers come",
            "95th percentile, ms, by sessions in one process",
            people,
            lambda v: v.p95,
        ),
        _bars(
            _PAD,
            below,
            f"End of speech → answer, {AT} sessions",
            "ms; bar: median, line: 95th percentile",
            _answers(people),
            450,
        ),
        _bars(
            second,
            below,
            "Interruption → silence",
            "ms from the first sound; bar: median, line: 95th percentile",
            {k: s.silences for k, s in people.items() if s.silences},
            300,
        ),
    ]
    height = below + _PANEL_H + 102
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif">'
        "<title>Beluga Voice beside livekit-agents and Pipecat</title>"
        f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="#ffffff" stroke="{_LINE}"/>'
    )
    frame = _Panel(0, 0, "", "")
    frame.parts.clear()
    _legend(frame, people)
    frame.text(
        _PAD,
        height - 34,
        "The same speech and the same fake recogniser, model and voice for all; default settings.",
        size=11.5,
    )
    machine = " · ".join(facts[k] for k in ("processor", "system", "measured") if k in facts)
    frame.text(_PAD, height - 16, f"{machine} · load before {facts.get('load before', '?')}", size=11.5)
    return "\n".join((head, *frame.parts, *(p for panel in panels for p in panel), "</svg>")) + "\n"


def _legend(frame: _Panel, people: dict[str, Standing]) -> None:
    frame.text(_PAD, 38, "Beluga Voice beside livekit-agents and Pipecat", _INK, bold=True, size=18)
    x = float(_PAD)
    for key, standing in people.items():
        name = f"{CONTENDERS[key].label} {standing.version}"
        frame.bar(x, 53, 12, 12, _COLORS[key])
        frame.text(x + 18, 63.5, name, _INK)
        x += 44 + 6.9 * len(name)


def _by_sessions(
    x: float, y: float, title: str, note: str, people: dict[str, Standing], value: Callable[[Level], float]
) -> list[str]:
    panel = _Panel(x, y, title, note)
    series = {
        k: [(n, v) for n, level in sorted(s.levels.items()) if not math.isnan(v := value(level))]
        for k, s in people.items()
    }
    counts = sorted({n for points in series.values() for n, _ in points})
    top = _round_up(max((v for points in series.values() for _, v in points), default=1.0))
    span = math.log(max(counts, default=1)) or 1.0

    def at(n: float, v: float) -> tuple[float, float]:
        share = math.log(n) / span
        width = panel.right - panel.left - 20
        return panel.left + 10 + share * width, panel.bottom - v / top * (panel.bottom - panel.top)

    _grid(panel, top)
    last = -1e9
    for n in counts:
        across = at(n, 0)[0]
        if across - last > 22:
            panel.text(across, panel.bottom + 16, str(n), anchor="middle")
            last = across
    panel.text(
        (panel.left + panel.right) / 2,
        panel.bottom + 34,
        "sessions (logarithmic)",
        anchor="middle",
        size=11.5,
    )
    for key, points in reversed(series.items()):
        placed = [at(n, v) for n, v in points]
        panel.line(placed, _COLORS[key], 2.4)
        for across, up in placed:
            panel.dot(across, up, _COLORS[key])
        if placed:
            panel.text(
                placed[-1][0], placed[-1][1] - 8, _value(points[-1][1]), _COLORS[key], "end", bold=True
            )
    return panel.parts


def _bars(
    x: float, y: float, title: str, note: str, values: dict[str, list[float]], goal: float
) -> list[str]:
    panel = _Panel(x, y, title, note)
    panel.top += 14  # for the name of the goal
    top = _round_up(max((percentile(v, 95) for v in values.values()), default=goal))
    width = 130.0  # for names
    left = panel.left - _AXIS + width

    def at(value: float) -> float:
        return left + value / top * (panel.right - left - 60)

    rows = max(1, len(values))
    each = min(46.0, (panel.bottom - panel.top) / rows)
    bottom = panel.top + each * rows
    for step in range(5):
        value = top * step / 4
        panel.line([(at(value), panel.top), (at(value), bottom)], _LINE)
        panel.text(at(value), bottom + 16, _value(value), anchor="middle")
    panel.text((left + panel.right) / 2, bottom + 34, "ms", anchor="middle", size=11.5)
    panel.line([(at(goal), panel.top - 4), (at(goal), bottom)], _GOAL, 1.2, "4 3")
    panel.text(at(goal), panel.top - 9, f"goal {goal:g}", _GOAL, "middle", size=11.5)
    for index, (key, samples) in enumerate(values.items()):
        middle = panel.top + each * (index + 0.5)
        half, high = percentile(samples, 50), percentile(samples, 95)
        panel.bar(left, middle - 9, at(half) - left, 18, _COLORS[key])
        panel.line([(at(half), middle), (at(high), middle)], _INK, 1.4)
        panel.line([(at(high), middle - 5), (at(high), middle + 5)], _INK, 1.4)
        panel.text(left - 10, middle + 4, CONTENDERS[key].label, _INK, "end")
        panel.text(at(high) + 8, middle + 4, f"{half:.0f} / {high:.0f}", _INK, bold=True)
    return panel.parts


def _answers(people: dict[str, Standing]) -> dict[str, list[float]]:
    return {k: s.levels[AT].latencies for k, s in people.items() if AT in s.levels and s.levels[AT].latencies}


def _grid(panel: _Panel, top: float) -> None:
    for step in range(5):
        value = top * step / 4
        height = panel.bottom - (panel.bottom - panel.top) * step / 4
        panel.line([(panel.left, height), (panel.right, height)], _LINE)
        panel.text(panel.left - 8, height + 4, _value(value), anchor="end")


def _round_up(value: float) -> float:
    """A round number at or above ``value`` with four round quarters."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if m * power >= value)


def _value(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 2 else f"{value:.2f}"
