"""A session's place at a floor: asks before the agent speaks, gives back when it is silent, and hears of the others."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from beluga_voice import events as ev
from beluga_voice.config import Config, SessionConfig
from beluga_voice.core import inputs as inp
from beluga_voice.core.moderator import FloorLine, FloorTurn
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import UserTurn
from beluga_voice.pipeline.cascade import Cascade
from beluga_voice.pipeline.parts import Parts
from beluga_voice.session.floor import Floor
from beluga_voice.session.history import History
from beluga_voice.session.realtime import Pipeline

__all__ = ["Seat", "check_floor", "take_seat"]

# A claim is given up after this share of the time that the agent has for its first words.
_PATIENCE = 0.5
_MAX_SAYS = 16
# What ends soon: in a turn of its own, which is a claim as well, or in silence.
_SOON_LISTENING = ("user_speaking", "deciding", "interrupted", "thinking")
_tokens = itertools.count(1)


class Seat:
    """The `FloorMember` of one session.

    Args:
        floor: shared by the agents of the room.
        agent: the session's id.
        name: what the agent is called.
        aliases: what else.
        cascade: the session's pipeline.
        history: the session's.
        timeout: seconds the agent has for its first words.
    """

    def __init__(
        self,
        floor: Floor,
        agent: str,
        name: str,
        aliases: Sequence[str],
        cascade: Cascade,
        history: History,
        timeout: float,
    ) -> None:
        self._floor = floor
        self._agent = agent
        self._name = name
        self._cascade = cascade
        self._history = history
        self._patience = timeout * _PATIENCE
        self._says: deque[tuple[str, bool]] = deque(maxlen=_MAX_SAYS)
        self._claims: dict[int, asyncio.Future[bool]] = {}
        self._invitation = 0
        self._expected: tuple[int, FloorTurn, bool] | None = None
        self._refused: UserTurn | None = None
        self._holds = self._wants_say = False
        self._token = 0
        self._heard = ""
        self._interrupted = self._failed = self._taken_back = False
        floor.join(agent, name, self, aliases)

    def leave(self) -> None:
        """The session ends."""
        for answer in self._claims.values():
            if not answer.done():
                answer.set_result(False)
        self._floor.leave(self._agent)

    # --- what the session wants ---------------------------------------------------------------------------------

    @property
    def is_scribe(self) -> bool:
        """Whether this session shows clients what people say."""
        return self._floor.scribe == self._agent

    @property
    def invitation(self) -> int:
        """The round that the session was just invited to answer, 0 for none."""
        return self._invitation

    def unwilling(self, turn: UserTurn) -> None:
        """A turn is not for this agent."""
        self._claim(0, turn, willing=False)

    async def when_granted(
        self, turn: UserTurn, pieces: Callable[[], AsyncIterator[Any]]
    ) -> AsyncIterator[Any]:
        """The agent's words on the turn that was just taken if the floor lets it answer, else nothing."""
        token = next(_tokens)
        answer = self._claims[token] = asyncio.get_running_loop().create_future()
        try:
            self._claim(token, turn)
            if not await answer:
                self._refused = turn
                return
            words = pieces()
            try:
                async for piece in words:
                    yield piece
            finally:
                aclose = getattr(words, "aclose", None)
                if aclose is not None:
                    await aclose()
        finally:
            self._claims.pop(token, None)
            if not answer.done() or answer.cancelled():
                self._floor.do(lambda machine, now: machine.withdraw(self._agent, token, now))

    def _claim(self, token: int, turn: UserTurn, *, willing: bool = True) -> None:
        invitation, self._invitation = self._invitation, 0
        claimed = FloorTurn(turn.utterances)
        since, until = (
            self._on_floor(self._cascade.turns.c.onset),
            self._on_floor(self._cascade.turns.c.speech_end),
        )
        self._floor.do(
            lambda machine, now: machine.claim(
                self._agent,
                token,
                claimed,
                onset=since,
                end=max(since, until),
                now=now,
                patience=self._patience,
                willing=willing,
                invitation=invitation,
            )
        )

    def _on_floor(self, at: float) -> float:
        """A time of the session on the floor's clock."""
        return self._floor.now() - max(0.0, self._cascade.now() - at)

    def say(self, text: str, interruptible: bool) -> bool:
        """Something to say by itself, when the floor is free; False if too much is waiting already."""
        if len(self._says) == _MAX_SAYS:
            return False
        self._says.append((text, interruptible))
        self._want_say()
        return True

    def _when_listening(self) -> None:
        if self._cascade.turns.state.value == "listening":
            self._follow()
            self._want_say()

    def _want_say(self) -> None:
        if self._says and not self._wants_say and self._cascade.turns.state.value == "listening":
            self._wants_say = True
            self._floor.do(lambda machine, now: machine.want_say(self._agent, now))

    # --- what happens to the agent's voice -------------------------------------------------------------------

    def alive(self) -> None:
        """The agent is heard."""
        if self._holds:
            self._floor.do(lambda machine, now: machine.alive(self._agent, now))

    def spoke(self, heard: str, interrupted: bool) -> None:
        """What was heard of the present reply."""
        self._heard, self._interrupted = heard, interrupted

    def took_back(self) -> None:
        """The user went on before anything was heard: the turn that the floor was given for will come back longer."""
        self._taken_back = True

    def reply_over(self) -> None:
        """The reply is over: the floor goes back."""
        if not self._holds:
            return
        self._holds = False
        if self._taken_back and not self._heard:
            self._floor.do(lambda machine, now: machine.withdraw(self._agent, self._token, now))
        self._floor.do(
            lambda machine, now: machine.release(
                self._agent, self._heard, now, interrupted=self._interrupted, failed=self._failed
            )
        )

    def _hold(self, token: int) -> None:
        self._holds, self._token, self._heard = True, token, ""
        self._interrupted = self._failed = self._taken_back = False

    def on_event(self, event: ev.SessionEvent) -> None:
        """The session tells everybody."""
        if isinstance(event, ev.BackchannelEvent) and self._holds:
            onset = self._on_floor(event.onset)
            self._floor.do(lambda machine, now: machine.dismissed(self._agent, onset, now))
        elif isinstance(event, ev.ErrorEvent) and self._holds:
            self._failed |= event.stage in ("agent", "tts", "transport")
        elif (
            isinstance(event, ev.StateEvent) and event.state == "listening" and (self._says or self._expected)
        ):
            asyncio.get_running_loop().call_soon(self._when_listening)

    # --- member of the floor ------------------------------------------------------------------------------------

    def granted(self, token: int) -> None:
        """The agent may answer."""
        answer = self._claims.get(token)
        if answer is None or answer.done():
            self._floor.do(lambda machine, now: machine.withdraw(self._agent, token, now))
            return
        self._hold(token)
        answer.set_result(True)

    def refused(self, token: int) -> None:
        """The agent stays silent."""
        answer = self._claims.get(token)
        if answer is not None and not answer.done():
            answer.set_result(False)

    def say_granted(self) -> None:
        """Says what waits if both sides are silent; else the floor goes back until they are."""
        self._wants_say = False
        if self._cascade.turns.state.value != "listening" or not self._says:
            self._floor.do(lambda machine, now: machine.release(self._agent, "", now))
            return
        text, interruptible = self._says.popleft()
        self._hold(0)
        self._cascade.tell(inp.SayRequested(text, interruptible))
        if self._says:
            self._want_say()

    def invited(self, invitation: int, turn: FloorTurn, heard: bool) -> None:
        """Takes the turn as if it had been typed: at once, or when the session is done with what it is hearing."""
        self._expected = (invitation, turn, heard)
        state = self._cascade.turns.state.value
        if state == "listening":
            self._follow()
        elif turn.by_agent or state not in _SOON_LISTENING:
            self._expected = None
            self._floor.do(lambda machine, now: machine.declined(self._agent, invitation, now))

    def _follow(self) -> None:
        """Answers the invitation, if there is one and it still stands."""
        expected, self._expected = self._expected, None
        if expected is None or not self._floor.expects(self._agent, expected[0]):
            return
        self._invitation, turn, heard = expected
        said = turn.said
        if heard and self._refused is not None:  # as this session heard it, and once in its history
            said = self._refused.utterances
            self._history.take_back(self._refused.number)
        ears = self._cascade.ears
        self._cascade.tell(inp.TypedText(" ".join(ears.said(who, words) for who, words in said)))

    def revoked(self) -> None:
        """Cuts the reply; what was heard of it is told as the floor goes back."""
        self._cascade.give_up_reply()
        self.reply_over()

    def told(self, lines: Sequence[FloorLine]) -> None:
        """What others said becomes history."""
        for line in lines:
            self._history.user(0, line.text, self._cascade.now(), line.speaker)


def check_floor(floor: Any, parts: object) -> None:
    """Whether a session with ``parts`` can share ``floor``.

    Raises:
        ConfigError: ``invalid_config`` if it is no `Floor`, or the model speaks by itself.
    """
    if floor is None:
        return
    if not isinstance(floor, Floor):
        raise ConfigError(
            "create_session",
            "invalid_config",
            f"floor must be a beluga_voice.Floor, got {type(floor).__name__}",
            {"fields": ["floor"]},
        )
    if not isinstance(parts, Parts):
        raise ConfigError(
            "create_session",
            "invalid_config",
            "a speech-to-speech model cannot share a floor: it decides by itself when to speak; use stt_tts",
            {"fields": ["floor"]},
        )


def take_seat(
    config: SessionConfig, backend: Config, session_id: str, pipeline: Pipeline, history: History
) -> Seat:
    """Joins a session to its floor; an agent without a name is called by a part of the session's id."""
    assert isinstance(pipeline, Cascade)
    name = config.agent_name or f"agent-{session_id[:6]}"
    aliases = (config.group or backend.group).names
    return Seat(config.floor, session_id, name, aliases, pipeline, history, backend.timeout)
