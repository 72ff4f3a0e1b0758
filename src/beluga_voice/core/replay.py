"""Runs the turn core again on a recorded conversation and compares what it decides.

A log is a header, then a line for each input, wake, command and public event (`beluga_voice.session.event_log`)::

    {"kind": "header", "version": 1, "settings": {…}, "started_at": "2026-11-21T06:00:00+00:00", "session_id": "…"}
    {"kind": "input", "now": 1.1, "value": {"type": "SpeechStarted", "at": 1.0}}
    {"kind": "wake", "now": 3.3}
    {"kind": "command", "now": 3.3, "value": {"type": "CommitTurn", "turn": 1, …}}
    {"kind": "event", "type": "turn", "at": 3.3, …}
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from beluga_voice.core import realtime_words
from beluga_voice.core.commands import command_to_dict
from beluga_voice.core.inputs import input_from_dict
from beluga_voice.core.realtime import RealtimeMachine, RealtimeSettings
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine

__all__ = ["LOG_VERSION", "Difference", "ReplayResult", "replay"]

LOG_VERSION = 1

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the core decides otherwise than it did.

    Attributes:
        line: of the log, from 1.
        now: session time in seconds.
        recorded: the command in the log, or None if there was none.
        decided: the command now, or None if there is none.
    """

    line: int
    now: float
    recorded: Line | None
    decided: Line | None


@dataclass(slots=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        session_id: from the header.
        started_at: from the header: ISO 8601, or empty.
        inputs: how many were fed.
        commands: how many were recorded.
        complete: the log goes to the end of the conversation; one that does not is compared as far as it goes, so
            that the log of a process that died can be read.
        difference: the first one, or None if all decisions match.
        events: the public events in the log.
    """

    session_id: str = ""
    started_at: str = ""
    inputs: int = 0
    commands: int = 0
    complete: bool = False
    difference: Difference | None = None
    events: list[Line] = field(default_factory=list[Line])


def replay(lines: Iterable[Line]) -> ReplayResult:
    """Feeds the inputs of a log to a fresh machine, up to the first difference.

    Args:
        lines: parsed JSON lines, the header first.

    Raises:
        ValueError: if the header is missing or of another version, or a line is not understood.
    """
    result = ReplayResult()
    machine: TurnMachine | RealtimeMachine | None = None
    decided: deque[Line] = deque()
    for number, line in enumerate(lines, 1):
        if machine is None:
            machine = _machine(line)
            result.session_id = str(line.get("session_id", ""))
            result.started_at = str(line.get("started_at", ""))
            continue
        match line.get("kind"):
            case "input" | "wake":
                result.inputs += line["kind"] == "input"
                decided += _feed(machine, line, number)
            case "command":
                result.commands += 1
                mine = decided.popleft() if decided else None
                recorded: Line | None = line.get("value")
                if mine != recorded:
                    result.difference = Difference(number, machine.c.now, recorded, mine)
                    return result
                result.complete = mine is not None and mine["type"] == "Close"
            case "event":
                result.events.append(line)
            case kind:
                raise ValueError(f"line {number}: unknown kind {kind!r}")
    if machine is None:
        raise ValueError("it is empty")
    return result


def _machine(header: Line) -> TurnMachine | RealtimeMachine:
    """The core that wrote the log: speech to speech has one of its own, with settings of its own."""
    settings = _settings(header)
    return RealtimeMachine(settings) if isinstance(settings, RealtimeSettings) else TurnMachine(settings)


def _settings(header: Line) -> TurnSettings:
    if header.get("kind") != "header":
        raise ValueError("line 1: it does not begin with the header of an event log")
    version = header.get("version")
    if version != LOG_VERSION:
        raise ValueError(
            f"line 1: log version {version!r} is not supported; this installation reads {LOG_VERSION}"
        )
    values: Any = header.get("settings", {})
    if not isinstance(values, Mapping):
        raise ValueError("line 1: settings is not an object")
    settings: dict[str, Any] = dict(values)  # pyright: ignore[reportUnknownArgumentType]
    for name, value in settings.items():
        if name != "language" and not isinstance(value, int | float):
            raise ValueError(f"line 1: settings.{name}={value!r} is not a number")
    kind = RealtimeSettings if "server_turns" in settings else TurnSettings
    return kind.from_dict(settings)


def _input(values: dict[str, Any]) -> Any:
    """An input of either core."""
    own = getattr(realtime_words, str(values["type"]), None)
    if own is None or values["type"] not in realtime_words.__all__:
        return input_from_dict(values)
    return own(**{name: value for name, value in values.items() if name != "type"})


def _feed(machine: TurnMachine | RealtimeMachine, line: Line, number: int) -> list[Line]:
    try:
        now = float(line["now"])
        if line["kind"] == "input":
            machine.feed(_input(dict(line["value"])), now)
        else:
            machine.wake(now)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"line {number} is not understood: {type(error).__name__}: {error}") from error
    out: list[Line] = []
    while (command := machine.poll()) is not None:
        out.append(command_to_dict(command))
    return out
