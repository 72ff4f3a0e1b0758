"""Where the CPU time of sessions goes, sampled by py-spy while they talk: `scripts/profile`."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections import Counter
from html import escape
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.compare.contenders import CONTENDERS, FLOOR, OURS, command_of
from bench.compare.main import prepared
from bench.compare.plan import Run, job

__all__ = ["main"]

_ROOT = Path(__file__).parent.parent
_SPY = _ROOT / ".cache" / "bench" / "tools" / "bin" / "py-spy"
_RATE = 250
_LINE = re.compile(r":\d+\)$")
_LOOP = "_run_once"
_WORKER = "_worker (concurrent"
_WAIT = ("EpollSelector.select", "KqueueSelector.select")

Stacks = Counter[tuple[str, ...]]


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    console = Console() if Console().is_terminal else Console(width=130)
    speech, cycle = prepared()
    run = Run(options.contender, "turns", options.sessions, 4.0, options.seconds)
    folder = _ROOT / ".cache" / "bench"
    raw, figures = folder / "profile.txt", folder / "profile.json"
    figures.unlink(missing_ok=True)
    given = {**job(run, speech, cycle, options.loop), "smart_turn": True, "out": str(figures)}
    spy = [str(_SPY), "record", "--rate", str(_RATE), "--format", "raw", "--output", str(raw)]
    if options.native:
        spy.append("--native")
    name = f"{CONTENDERS[options.contender].label}, {options.sessions} sessions"
    with console.status(f"{name}: {options.seconds:.0f} s"):
        done = subprocess.run(
            [*spy, "--", *command_of(options.contender)],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=3 * options.seconds + 120,
            cwd=_ROOT,
            check=False,
        )
    if not raw.exists() or not figures.exists():
        console.print(f"[red]no profile:[/red]\n{(done.stderr or done.stdout)[-2000:]}")
        return 1
    stacks = _stacks(raw.read_text(encoding="utf-8"))
    _show(console, name, stacks, options.top)
    result = json.loads(figures.read_text(encoding="utf-8"))
    each = 100 * result["cpu_seconds"] / result["wall_seconds"] / result["sessions"]
    console.print(f"{each:.2f} % of a core per session, sampling included", highlight=False)
    options.out.write_text(flame(stacks, name), encoding="utf-8")
    console.print(f"flame graph: {options.out}", highlight=False)
    return 0


def _stacks(text: str) -> Stacks:
    """Samples by stack, below the event loop or a thread pool, without line numbers."""
    stacks: Stacks = Counter()
    for line in text.splitlines():
        path, _, count = line.rpartition(" ")
        frames = [_LINE.sub(")", frame) for frame in path.split(";")]
        inside = [
            i for i, f in enumerate(frames) if f.startswith(("BaseEventLoop.", "Handle.")) or _LOOP in f
        ]
        if frames[-1].startswith(_WAIT):
            continue
        if inside:
            frames = ["event loop", *frames[max(inside) + 1 :]]
            if any("bench/peers/harness.py" in f for f in frames):
                continue  # the bench's own sums, before and after
        elif any(_WORKER in f for f in frames) and _WORKER not in frames[-1]:
            at = next(i for i, f in enumerate(frames) if _WORKER in f)
            frames = ["other threads", *frames[at + 1 :]]
        else:
            continue  # the program's start, and threads that wait
        stacks[tuple(frames)] += int(count)
    return stacks


def _show(console: Console, name: str, stacks: Stacks, top: int) -> None:
    """The functions that took most, by themselves and with what they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    total = 0
    for frames, count in stacks.items():
        if frames[0] != "event loop":
            continue
        total += count
        own[frames[-1]] += count
        for frame in set(frames):
            whole[frame] += count
    table = Table(title=f"{name}: samples in the event loop ({total})", title_justify="left")
    for head in ("with calls", "by itself"):
        table.add_column(head, justify="right", no_wrap=True, min_width=10)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=58)
    for (outer, many), (inner, few) in zip(whole.most_common(top), own.most_common(top), strict=False):
        table.add_row(f"{100 * many / total:.1f} %", outer, f"{100 * few / total:.1f} %", inner)
    console.print(table)


_W, _H = 1400, 18
_COLORS = {
    "beluga_voice": "#2a9db5",
    "asyncio": "#d9a441",
    "bench": "#c9ced6",
    "onnx": "#c2664a",
    "numpy": "#8d6fb0",
}


def flame(stacks: Stacks, title: str) -> str:
    """The stacks as an SVG: width is time, the event loop at the top, callees below; hover for names."""
    total = sum(stacks.values()) or 1
    rows: list[str] = []
    depth = max((len(s) for s in stacks), default=1)

    def draw(items: list[tuple[tuple[str, ...], int]], level: int, left: float) -> None:
        groups: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for frames, count in items:
            if len(frames) > level:
                groups.setdefault(frames[level], []).append((frames, count))
        for frame, members in sorted(groups.items()):
            count = sum(c for _, c in members)
            width = _W * count / total
            if width >= 0.6:
                rows.append(_box(frame, left, 40 + level * _H, width, 100 * count / total))
                draw(members, level + 1, left)
            left += width

    draw(list(stacks.items()), 0, 0.0)
    height = 60 + depth * _H
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {height}" width="{_W}" height="{height}" '
        'font-family="ui-monospace, DejaVu Sans Mono, monospace" font-size="11">'
        f'<rect width="{_W}" height="{height}" fill="#ffffff"/>'
        f'<text x="8" y="24" font-size="15" fill="#1d2733">{escape(title)}: where the time goes</text>'
    )
    return "\n".join((head, *rows, "</svg>")) + "\n"


def _box(frame: str, x: float, y: float, width: float, percent: float) -> str:
    color = next((c for key, c in _COLORS.items() if key in frame), "#e3d9c6")
    label = escape(frame[: max(0, int(width / 6.8) - 1)]) if width > 30 else ""
    place = f'x="{x:.1f}" y="{y}" width="{max(0.5, width - 0.5):.1f}" height="{_H - 1}" rx="2" fill="{color}"'
    text = f'<text x="{x + 4:.1f}" y="{y + 12.5}" fill="#1d2733">{label}</text>'
    return f"<g><title>{escape(frame)} — {percent:.1f} %</title><rect {place}/>{text}</g>"


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/profile", description="Where the CPU time of sessions goes.")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--contender", choices=[k for k in CONTENDERS if k != FLOOR], default=OURS)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--native", action="store_true", help="look into C and C++ too (slower)")
    parser.add_argument("--top", type=int, default=30, help="lines of the table")
    parser.add_argument("--out", type=Path, default=Path("profile.svg"), metavar="FILE")
    return parser.parse_args(arguments)
