"""What a pipeline asks of its session: who answers, whether and when, and what becomes history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from beluga_voice import events as ev
from beluga_voice.core import inputs as inp
from beluga_voice.interfaces import Brain, ChatMessage, UserTurn
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.session.answering import Answering
from beluga_voice.session.audio_out import Clips
from beluga_voice.session.broadcast import Broadcast
from beluga_voice.session.context import TurnContext
from beluga_voice.session.event_log import EventLog
from beluga_voice.session.history import History
from beluga_voice.session.realtime import Pipeline
from beluga_voice.session.room import Room
from beluga_voice.session.seat import Seat

__all__ = ["Dialogue"]


class Dialogue:
    """The `beluga_voice.pipeline.owner.Owner` of one session's pipeline.

    Args:
        session_id: told to agents and tools.
        user_id: likewise.
        metadata: likewise.
        history: what was said and heard.
        room: who is there.
        broadcast: takes the events.
        on_closed: told why the conversation is over.
        on_change: told when the history has changed.

    Attributes:
        brain: who answers.
        pipeline: None until the session starts.
        timeline: likewise.
        log: of events, inputs and commands, or None.
        seat: at the floor that the agents of the room share, or None.
    """

    brain: Brain

    def __init__(
        self,
        *,
        session_id: str,
        user_id: str,
        metadata: dict[str, Any],
        history: History,
        room: Room,
        broadcast: Broadcast,
        on_closed: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._history = history
        self._room = room
        self._broadcast = broadcast
        self._on_closed = on_closed
        self._on_change = on_change
        self._answering = Answering(
            session_id=session_id,
            user_id=user_id,
            metadata=metadata,
            history=history,
            room=room,
            say=self._say_now,
            end=self._end,
        )
        self.pipeline: Pipeline | None = None
        self.timeline: Timeline | None = None
        self.log: EventLog | None = None
        self.seat: Seat | None = None
        self.clips = Clips()

    @property
    def history(self) -> tuple[ChatMessage, ...]:
        """What was said and heard, oldest first."""
        return self._history.messages

    def now(self) -> float:
        """Seconds since the session began."""
        return self.timeline.now() if self.timeline is not None else 0.0

    def say(self, text: str, *, interruptible: bool = True) -> None:
        """Has the agent say ``text`` by itself, once both sides are silent and the floor is free."""
        assert self.pipeline is not None
        if self.seat is not None:
            self.seat.say(text, interruptible)
        else:
            self.pipeline.tell(inp.SayRequested(text, interruptible))

    def shown(self, event: ev.SessionEvent) -> bool:
        """Whether clients are told: what people say is shown once, by one of the agents that share a floor."""
        return self.seat is None or not isinstance(event, ev.TranscriptEvent) or self.seat.is_scribe

    # --- told by the pipeline -----------------------------------------------------------------------------

    def emit(self, event: ev.SessionEvent) -> None:
        """Sends an event to all subscribers."""
        self._broadcast.send(event)

    def record(self, kind: str, now: float, value: Any) -> None:
        """Writes a line of the event log, if there is one."""
        if self.log is not None:
            self.log.record(kind, now, value)

    def name_of(self, participant: str) -> str:
        """The name to show for an identity."""
        return self._room.name_of(participant)

    def user_said(self, turn: UserTurn, at: float) -> None:
        """A turn becomes history, one message for each utterance."""
        for who, words in turn.utterances:
            self._room.heard(who)
            self._history.user(turn.number, words, at, who)
        self._on_change()

    def user_took_back(self, turn: int) -> None:
        """The user went on: the turn leaves the history again."""
        self._history.take_back(turn)
        if self.seat is not None:
            self.seat.took_back()

    def agent_said(self, turn: int, text: str, at: float, interrupted: bool) -> None:
        """What was heard becomes history."""
        self._history.agent(turn, text, at, interrupted=interrupted)
        self._room.replied(at)
        if self.seat is not None:
            self.seat.spoke(text, interrupted)
        self._on_change()

    def reply_alive(self) -> None:
        """The present reply is heard."""
        if self.seat is not None:
            self.seat.alive()

    def reply_over(self) -> None:
        """The present reply is over, heard or not."""
        if self.seat is not None:
            self.seat.reply_over()

    def closed(self, reason: str) -> None:
        """The conversation is over."""
        self._on_closed(reason)

    # --- who answers ----------------------------------------------------------------------------------------

    def answers(self, turn: UserTurn, onset: float) -> bool:
        """Whether ``turn``, which began at ``onset``, is for the agent at all."""
        seat = self.seat
        answers = self._room.answers(turn, onset) or (seat is not None and seat.invitation > 0)
        if not answers and seat is not None:
            seat.unwilling(turn)
        return answers

    def answer(self, turn: UserTurn, reply: int) -> AsyncIterator[Any]:
        """The agent's words on ``turn``, once the floor lets it answer."""
        context = self.context(turn, reply)
        if self.seat is not None:
            return self.seat.when_granted(turn, lambda: self.brain.reply(turn, context))
        return self.brain.reply(turn, context)

    def context(self, turn: UserTurn, reply: int) -> TurnContext:
        """What the agent and its tools may know and do on ``turn``."""
        return self._answering.context(turn, reply)

    def prepare(self, turn: UserTurn) -> AsyncIterator[Any] | None:
        """The agent's words on words that may become ``turn``, if it works ahead; not where others may answer."""
        return None if self.seat is not None else self._answering.prepare(self.brain, turn)

    def take_prepared(self, reply: int) -> None:
        """The words became a turn."""
        self._answering.take_prepared(reply)

    def say_pieces(self, text: str) -> AsyncIterator[Any]:
        """What a `SayRequested` speaks: its text, or the clip it stands for."""
        return self.clips.play(text)

    def on_tool(self, call_id: str, name: str, phase: Any, arguments: dict[str, Any], result: str) -> None:
        """A tool of the agent started or has ended."""
        if self.pipeline is not None and phase == "started":
            self.pipeline.tell(inp.ToolStarted(self.pipeline.turns.c.reply))
        self.emit(
            ev.ToolEvent(
                at=self.now(),
                turn=self._answering.turn,
                call_id=call_id,
                name=name,
                phase=phase,
                arguments=arguments,
                result=result,
            )
        )

    def _say_now(self, reply: int, text: str) -> None:
        if self.pipeline is not None:
            self.pipeline.say_now(reply, text)

    def _end(self, reason: str) -> None:
        if self.pipeline is not None:
            self.pipeline.tell(inp.Stop(reason, graceful=True))
