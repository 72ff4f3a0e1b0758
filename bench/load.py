"""Many sessions with real-time audio in one process, and the same beside a process that saturates a core.

Says for each session how late the agent's audio came: after the moment it would have been played without a gap.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.compare.contenders import CONTENDERS, OURS, DriverError, run
from bench.compare.main import prepared
from bench.compare.plan import Run, job
from bench.figures import percentile
from bench.report import machine

__all__ = ["main"]

_LIMIT = 50.0  # ms
_EDGES = (0.5, 1, 2, 5, 10, 20, 30, 50, 100, 200, 500)
_PEERS = ("livekit", "pipecat")
_BURN = "while True: sum(range(10000))"


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    console = Console() if Console().is_terminal else Console(width=120)
    facts = machine()
    speech, cycle = prepared()
    cases = [(options.sessions, False), (options.beside, True)]
    found: list[dict[str, Any]] = []
    for sessions, burning in cases:
        for key in (OURS, *options.peers):
            name = f"{CONTENDERS[key].label}, {sessions} sessions{', a core saturated' if burning else ''}"
            with console.status(name), _burner(burning):
                given = job(Run(key, "turns", sessions, 8.0, options.seconds), speech, cycle, options.loop)
                try:
                    result = run(key, given, timeout=4 * options.seconds + 180)
                except DriverError as error:
                    console.print(f"[red]{error}[/red]")
                    continue
            found.append({"name": name, "ours": key == OURS, **_figures(result)})
            _show(console, found[-1])
    for name, fact in facts.items():
        console.print(f"{name}: {fact}", style="dim", highlight=False)
    options.out.mkdir(parents=True, exist_ok=True)
    data = {"machine": facts, "measured": time.strftime("%Y-%m-%d"), "limit_ms": _LIMIT, "cases": found}
    (options.out / "load.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0 if all(case["met"] for case in found if case["ours"]) else 1


@contextmanager
def _burner(wanted: bool) -> Iterator[None]:
    """Another process that never rests."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _BURN])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _figures(result: dict[str, Any]) -> dict[str, Any]:
    each = [1000 * v for v in result["audio"]["each_p99"]]
    latencies = [1000 * t["latency"] for t in result["turns"] if t["latency"] is not None]
    counts = [0] * (len(_EDGES) + 1)
    for value in each:
        counts[sum(value > edge for edge in _EDGES)] += 1
    return {
        "sessions": result["sessions"],
        "cpu_percent": round(100 * result["cpu_seconds"] / result["wall_seconds"], 1),
        "asked": len(result["turns"]),
        "answered": len(latencies),
        "answer_ms": [round(percentile(latencies, p)) for p in (50, 95, 99)] if latencies else None,
        "audio_frames": result["audio"]["count"],
        "audio_p99_ms": round(1000 * result["audio"]["p99"], 1),
        "audio_max_ms": round(1000 * result["audio"]["max"], 1),
        "microphone_p99_ms": round(1000 * result["microphone"]["p99"], 1),
        "session_p99_ms": [round(v, 1) for v in each],
        "edges_ms": list(_EDGES),
        "sessions_by_p99": counts,
        "met": max(each) <= _LIMIT,
    }


def _show(console: Console, case: dict[str, Any]) -> None:
    verdict = (
        "[green]nobody's audio is late[/green]"
        if case["met"]
        else "[bold red]somebody's audio is late[/bold red]"
    )
    console.print(f"\n[bold]{case['name']}[/bold]: {verdict} by over {_LIMIT:g} ms at the 99th percentile")
    answers = " / ".join(str(v) for v in case["answer_ms"] or ("–",))
    console.print(
        f"  {case['cpu_percent']:.0f} % of a core; {case['answered']} of {case['asked']} answered, "
        f"p50 / p95 / p99 {answers} ms; audio p99 {case['audio_p99_ms']:g} ms, latest {case['audio_max_ms']:g} ms",
        highlight=False,
    )
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("99th percentile of a session's audio", justify="right")
    table.add_column("sessions", justify="right")
    table.add_column("")
    most = max(case["sessions_by_p99"])
    lows = (0, *case["edges_ms"])
    for index, count in enumerate(case["sessions_by_p99"]):
        if not count:
            continue
        high = f"– {case['edges_ms'][index]:g}" if index < len(case["edges_ms"]) else "and more"
        color = "green" if lows[index] < _LIMIT else "red"
        table.add_row(
            f"{lows[index]:g} {high} ms", str(count), f"[{color}]{'█' * max(1, round(40 * count / most))}[/]"
        )
    console.print(table)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/bench load", description="Lateness of audio under load.")
    parser.add_argument("--sessions", type=int, default=200, help="in one process, with nothing else")
    parser.add_argument(
        "--beside", type=int, default=100, help="… and beside a process that saturates a core"
    )
    parser.add_argument("--seconds", type=float, default=26.0, help="measured")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument(
        "--peers",
        type=lambda text: tuple(n for n in text.split(",") if n in _PEERS),
        default=(),
        metavar="NAMES",
        help="the same with some of livekit,pipecat (their environments are made by scripts/bench)",
    )
    parser.add_argument("--out", type=Path, default=Path("bench/results"), metavar="FOLDER")
    return parser.parse_args(arguments)
