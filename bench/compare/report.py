"""The comparison as a table on the terminal, as Markdown, and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.compare.contenders import CONTENDERS, FLOOR
from bench.compare.figures import Line
from bench.compare.plan import FAKES, Run
from bench.compare.summary import Standing

__all__ = ["markdown", "show", "to_json"]


def _columns(standings: dict[str, Standing]) -> list[str]:
    return [k for k in CONTENDERS if k in standings and k != FLOOR]


def show(console: Console, found: list[Line], standings: dict[str, Standing], facts: dict[str, str]) -> None:
    """Prints the table and what is below it."""
    keys = _columns(standings)
    table = Table(title="Same speech, same fakes, default settings, one process each", title_justify="left")
    table.add_column("")
    table.add_column("goal")
    for key in keys:
        label = CONTENDERS[key].label.replace(", ", "\n")
        table.add_column(f"{label}\n{standings[key].version}", justify="right")
    table.add_column("met")
    group = ""
    for line in found:
        if line.group != group:
            if group:
                table.add_section()
            group = line.group
            table.add_row(Text(group, "bold"))
        cells = [line.cells.get(k, "") for k in keys]
        table.add_row(f"  {line.name}", line.goal, *cells, _met(line.met))
    console.print(table)
    for note in _notes(standings):
        console.print(f"  {note}", style="dim", highlight=False)
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        grid.add_row(Text(name, "dim"), fact)
    console.print(grid)
    for key in keys:
        for failure in standings[key].failures:
            console.print(f"[red]{failure}[/red]")


def _met(met: bool | None) -> Text:
    return Text("") if met is None else Text("yes", "green") if met else Text("NO", "bold red")


def _notes(standings: dict[str, Standing]) -> list[str]:
    wait = {k: f"{v:.1f} s" for k, v in FAKES.items() if isinstance(v, float)}
    fakes = (
        f"Fakes: a word comes {wait['stt_partial']} after it was said, the final {wait['stt_final']} after the end of "
        f"speech; first word of the model {wait['llm_first']}, first sound of the voice {wait['tts_first']}. "
        "People speak a third of the time."
    )
    settings = [f"{CONTENDERS[k].label}: {standings[k].settings}." for k in _columns(standings)]
    cpu = "CPU is the process's own time, all threads, the bench's microphones and loudspeakers included."
    even = (
        "Answers are even while p95 is within 50 ms of p50, beyond what a single session's are spread anyway."
    )
    late = "Late: after the moment it would have been played without a gap."
    return [fakes, *settings, cpu, even, late]


def markdown(found: list[Line], standings: dict[str, Standing], facts: dict[str, str]) -> str:
    """The table for a document."""
    keys = _columns(standings)
    heads = [f"{CONTENDERS[k].label} {standings[k].version}" for k in keys]
    rows = ["| | goal | " + " | ".join(heads) + " | met |", "|---|---|" + "---:|" * len(keys) + "---|"]
    group = ""
    for line in found:
        if line.group != group:
            group = line.group
            rows.append(f"| **{group}** | | " + " | ".join("" for _ in keys) + " | |")
        cells = [line.cells.get(k, "") for k in keys]
        met = "" if line.met is None else "yes" if line.met else "**no**"
        rows.append(f"| {line.name.strip()} | {line.goal} | " + " | ".join(cells) + f" | {met} |")
    machine = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
    return "\n".join([*rows, "", *(f"- {n}" for n in _notes(standings)), "", machine]) + "\n"


def to_json(
    results: list[tuple[Run, dict[str, Any]]],
    found: list[Line],
    standings: dict[str, Standing],
    facts: dict[str, str],
) -> dict[str, Any]:
    """Everything, the single runs included."""
    return {
        "machine": facts,
        "fakes": FAKES,
        "lines": [asdict(line) for line in found],
        "standings": {k: _plain(asdict(s)) for k, s in standings.items()},
        "runs": [{**asdict(run), "result": _short(result)} for run, result in results],
    }


def _short(result: dict[str, Any]) -> dict[str, Any]:
    """Times in ms with one decimal place keep the file small."""
    return {k: v for k, v in _plain(result).items() if k not in ("turns", "import")}


def _plain(value: Any) -> Any:
    match value:
        case float():
            return None if math.isnan(value) else round(value, 4)
        case dict():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
        case _:
            return value
