"""Runs the turn core again on a recorded conversation and compares what it decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from beluga_voice.core.commands import command_to_dict
from beluga_voice.core.inputs import input_from_dict
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine

__all__ = ["LOG_VERSION", "Difference", "ReplayResult", "replay"]

LOG_VERSION = 1


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
    recorded: Mapping[str, Any] | None
    decided: Mapping[str, Any] | None


@dataclass(slots=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        session_id: from the header.
        inputs: how many were fed.
        commands: how many were decided.
        difference: the first one, or None if all decisions match.
        events: the public events in the log.
    """

    session_id: str = ""
    inputs: int = 0
    commands: int = 0
    difference: Difference | None = None
    events: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])


def replay(lines: Iterable[Mapping[str, Any]]) -> ReplayResult:
    """Feeds the inputs of a log to a fresh machine.

    Args:
        lines: parsed JSON lines, the header first.

    Raises:
        ValueError: if the header is missing or of another version, or a line is not understood.
    """
    result = ReplayResult()
    machine: TurnMachine | None = None
    decided: deque[tuple[float, Mapping[str, Any]]] = deque()
    for number, line in enumerate(lines, 1):
        kind = line.get("kind")
        if machine is None:
            if kind != "header" or line.get("version") != LOG_VERSION:
                raise ValueError(f"line {number}: not an event log of version {LOG_VERSION}")
            machine = TurnMachine(TurnSettings.from_dict(dict(line.get("settings", {}))))
            result.session_id = str(line.get("session_id", ""))
        elif kind in ("input", "wake"):
            result.inputs += kind == "input"
            _feed(machine, line, number)
            while (command := machine.poll()) is not None:
                decided.append((machine.c.now, command_to_dict(command)))
        elif kind == "command":
            result.commands += 1
            mine = decided.popleft()[1] if decided else None
            if mine != line.get("value"):
                result.difference = Difference(number, float(line["now"]), line.get("value"), mine)
                return result
        elif kind == "event":
            result.events.append(line)
    if machine is None:
        raise ValueError("the log is empty")
    if decided:
        now, command = decided[0]
        result.difference = Difference(0, now, None, command)
    return result


def _feed(machine: TurnMachine, line: Mapping[str, Any], number: int) -> None:
    try:
        now = float(line["now"])
        if line["kind"] == "input":
            machine.feed(input_from_dict(dict(line["value"])), now)
        else:
            machine.wake(now)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"line {number}: {error}") from error
