"""The floor that several agents of one room share: the shell around `beluga_voice.core.floor`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from beluga_voice.core import floor_rounds as cmd
from beluga_voice.core.floor import FloorMachine
from beluga_voice.core.floor_settings import FloorSettings
from beluga_voice.core.moderator import Candidate, FloorLine, FloorTurn, choose
from beluga_voice.errors import ConfigError

__all__ = ["Candidate", "Floor", "FloorLine", "FloorMember", "FloorTurn", "Moderator"]

log = logging.getLogger(__name__)


class Moderator(Protocol):
    """Chooses which agent answers a turn."""

    async def choose(
        self, turn: FloorTurn, candidates: Sequence[Candidate], history: Sequence[FloorLine]
    ) -> Candidate | None:
        """One of ``candidates``, or None if nobody is to answer. It has two seconds; failing is choosing by default."""
        ...


class FloorMember(Protocol):
    """A session at the floor; all calls are on the event loop and return at once."""

    def granted(self, token: int) -> None:
        """It may answer what it claimed."""
        ...

    def refused(self, token: int) -> None:
        """It stays silent on what it claimed."""
        ...

    def say_granted(self) -> None:
        """It may say the next thing it wants to say by itself."""
        ...

    def invited(self, invitation: int, turn: FloorTurn, heard: bool) -> None:
        """It is to answer a turn that it has not heard itself, or (``heard``) that it was refused before."""
        ...

    def revoked(self) -> None:
        """It must be silent now."""
        ...

    def told(self, lines: Sequence[FloorLine]) -> None:
        """Others said this; it becomes history."""
        ...


class Floor:
    """Lets the agents of one room take turns. Give the same one to all their sessions: ``SessionConfig(floor=floor)``.

    All sessions of a floor live on one event loop.

    Args:
        moderator: chooses who answers a turn; by default the agent that is addressed by its name, else the one that
            answered this person last, else the one that has been silent longest.
        agents_converse: what one agent says is a turn for the others.
        max_turns: agents' turns in a row after which a person must speak again.
        pause: seconds between the end of one agent's words and what another answers to them, or says by itself.
        deadline: seconds of silence (thinking, or stalled) after which the floor is taken from an agent.

    Raises:
        ConfigError: ``invalid_config`` if a number is out of range.
    """

    def __init__(
        self,
        *,
        moderator: Moderator | None = None,
        agents_converse: bool = False,
        max_turns: int = 20,
        pause: float = 0.4,
        deadline: float = 15.0,
    ) -> None:
        for name, value, low in (("max_turns", max_turns, 1), ("pause", pause, 0), ("deadline", deadline, 1)):
            if value < low:
                message = f"Floor {name}={value!r}: must be at least {low}"
                raise ConfigError("floor", "invalid_config", message, {"fields": [name]})
        self._moderator = moderator
        self._machine = FloorMachine(
            FloorSettings(deadline=deadline, converse=agents_converse, max_turns=max_turns, pause=pause)
        )
        self._seats: dict[str, FloorMember] = {}
        self._questions: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents that are there."""
        return tuple(m.name for m in self._machine.members.values())

    @property
    def speaker(self) -> str:
        """Name of the agent that has the floor; empty if nobody has."""
        hold = self._machine.hold
        member = self._machine.members.get(hold.agent) if hold is not None else None
        return member.name if member is not None else ""

    @property
    def scribe(self) -> str:
        """Session id of the agent that shows clients what people say: of those that are there, who came first."""
        return next(iter(self._machine.members), "")

    @property
    def history(self) -> tuple[FloorLine, ...]:
        """What was said, oldest first: the latest 50 lines."""
        return tuple(self._machine.record.lines)

    def stop(self) -> None:
        """Agents do not answer each other any more, until a person has spoken; what is being said is finished."""
        self._machine.stop()
        self._perform()

    # --- for sessions -----------------------------------------------------------------------------------------

    def join(self, agent: str, name: str, seat: FloorMember, aliases: Sequence[str] = ()) -> None:
        """A session takes part from now on; ``aliases`` are what else its agent is called."""
        self._seats[agent] = seat
        self._do(lambda machine, now: machine.join(agent, name, now, tuple(aliases)))

    def leave(self, agent: str) -> None:
        """A session has ended; idempotent. With the last one, the floor has nothing left to wait for."""
        if self._seats.pop(agent, None) is None:
            return
        self._do(lambda machine, now: machine.leave(agent, now))
        if not self._seats:
            for question in self._questions:
                question.cancel()

    def do(self, step: Callable[[FloorMachine, float], None]) -> None:
        """Tells the machine something, with the time, and carries out what follows."""
        self._do(step)

    def expects(self, agent: str, invitation: int) -> bool:
        """Whether ``agent`` is still invited."""
        return self._machine.expects(agent, invitation)

    def now(self) -> float:
        """The floor's clock: the event loop's."""
        return asyncio.get_running_loop().time()

    # --- inside -----------------------------------------------------------------------------------------------

    def _do(self, step: Callable[[FloorMachine, float], None]) -> None:
        step(self._machine, self.now())
        self._perform()

    def _perform(self) -> None:
        if self._busy:
            return  # a command led to a call; the outer loop goes on
        self._busy = True
        try:
            while (command := self._machine.poll()) is not None:
                self._obey(command)
        finally:
            self._busy = False
        self._arm()

    def _obey(self, command: cmd.Command) -> None:
        if isinstance(command, cmd.AskModerator):
            self._ask(command)
            return
        seat = self._seats.get(command.agent)
        if seat is None:
            return
        match command:
            case cmd.Grant():
                seat.granted(command.token)
            case cmd.Refuse():
                seat.refused(command.token)
            case cmd.GrantSay():
                seat.say_granted()
            case cmd.Invite():
                seat.invited(command.round, command.turn, command.heard)
            case cmd.Revoke():
                log.warning("agent %s was silent for too long; the floor is given to others", command.agent)
                seat.revoked()
            case cmd.Tell():
                seat.told(command.lines)

    def _ask(self, question: cmd.AskModerator) -> None:
        if self._moderator is None:
            agent = choose(question.turn, question.candidates)
            self._machine.decided(question.round, agent, self.now())
            return
        task = asyncio.create_task(self._moderate(self._moderator, question), name="floor:moderator")
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    async def _moderate(self, moderator: Moderator, question: cmd.AskModerator) -> None:
        agent: str | None
        try:
            async with asyncio.timeout(self._machine.settings.decide_within):
                chosen = await moderator.choose(question.turn, question.candidates, question.history)
            agent = None if chosen is None else chosen.agent
        except Exception as error:  # a moderator is the user's code; it may fail in any way
            log.warning("the moderator failed (%s); the default choice is made", type(error).__name__)
            agent = choose(question.turn, question.candidates)
        self._do(lambda machine, now: machine.decided(question.round, agent, now))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._machine.deadline()
        if due is not None and self._seats:
            self._timer = asyncio.get_running_loop().call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._do(lambda machine, now: machine.wake(now))
