"""``python -m bench own``: our own figures, one measurement after the other, in one table."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from rich.console import Console

from bench.chart import chart
from bench.figures import Result
from bench.parts import PARTS, measure
from bench.report import machine, show, to_json

__all__ = ["main"]

_PAGE = 150  # columns, where the table goes to a file


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PAGE)
    facts = machine()
    began = time.monotonic()
    results: dict[str, Result] = {}
    with console.status("") as status:
        for part in options.only:
            status.update(f"measuring {part.replace('_', ' ')} …")
            results[part] = measure(part, quick=options.quick)
    seconds = time.monotonic() - began
    show(console, results, facts, seconds)
    if options.json is not None:
        text = json.dumps(to_json(results, facts, options.quick, seconds), indent=2, ensure_ascii=False)
        if str(options.json) == "-":
            print(text)
        else:
            options.json.write_text(text + "\n", encoding="utf-8")
    if options.chart is not None:
        options.chart.write_text(chart(results, facts), encoding="utf-8")
    return 0


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "scripts/bench own", description="Measures the speed and memory of Beluga Voice."
    )
    parser.add_argument("--quick", action="store_true", help="fewer samples: under two minutes")
    parser.add_argument(
        "--only", type=_parts, default=PARTS, metavar="PARTS", help=f"some of {','.join(PARTS)}"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="all figures and samples; - for the terminal"
    )
    parser.add_argument("--chart", type=Path, metavar="FILE", help="a picture (SVG)")
    return parser.parse_args(arguments)


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [n for n in names if n not in PARTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: known are {', '.join(PARTS)}")
    return names
