"""The comparison as a picture (SVG): bars for cost, memory, answers and jobs."""

from __future__ import annotations

from html import escape

from bench.figures import median, percentile
from bench.livekit_sessions.run import CONTENDERS
from bench.livekit_sessions.summary import Level, Standing

__all__ = ["picture"]

_INK, _SOFT, _LINE = "#1d2733", "#5b6775", "#e3e8ee"
_COLORS = {"backend": "#2a9db5", "worker": "#0f5c7a", "process": "#e08a1e", "thread": "#f0bf80"}
_WIDTH, _PAD, _GAP, _NAMES, _VALUES = 1000, 28, 44, 158, 92
_PANEL = (_WIDTH - 2 * _PAD - _GAP) / 2
_ROW, _BAR = 30, 16


def picture(standings: dict[str, Standing], facts: dict[str, str]) -> str:
    """An SVG of the most sessions; contenders without figures are left out."""
    tops = {k: standings[k].top for k in CONTENDERS if k in standings}
    have: dict[str, Level] = {k: v for k, v in tops.items() if v is not None}
    n = max((v.sessions for v in have.values()), default=0)
    panels = [
        (
            "CPU per session",
            f"% of a core, {n} sessions",
            {k: (v.cpu, f"{v.cpu:.1f} %") for k, v in have.items()},
        ),
        (
            "Sessions per core",
            "100 / CPU per session",
            {k: (100 / v.cpu, f"{100 / v.cpu:.0f}") for k, v in have.items()},
        ),
        (
            "Memory per session",
            "MB, shared pages shared out",
            {k: (v.pss, f"{v.pss:.1f} MB") for k, v in have.items()},
        ),
        (
            "End of speech → answer heard",
            f"ms, median (p95), {n} sessions",
            {k: _times(v.latencies) for k, v in have.items() if v.latencies},
        ),
        (
            "Job → agent audible",
            "ms, median (p95)",
            {k: _times([a for v in standings[k].levels.values() for a in v.audible]) for k in have},
        ),
        (
            "Memory without sessions",
            "MB, ready to take calls",
            {k: (standings[k].idle, f"{standings[k].idle:.0f} MB") for k in have},
        ),
    ]
    each = 62 + _ROW * len(have)
    height = 74 + each * (len(panels) // 2) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif">',
        "<title>Agents in LiveKit rooms</title>",
        f'<rect width="{_WIDTH}" height="{height}" rx="10" fill="#ffffff" stroke="{_LINE}"/>',
        _text(_PAD, 40, "Agents in rooms of one LiveKit server", _INK, size=18, bold=True),
    ]
    for index, (title, note, values) in enumerate(panels):
        x = _PAD + (index % 2) * (_PANEL + _GAP)
        parts += _bars(x, 74 + index // 2 * each, title, note, values)
    versions = ", ".join(f"{CONTENDERS[k].label} {standings[k].version}" for k in have)
    machine = " · ".join(facts[k] for k in ("processor", "system", "measured") if k in facts)
    parts.append(_text(_PAD, height - 36, versions, _SOFT, size=11.5))
    parts.append(
        _text(_PAD, height - 18, f"{machine} · load before {facts.get('load before', '?')}", _SOFT, size=11.5)
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bars(x: float, y: float, title: str, note: str, values: dict[str, tuple[float, str]]) -> list[str]:
    parts = [
        _text(x, y + 14, title, _INK, size=14, bold=True),
        _text(x + _PANEL, y + 14, note, _SOFT, size=11.5, anchor="end"),
    ]
    top = max((v for v, _ in values.values()), default=1.0) or 1.0
    for row, (key, (value, text)) in enumerate(values.items()):
        at = y + 26 + row * _ROW
        width = max(1.5, value / top * (_PANEL - _NAMES - _VALUES))
        parts.append(_text(x + _NAMES - 10, at + 13, CONTENDERS[key].label, _INK, size=12, anchor="end"))
        place = f'x="{x + _NAMES:.1f}" y="{at}" width="{width:.1f}" height="{_BAR}"'
        parts.append(f'<rect {place} rx="2.5" fill="{_COLORS[key]}"/>')
        parts.append(_text(x + _NAMES + width + 7, at + 13, text, _INK, size=12))
    return parts


def _times(values: list[float]) -> tuple[float, str]:
    return median(values), f"{median(values):.0f} ({percentile(values, 95):.0f})"


def _text(
    x: float, y: float, text: str, color: str, *, size: float, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    place = f'x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}" font-size="{size}"{weight}'
    return f"<text {place}>{escape(text)}</text>"
