"""``replay``: what happened in a recorded conversation, and whether the turn core would decide the same today."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from beluga_voice.cli.story import Row, Story, Turn, read_story
from beluga_voice.cli.waterfall import waterfall
from beluga_voice.core.replay import Difference, ReplayResult
from beluga_voice.core.replay import replay as rerun
from beluga_voice.errors import FormatError
from beluga_voice.events import MetricsEvent

__all__ = ["read_log", "replay"]

_STATES = {
    "user_speaking": "cyan",
    "deciding": "blue",
    "thinking": "magenta",
    "speaking": "green",
    "interrupted": "yellow",
}
_TONES = {"plain": "", "dim": "dim", "good": "green", "bad": "red"}


def replay(file: Path, *, json: bool = False) -> int:
    """Rerun a conversation's event log (from `talk --events`, `demo --events` or SessionConfig.event_log).

    Shows who spoke when, what was decided and how long answers took, and tells whether the present code decides the
    same. Exits with 1 if it does not.

    Args:
        file: the JSONL file.
        json: print the result as JSON.
    """
    lines = read_log(file)
    try:
        result, story = rerun(lines), read_story(lines)
    except ValueError as error:
        raise _refused(file, str(error)) from error
    if json:
        sys.stdout.write(jsonlib.dumps(_as_json(result, story)) + "\n")
    else:
        _show(Console(), result, story)
    return 0 if result.difference is None else 1


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of an event log.

    A last line that was cut off, because the process died while it wrote, is left out.

    Raises:
        FormatError: ``invalid_format``, saying why the file cannot be read or which line is not a JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _refused(path, "it is not a text file") from error
    except OSError as error:
        raise _refused(path, f"cannot read it: {error.strerror}") from error
    lines: list[dict[str, Any]] = []
    written = text.splitlines()
    for number, line in enumerate(written, 1):
        try:
            value: Any = jsonlib.loads(line)
        except ValueError as error:
            if 1 < number == len(written):
                break
            raise _refused(path, f"line {number} is not JSON") from error
        if not isinstance(value, dict):
            raise _refused(path, f"line {number} is not a JSON object")
        lines.append(value)  # pyright: ignore[reportUnknownArgumentType]
    return lines


def _refused(path: Path, why: str) -> FormatError:
    remedy = "give the event log of a conversation, as made by talk --events"
    return FormatError("replay", "invalid_format", f"{path}: {why}; {remedy}")


def _as_json(result: ReplayResult, story: Story) -> dict[str, Any]:
    return {
        "session_id": result.session_id,
        "started_at": result.started_at,
        "seconds": story.seconds,
        "inputs": result.inputs,
        "commands": result.commands,
        "complete": result.complete,
        "turns": [asdict(turn) for turn in story.turns],
        "match": result.difference is None,
        "difference": None if result.difference is None else asdict(result.difference),
    }


# --- for people ---------------------------------------------------------------------------------------------


def _show(console: Console, result: ReplayResult, story: Story) -> None:
    title = f"{result.session_id or 'a conversation'}  {result.started_at}".rstrip()
    console.print(Text.assemble((title, "bold"), f"  {story.seconds:.1f} s, {len(story.turns)} turns"))
    console.print(_timeline(story.rows))
    if story.turns:
        console.print(_latencies(story.turns))
    for metrics in story.metrics:
        console.print(waterfall(_metrics(metrics)))
    if not result.complete:
        console.print("[yellow]the log ends before the conversation does[/]")
    _verdict(console, result)


def _metrics(values: dict[str, Any]) -> MetricsEvent:
    known: dict[str, Any] = {"turn": 0, "speech_end": 0.0}
    known.update({f.name: values[f.name] for f in fields(MetricsEvent) if f.name in values})
    return MetricsEvent(**known)


def _timeline(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("time", justify="right", style="dim")
    table.add_column("state")
    for name in ("user", "agent", "decision"):
        table.add_column(name, overflow="fold")
    for row in rows:
        voice = ("▌ " if row.voice else "  ", "cyan")
        quiet = "dim" if row.tone == "dim" else ""
        table.add_row(
            f"{row.at:.2f}",
            Text(row.state, style=_STATES.get(row.state, "dim")),
            Text.assemble(voice, (row.user, quiet or "bold")),
            Text(row.agent, style=quiet or "green"),
            Text(row.note, style=_TONES[row.tone]),
        )
    return table


def _latencies(turns: list[Turn]) -> Table:
    table = Table(box=None, pad_edge=False, title="after the last voice", title_justify="left")
    table.add_column("turn", justify="right", style="dim")
    table.add_column("decided", justify="right")
    table.add_column("first audio", justify="right")
    table.add_column("")
    for turn in turns:
        what = "taken back" if turn.taken_back else "interrupted" if turn.interrupted else ""
        table.add_row(str(turn.turn), _ms(turn.decided), _ms(turn.answered), Text(what, style="dim"))
    return table


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f} ms"


def _verdict(console: Console, result: ReplayResult) -> None:
    difference = result.difference
    if difference is None:
        console.print(f"[green]decisions match[/]: {result.inputs} inputs, {result.commands} commands")
        return
    console.print(f"[red]the core decides otherwise[/] at {difference.now:.2f} s (line {difference.line})")
    console.print(_difference(difference))


def _difference(difference: Difference) -> Text:
    def plain(command: Any) -> str:
        return "nothing" if command is None else jsonlib.dumps(command, ensure_ascii=False)

    return Text(f"  recorded {plain(difference.recorded)}\n  now      {plain(difference.decided)}")
