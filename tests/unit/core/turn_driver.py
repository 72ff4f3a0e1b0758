"""Drives a turn machine through a conversation and collects what it decides."""

from __future__ import annotations

from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine

QUESTION = "what time do you open on saturday"


class Talk:
    """A conversation; calling it tells the time and then inputs, and returns the commands but for `MoveTo`."""

    def __init__(self, **settings: Any) -> None:
        self.machine = TurnMachine(TurnSettings(**{"min_endpointing_delay": 0.3, **settings}))
        self.done: list[cmd.Command] = []

    def __call__(self, now: float, *events: inp.Input) -> list[cmd.Command]:
        out: list[cmd.Command] = []
        self.machine.wake(now)
        self._drain(out)
        for event in events:
            self.machine.feed(event, now)
            self._drain(out)
        return [c for c in out if not isinstance(c, cmd.MoveTo)]

    def _drain(self, out: list[cmd.Command]) -> None:
        while (command := self.machine.poll()) is not None:
            out.append(command)
            self.done.append(command)

    def of(self, kind: type) -> list[Any]:
        return [c for c in self.done if isinstance(c, kind)]

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def committed(self) -> list[str]:
        return [c.text for c in self.of(cmd.CommitTurn)]


def spoken(talk: Talk, text: str = QUESTION, start: float = 1.0, segment: int = 0) -> float:
    """One utterance of two seconds with its final; returns when its last voice was."""
    talk(start + 0.1, inp.SpeechStarted(start))
    talk(start + 1.0, inp.PartialText(segment, text))
    talk(start + 2.2, inp.SpeechEnded(start + 2.0))
    talk(start + 2.25, inp.FinalText(segment, text))
    return start + 2.0


def answered(talk: Talk, start: float = 1.0, segment: int = 0) -> int:
    """… and its reply is being heard; returns the reply's number."""
    end = spoken(talk, start=start, segment=segment)
    talk(end + 0.5)
    reply = talk.machine.c.reply
    talk(end + 0.7, inp.PlayoutStarted(reply))
    assert talk.state is State.SPEAKING
    return reply
