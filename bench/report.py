"""The table, the facts about the machine, and the JSON."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.figures import Figure, Result

__all__ = ["machine", "show", "to_json"]

_PACKAGES = ("beluga-voice", "onnxruntime", "hibari-tts", "pocketsphinx", "numpy")


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "processor": f"{_from('/proc/cpuinfo', 'model name') or platform.processor()}, {os.cpu_count()} cores",
        "memory": f"{int(_from('/proc/meminfo', 'MemTotal').split()[0] or 0) / 1e6:.1f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _from(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return ""


def show(console: Console, results: dict[str, Result], facts: dict[str, str], seconds: float) -> None:
    table = Table(title="Beluga Voice", title_justify="left", title_style="bold")
    for name, justify in (("goal", "left"), ("at most", "right"), ("measured", "right"), ("met", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # pyright: ignore[reportArgumentType]
    table.add_column("", style="dim", overflow="fold")
    for result in results.values():
        for figure in result.figures:
            table.add_row(
                figure.name,
                "" if figure.goal is None else f"{figure.goal:g} {_short(figure)}".strip(),
                f"{_number(figure.value)} {_short(figure)}".strip(),
                _met(figure.met),
                figure.note,
            )
        table.add_section()
    console.print(table)
    grid = Table.grid(padding=(0, 2))
    for name, fact in {**facts, "measured in": f"{seconds:.0f} s"}.items():
        grid.add_row(Text(name, "dim"), fact)
    console.print(grid)


def _short(figure: Figure) -> str:
    return "%" if figure.unit.startswith("%") else figure.unit


def _number(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _met(met: bool | None) -> Text:
    match met:
        case None:
            return Text("")
        case True:
            return Text("yes", "green")
        case False:
            return Text("NO", "bold red")


def to_json(results: dict[str, Result], facts: dict[str, str], quick: bool, seconds: float) -> dict[str, Any]:
    return {
        "machine": facts,
        "quick": quick,
        "seconds": round(seconds, 1),
        "parts": {
            part: {"figures": [f.to_dict() for f in result.figures], "data": result.data}
            for part, result in results.items()
        },
    }
