"""False cut-offs against the wait for an answer, as a picture (SVG)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from bench.turns_report import GOAL_MS, OURS, VIRTUAL, Row

__all__ = ["chart"]

_WIDTH, _PANEL, _PLOT, _TOP, _LEFT = 1000, 470, 240, 112, 62
_INK, _SOFT, _LINE, _GOAL = "#1d2733", "#5b6775", "#dde3ea", "#b3411d"
_COLORS = {
    VIRTUAL: "#0f5c7a",
    OURS: "#2a9db5",
    "livekit": "#e08a1e",
    "pipecat": "#7b4ea3",
    "pipecat-timeout": "#b9a3d3",
}
_KINDS = (
    ("unfinished", "Words that plainly go on", "“I would like to book a table for … two people.”"),
    ("open", "Words that could be all", "“I would like to book a table … for two people.”"),
)


def chart(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """A panel for each kind of sentence: a line through our settings, a point for each peer at its defaults."""
    longest = max([r.wait(50) or 0.0 for r in rows] + [1000.0])
    longest = 200.0 * -(-longest * 1.05 // 200)
    legend = [r for r in rows if r.wait(50) is not None]
    height = _TOP + _PLOT + 80 + 20 * -(-len(legend) // 2) + 40
    parts = [
        _text(28, 38, "Cut off in a pause, against the wait for an answer", _INK, size=18, weight=600),
        _text(28, 60, "share of sentences that the agent spoke into; filled: pause of 0.8 s, hollow: 0.4 s"),
    ]
    for index, (kind, title, example) in enumerate(_KINDS):
        parts += _panel(28 + index * (_PANEL + 10), kind, title, example, rows, longest)
    for index, row in enumerate(legend):
        x, y = 42 + (index % 2) * (_PANEL + 10), _TOP + _PLOT + 84 + 20 * (index // 2)
        name = row.label.removesuffix(", virtual time") + (", by the clock" if row.key == OURS else "")
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{_color(row)}"/>')
        parts.append(_text(x + 14, y, f"{name}: {row.wait(50):.0f} ms", _INK))
    parts.append(_text(28, height - 16, " · ".join((facts["processor"], facts.get("measured", "")))))
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif">',
            "<title>False cut-offs against delay</title>",
            f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="#ffffff" stroke="{_LINE}"/>',
            *parts,
            "</svg>\n",
        )
    )


def _panel(
    left: float, kind: str, title: str, example: str, rows: Sequence[Row], longest: float
) -> list[str]:
    def x(ms: float) -> float:
        return left + _LEFT + ms / longest * (_PANEL - _LEFT - 30)

    def y(percent: float) -> float:
        return _TOP + 24 + (1 - percent / 100) * (_PLOT - 24)

    parts = [_text(left, 92, title, _INK, size=14, weight=600), _text(left, 110, example)]
    for percent in range(0, 101, 20):
        at = f'y1="{y(percent):.1f}" y2="{y(percent):.1f}"'
        parts.append(f'<line x1="{x(0):.1f}" x2="{x(longest):.1f}" {at} stroke="{_LINE}"/>')
        parts.append(_text(x(0) - 8, y(percent) + 4, f"{percent} %", anchor="end"))
    for ms in range(0, int(longest) + 1, 200):
        parts.append(_text(x(ms), y(0) + 20, str(ms), anchor="middle"))
    parts.append(
        _text(x(longest / 2), y(0) + 40, "ms from a finished sentence to the agent's voice", anchor="middle")
    )
    goal = f'x1="{x(GOAL_MS):.1f}" x2="{x(GOAL_MS):.1f}" y1="{y(100):.1f}" y2="{y(0):.1f}"'
    parts.append(f'<line {goal} stroke="{_GOAL}" stroke-dasharray="4 3"/>')
    parts.append(_text(x(GOAL_MS), y(100) - 6, f"goal {GOAL_MS:g} ms", _GOAL, anchor="middle"))
    for pause in (0.4, 0.8):
        known = [
            (r, wait, share)
            for r in rows
            if (wait := r.wait(50)) is not None and (share := r.share(kind, pause)) is not None
        ]
        line = " ".join(f"{x(w):.1f},{y(s):.1f}" for w, s in sorted((w, s) for r, w, s in known if r.curve))
        dashes = "" if pause == 0.8 else ' stroke-dasharray="2 3"'
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{_COLORS[VIRTUAL]}" stroke-width="2"{dashes}/>'
        )
        for row, wait, share in known:
            fill = _color(row) if pause == 0.8 else "#ffffff"
            place = f'cx="{x(wait):.1f}" cy="{y(share):.1f}"'
            parts.append(f'<circle {place} r="5" fill="{fill}" stroke="{_color(row)}" stroke-width="1.5"/>')
    return parts


def _color(row: Row) -> str:
    return _COLORS.get(row.key, _SOFT)


def _text(
    x: float,
    y: float,
    words: str,
    color: str = _SOFT,
    *,
    anchor: str = "start",
    size: float = 12,
    weight: int = 400,
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" font-weight="{weight}"'
    return f'<text {place} fill="{color}">{escape(words)}</text>'
