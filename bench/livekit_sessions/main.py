"""Runs the comparison: `scripts/bench livekit`, which is `python -m bench livekit`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from beluga_voice.testing.livekit_server import find_livekit_server
from bench.compare.main import prepared
from bench.compare.plan import FAKES
from bench.livekit_sessions.figures import lines
from bench.livekit_sessions.picture import picture
from bench.livekit_sessions.report import markdown, show
from bench.livekit_sessions.run import CONTENDERS, RunError, run
from bench.livekit_sessions.summary import Standing, summarise
from bench.report import machine

__all__ = ["main"]

_RESULTS = Path(__file__).parent.parent / "results"


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    console = Console() if Console().is_terminal else Console(width=150)
    facts = machine()
    facts["packages"] += f", livekit {version('livekit')}, livekit-server {find_livekit_server().name[-6:]}"
    speech, cycle = prepared()
    job = {**speech, **FAKES, "cycle": cycle, "greeting": "Hello."}
    plan = _plan(options.contenders, options.sessions, options.repeat)
    began = time.monotonic()
    results: list[tuple[str, dict[str, Any]]] = []
    failures: list[tuple[str, str]] = []
    for key, sessions in plan:
        label = f"{CONTENDERS[key].label}, {sessions} sessions"
        try:
            result = asyncio.run(
                run(key, sessions, job, cycle, cycle * options.cycles, probe=options.probe.format(key=key))
            )
        except RunError as error:
            failures.append((key, f"{label}: {error}"))
            console.print(f"[red]{label}: {error}[/red]")
        else:
            results.append((key, result))
            console.print(f"{label} — {_brief(result)}", highlight=False)
    facts["measured"] = (
        f"{time.strftime('%Y-%m-%d')}, in {time.monotonic() - began:.0f} s, {len(results)} runs by turns"
    )
    standings = summarise(results)
    for key, text in failures:
        standings.setdefault(key, Standing()).failures.append(text)
    found = lines(standings)
    show(console, found, standings, facts)
    if options.out:
        _write(options.out, options.name, results, found, standings, facts)
        console.print(f"written: {options.out}/{options.name}.json, .md, .svg")
    return 1 if failures else 0


def _plan(contenders: list[str], sessions: list[int], repeat: int) -> list[tuple[str, int]]:
    """By turns, forth and back, so that noise hits all alike."""
    runs: list[tuple[str, int]] = []
    for turn in range(repeat):
        order = contenders if turn % 2 == 0 else contenders[::-1]
        runs += [(key, n) for n in sessions for key in order]
    return runs


def _brief(result: dict[str, Any]) -> str:
    cpu = 100 * result["cpu_seconds"] / result["wall_seconds"] / result["sessions"]
    memory = result["memory"]
    each = (memory["busy"]["pss"] - memory["before"]["pss"]) / result["sessions"]
    answers = sorted(1000 * t["latency"] for t in result["turns"] if t["latency"] is not None)
    middle = f"{answers[len(answers) // 2]:.0f} ms" if answers else "none"
    share = f"{len(answers)} of {len(result['turns'])}"
    audible = sorted(result["audible"])[result["sessions"] // 2]
    return (
        f"{cpu:.2f} % of a core and {each:.1f} MB a session, answer {middle} ({share}), "
        f"audible {1000 * audible:.0f} ms, ready {result['ready_seconds']:.1f} s"
    )


def _write(out: Path, name: str, results: Any, found: Any, standings: Any, facts: dict[str, str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    data = {
        "machine": facts,
        "fakes": FAKES,
        "lines": [asdict(line) for line in found],
        "standings": {k: asdict(s) for k, s in standings.items()},
        "runs": [{"contender": k, **{n: v for n, v in r.items() if n != "turns"}} for k, r in results],
    }
    text = json.dumps(_rounded(data), indent=1, ensure_ascii=False)
    (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    (out / f"{name}.md").write_text(markdown(found, standings, facts), encoding="utf-8")
    (out / f"{name}.svg").write_text(picture(standings, facts), encoding="utf-8")


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {str(k): _rounded(v) for k, v in value.items()}
        case list():
            return [_rounded(v) for v in value]
        case _:
            return value


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench livekit", description=__doc__)
    parser.add_argument("--sessions", type=_numbers, default=[2, 10], help="numbers of rooms, e.g. 2,10")
    parser.add_argument("--repeat", type=int, default=3, help="times each is run")
    parser.add_argument("--cycles", type=int, default=3, help="utterances of each caller that are measured")
    parser.add_argument("--contenders", type=lambda t: t.split(","), default=list(CONTENDERS))
    parser.add_argument("--out", type=Path, default=_RESULTS)
    parser.add_argument("--name", default="livekit-sessions", help="of the files that are written")
    parser.add_argument(
        "--probe", default="", help="shell command run in each window; $PID is the agents', {key} which"
    )
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",")]
