"""The figures as a picture: where the time of an answer goes, how soon the agent is silent, what listening costs."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from bench.figures import Result, median

__all__ = ["chart"]

_WIDTH, _LEFT, _RIGHT, _ROW, _BAR = 860, 236, 96, 26, 14
_PLOT = _WIDTH - _LEFT - _RIGHT
_INK, _SOFT, _LINE, _GOAL = "#1d2733", "#5b6775", "#dde3ea", "#c2410c"
_DEEP, _MID, _PALE = "#0f5c7a", "#2a9db5", "#a9d6df"
_LATENCY_GOAL, _DUCK_GOAL, _SILENCE_GOAL = 500, 150, 300
# Panels share one scale of milliseconds.
_MS = 540.0
_STAGES = {
    "endpointing": "is the turn over?",
    "llm": "the agent's first words",
    "tts": "the voice",
    "playout": "on its way out",
}


class _Canvas:
    """Panels of horizontal bars, one under the other."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 24
        self._ground = 0  # lines of the present panel go below its bars and words

    def text(
        self, x: float, y: float, text: str, color: str = _SOFT, anchor: str = "start", bold: bool = False
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        place = f'x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}"{weight}'
        halo = 'paint-order="stroke" stroke="#ffffff" stroke-width="4"'
        self.parts.append(f"<text {place} {halo}>{escape(text)}</text>")

    def line(self, x: float, top: float, bottom: float, color: str, dashed: bool = False) -> None:
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        ends = f'x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}"'
        self.parts.insert(self._ground, f'<line {ends} stroke="{color}"{dash}/>')
        self._ground += 1

    def bar(self, start: float, length: float, y: float, color: str, height: float = _BAR) -> float:
        """Draws a bar, in shares of the plot, and returns where it ends."""
        x, width = _LEFT + start * _PLOT, max(1.5, length * _PLOT)
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}"'
        self.parts.append(f'<rect {place} rx="2" fill="{color}"/>')
        return x + width

    def title(self, title: str, note: str) -> None:
        self._ground = len(self.parts)
        self.y += 14
        self.text(24, self.y, title, _INK, bold=True)
        self.text(_WIDTH - 24, self.y, note, anchor="end")
        self.y += 14

    def ticks(self, rows: float, top: float, values: Iterable[float], unit: str) -> None:
        bottom = self.y + rows * _ROW
        for value in values:
            x = _LEFT + value / top * _PLOT
            self.line(x, self.y, bottom, _LINE)
            self.text(x, bottom + 15, f"{value:g}{unit}", anchor="middle")


def chart(results: dict[str, Result], facts: dict[str, str]) -> str:
    """An SVG of what was measured; parts that were not are left out."""
    canvas = _Canvas()
    if "latency" in results:
        _latency(canvas, results["latency"])
    if "barge_in" in results:
        _barge_in(canvas, results["barge_in"])
    if "vad_cost" in results:
        _vad(canvas, results["vad_cost"])
    canvas.y += 12
    canvas.text(24, canvas.y, " · ".join((facts["processor"], facts["system"])))
    height = canvas.y + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif" font-size="12.5">'
        "<title>Beluga Voice: speed of the embedded backend</title>"
        f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="#ffffff" stroke="{_LINE}"/>'
    )
    return "\n".join((head, *canvas.parts, "</svg>")) + "\n"


def _latency(canvas: _Canvas, result: Result) -> None:
    questions = result.data["questions"]
    total = median([q["wall_s"] for q in questions]) * 1000
    stages = {name: result.data[name] * 1000 for name in _STAGES}
    rows = [("the last word dies away", max(0.0, total - sum(stages.values())), _PALE)]
    rows += [(_STAGES[name], value, _MID) for name, value in stages.items()]
    canvas.title("From the end of a question to the answer", f"medians of {len(questions)} questions, ms")
    canvas.ticks(len(rows) + 1, _MS, range(0, 501, 100), "")
    top = canvas.y
    at = 0.0
    for label, value, color in rows:
        _row(canvas, label, at / _MS, value / _MS, f"{value:.0f}" if value >= 1 else "< 1", color)
        at += value
    _row(canvas, "first sound, by the clock", 0, total / _MS, f"{total:.0f} ms", _DEEP, bold=True)
    _goal(canvas, _LATENCY_GOAL, top)
    canvas.y += 34


def _barge_in(canvas: _Canvas, result: Result) -> None:
    cuts = result.data["cuts"]
    ducks = [c["duck"] for c in cuts if c["duck"] is not None]
    rows = [("its voice is lowered", ducks, _MID, _DUCK_GOAL)] if ducks else []
    rows.append(("it is silent", [c["silence"] for c in cuts], _DEEP, _SILENCE_GOAL))
    canvas.title("From the user's first sound over the agent", f"medians of {len(cuts)} interruptions, ms")
    canvas.ticks(len(rows), _MS, range(0, 501, 100), "")
    for label, values, color, goal in rows:
        value = median(values) * 1000
        _row(canvas, label, 0, value / _MS, f"{value:.0f} ms", color, bold=color == _DEEP)
        _goal(canvas, goal, canvas.y - _ROW)
    canvas.y += 34


def _vad(canvas: _Canvas, result: Result) -> None:
    runs = result.data["runs"]
    top = max(1.0, max(r["percent"] for r in runs)) * 1.08
    speakers = sorted({r["speakers"] for r in runs})
    canvas.title("Voice activity detection, % of a core per session", "half of each session is silence")
    canvas.ticks(len(speakers) * 1.35, top, [i / 4 for i in range(int(top * 4) + 1)], "%")
    for number in speakers:
        y = canvas.y + 4
        canvas.text(
            _LEFT - 12,
            y + 16,
            f"{number} session{'s' * (number > 1)}",
            _INK,
            "end",
        )
        for gate, color in ((True, _DEEP), (False, _PALE)):
            run = next(r for r in runs if r["speakers"] == number and r["gate"] is gate)
            end = canvas.bar(0, run["percent"] / top, y, color, 12)
            canvas.text(end + 6, y + 10.5, f"{run['percent']:.2f} %", _INK if gate else _SOFT)
            if number == speakers[-1]:
                canvas.text(end + 66, y + 10.5, "gate on: silence is skipped" if gate else "gate off", _SOFT)
            y += 13
        canvas.y += int(_ROW * 1.35)
    canvas.y += 34


def _row(
    canvas: _Canvas, label: str, start: float, length: float, value: str, color: str, bold: bool = False
) -> None:
    y = canvas.y + (_ROW - _BAR) / 2
    end = canvas.bar(start, length, y, color)
    canvas.text(_LEFT - 12, y + 11.5, label, _INK, "end", bold)
    canvas.text(end + 6, y + 11.5, value, _INK, bold=bold)
    canvas.y += _ROW


def _goal(canvas: _Canvas, goal: float, top: float) -> None:
    """A mark from ``top`` to the end of the rows so far; its name is at the right."""
    canvas.line(_LEFT + goal / _MS * _PLOT, top, canvas.y, _GOAL, dashed=True)
    canvas.text(_WIDTH - 24, canvas.y - 8.5, f"goal {goal:g} ms", _GOAL, "end")
