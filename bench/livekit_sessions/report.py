"""The comparison as a table on the terminal and as Markdown."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.compare.figures import Line
from bench.compare.plan import FAKES
from bench.livekit_sessions.run import CONTENDERS
from bench.livekit_sessions.summary import Standing

__all__ = ["markdown", "show"]


def show(console: Console, found: list[Line], standings: dict[str, Standing], facts: dict[str, str]) -> None:
    """Prints the table and what is below it."""
    keys = _columns(standings)
    table = Table(
        title="Agents in rooms of one LiveKit server: same callers, same fakes", title_justify="left"
    )
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
        met = Text("") if line.met is None else Text("yes", "green") if line.met else Text("NO", "bold red")
        table.add_row(f"  {line.name}", line.goal, *cells, met)
    console.print(table)
    for note in _notes(keys):
        console.print(f"  {note}", style="dim", highlight=False)
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        grid.add_row(Text(name, "dim"), fact)
    console.print(grid)
    for standing in standings.values():
        for failure in standing.failures:
            console.print(f"[red]{failure}[/red]")


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
    failures = [f"- failed: {f.splitlines()[0]}" for s in standings.values() for f in s.failures]
    machine = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
    return "\n".join([*rows, "", *(f"- {n}" for n in _notes(keys)), *failures, "", machine]) + "\n"


def _columns(standings: dict[str, Standing]) -> list[str]:
    return [k for k in CONTENDERS if k in standings and standings[k].levels]


def _notes(keys: list[str]) -> list[str]:
    wait = {k: f"{v:.1f} s" for k, v in FAKES.items() if isinstance(v, float)}
    return [
        f"Fakes: the recogniser's final {wait['stt_final']} after the end of speech, the model's first word "
        f"{wait['llm_first']}, the voice's first sound {wait['tts_first']}; callers speak a third of the time, in a "
        "quiet room (-60 dBFS).",
        *(f"{CONTENDERS[k].label}: {CONTENDERS[k].settings}." for k in keys),
        "livekit-agents: turns by VAD (Silero plugin); its bundled models, which its job processes would load too, "
        "are not there; its load function tells nothing, because others share the machine.",
        "CPU and memory are the agents' process tree; callers (plain SDK) and server run in processes of their own "
        "on the same machine. Memory per session: above the tree without sessions.",
        "Job → audible: from the moment the worker takes the job (backend: is told the room) to the first sound of "
        f"the greeting at the caller; {wait['tts_first']} of it is the fake voice.",
    ]
