"""Runs the comparison: `python -m bench`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.compare.contenders import CONTENDERS, FLOOR, OURS, DriverError, run
from bench.compare.figures import lines
from bench.compare.picture import picture
from bench.compare.plan import Run, job, plan
from bench.compare.report import markdown, show, to_json
from bench.compare.speech import prepare
from bench.compare.summary import Standing, carries, summarise
from bench.report import machine

__all__ = ["main", "prepared"]

_ROOT = Path(__file__).parent.parent.parent
_RESULTS = _ROOT / "bench" / "results"
_PEERS = ("livekit", "pipecat", "pipecat-timeout")

Results = list[tuple[Run, dict[str, Any]]]


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    console = Console() if Console().is_terminal else Console(width=150)
    facts = machine()
    speech, cycle = prepared()
    runs = plan(options.quick, options.peers)
    began = time.monotonic()
    results, failures = _run_all(runs, speech, cycle, options.loop, console)
    facts["measured"] = (
        f"{time.strftime('%Y-%m-%d')}, in {time.monotonic() - began:.0f} s, {len(results)} runs"
    )
    standings = summarise(results)
    for key, text in failures:
        standings.setdefault(key, Standing()).failures.append(text)
    found = lines(standings)
    show(console, found, standings, facts)
    options.out.mkdir(parents=True, exist_ok=True)
    name = "compare-quick" if options.quick else "compare"
    data = to_json(results, found, standings, facts)
    (options.out / f"{name}.json").write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (options.out / f"{name}.md").write_text(markdown(found, standings, facts), encoding="utf-8")
    (options.out / f"{name}.svg").write_text(picture(standings, facts), encoding="utf-8")
    console.print(f"written: {options.out}/{name}.json, .md, .svg")
    return 0


def prepared() -> tuple[dict[str, Any], float]:
    """The speech of a job, and the seconds from one utterance to the next."""
    folder = _ROOT / ".cache" / "bench" / "speech"
    folder.mkdir(parents=True, exist_ok=True)
    speech = asyncio.run(prepare(folder))
    mean = sum(u["last"] - u["first"] for u in speech["utterances"]) / len(speech["utterances"])
    return speech, round(3 * mean / 0.02) * 0.02  # speaking a third of the time


def _run_all(
    runs: list[Run], speech: dict[str, Any], cycle: float, loop: str, console: Console
) -> tuple[Results, list[tuple[str, str]]]:
    """All runs; a contender that does not carry a number of sessions is not tried with many more."""
    results: Results = []
    failures: list[tuple[str, str]] = []
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*bar, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(runs))
        for each in runs:
            label = CONTENDERS[each.contender].label
            progress.update(task, description=f"{label}: {each.kind.replace('_', '-')}, {each.sessions}")
            if not _beyond(each, results):
                given = job(each, speech, cycle, loop)
                try:
                    result = run(each.contender, given, timeout=3 * each.estimate + 60)
                except DriverError as error:
                    failures.append((each.contender, str(error)))
                else:
                    results.append((each, result))
                    if not console.is_terminal:
                        console.print(
                            f"{label}: {each.kind}, {each.sessions} — {_brief(result)}", highlight=False
                        )
            progress.advance(task)
    return results, failures


def _beyond(each: Run, results: Results) -> bool:
    """Whether a smaller number was more than it can carry already; ours is always tried."""
    if each.kind != "turns" or each.contender in (OURS, FLOOR):
        return False
    standing = summarise([(r, x) for r, x in results if r.contender == each.contender]).get(each.contender)
    if standing is None:
        return False
    failed = [
        n for n, level in standing.levels.items() if n < each.sessions and not carries(level, standing.base)
    ]
    return bool(failed) and each.sessions > 2 * min(failed)


def _brief(result: dict[str, Any]) -> str:
    if "cpu_seconds" not in result:
        return f"{result['application']['cpu']:.2f} s"
    each = 100 * result["cpu_seconds"] / result["wall_seconds"] / result["sessions"]
    latencies = sorted(1000 * t["latency"] for t in result.get("turns", ()) if t["latency"] is not None)
    middle = f", p50 {latencies[len(latencies) // 2]:.0f} ms" if latencies else ""
    return f"{each:.2f} % of a core each{middle}"


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "scripts/bench",
        description="Beluga Voice, livekit-agents and Pipecat side by side. "
        "Other measurements: scripts/bench own --help, scripts/bench load --help.",
    )
    parser.add_argument("--quick", action="store_true", help="under five minutes")
    parser.add_argument(
        "--peers", type=_peers, default=_PEERS, metavar="NAMES", help=f"some of {','.join(_PEERS)}"
    )
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="of everybody")
    parser.add_argument(
        "--out", type=Path, default=_RESULTS, metavar="FOLDER", help="for JSON, table and chart"
    )
    return parser.parse_args(arguments)


def _peers(text: str) -> tuple[str, ...]:
    names = tuple(n for n in text.split(",") if n)
    if unknown := [n for n in names if n not in _PEERS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: known are {', '.join(_PEERS)}")
    return names
