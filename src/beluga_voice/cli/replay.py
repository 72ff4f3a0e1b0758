"""``replay``: what happened in a recorded conversation, and whether the turn core would decide the same today."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from beluga_voice.cli.waterfall import waterfall
from beluga_voice.core.replay import ReplayResult
from beluga_voice.core.replay import replay as rerun
from beluga_voice.errors import FormatError
from beluga_voice.events import MetricsEvent

__all__ = ["read_log", "replay"]

_COLOURS = {
    "listening": "dim",
    "user_speaking": "cyan",
    "deciding": "blue",
    "thinking": "magenta",
    "speaking": "green",
    "interrupted": "yellow",
    "draining": "dim",
    "closed": "dim",
}


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of an event log.

    Raises:
        FormatError: ``invalid_format``, naming the line that is not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError("replay", "invalid_format", f"cannot read {path}: {error}") from error
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            value: Any = jsonlib.loads(line)
        except ValueError as error:
            if number == len(text.splitlines()):
                break  # the process died while it wrote this line; all before it is good
            raise FormatError("replay", "invalid_format", f"{path} line {number} is not JSON") from error
        if not isinstance(value, dict):
            raise FormatError("replay", "invalid_format", f"{path} line {number} is not a JSON object")
        lines.append(value)  # pyright: ignore[reportUnknownArgumentType]
    return lines


def replay(file: Path, *, json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Rerun a conversation's event log (from `talk --events`, `demo --events` or SessionConfig.event_log).

    Shows who spoke when and what was decided, and tells whether the present code decides the same. Exits with 1 if it
    does not.

    Args:
        file: the JSONL file.
        json: print the result as JSON.
    """
    lines = read_log(file)
    try:
        result = rerun(lines)
    except ValueError as error:
        raise FormatError("replay", "invalid_format", f"{file}: {error}") from error
    if json:
        difference = result.difference
        payload = {
            "session_id": result.session_id,
            "inputs": result.inputs,
            "commands": result.commands,
            "match": difference is None,
            "difference": None
            if difference is None
            else {"line": difference.line, "recorded": difference.recorded, "decided": difference.decided},
        }
        sys.stdout.write(jsonlib.dumps(payload) + "\n")
    else:
        _show(lines, result)
    return 0 if result.difference is None else 1


def _show(lines: list[dict[str, Any]], result: ReplayResult) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    table.add_column("time", justify="right", style="dim")
    table.add_column("state")
    table.add_column("what", overflow="fold")
    for line in lines:
        row = _row(line)
        if row is not None:
            table.add_row(f"{float(line.get('now', line.get('at', 0.0))):7.2f}", *row)
    console.print(table)
    difference = result.difference
    if difference is None:
        console.print(f"[green]decisions match[/]: {result.inputs} inputs, {result.commands} commands")
    else:
        console.print(
            f"[red]the core decides otherwise[/] at {difference.now:.2f} s (line {difference.line})"
        )
        console.print(Text(f"  recorded {difference.recorded}"))
        console.print(Text(f"  now      {difference.decided}"))


def _row(line: Mapping[str, Any]) -> tuple[Text, Text] | None:
    """What a line of the log looks like, if it is worth showing."""
    kind, empty = line.get("kind"), Text("")
    if kind == "command":
        value = line["value"]
        match value["type"]:
            case "MoveTo":
                return Text(value["state"], style=_COLOURS.get(value["state"], "")), empty
            case "CommitTurn":
                return empty, Text.assemble(
                    ("  you  ", "bold cyan"), value["text"], (f"  ({value['reason']})", "dim")
                )
            case "RetractTurn":
                return empty, Text("  the user went on: the turn is taken back", style="dim")
            case "Hold" | "Resume" | "Duck":
                return empty, Text(f"  {value['type'].lower()}", style="dim")
            case "Interrupted":
                return empty, Text(f"  interrupted by speech since {value['onset']:.2f}", style="yellow")
            case "DiscardSpeech":
                return empty, Text(f"  {value['reason']} {value['text']}".rstrip(), style="dim")
            case "Fault":
                return empty, Text(f"  {value['stage']}: {value['message']}", style="red")
            case _:
                return None
    if kind == "event":
        return _event_row(line)
    return None


def _event_row(line: Mapping[str, Any]) -> tuple[Text, Text] | None:
    match line.get("type"):
        case "agent_text" if line.get("final"):
            return Text(""), Text.assemble(("agent  ", "bold green"), line["text"])
        case "metrics":
            fields = {k: v for k, v in line.items() if k not in ("kind", "type")}
            return Text(""), waterfall(MetricsEvent(**fields))
        case "error":
            return Text(""), Text(f"  {line['stage']}: {line['message']} [{line['code']}]", style="red")
        case "tool" if line.get("phase") == "ended":
            return Text(""), Text(f"  {line['name']} → {line['result']}", style="dim")
        case _:
            return None
