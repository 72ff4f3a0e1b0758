"""A session: one person, one agent, from start to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from types import TracebackType
from typing import Any, Literal, Self

from beluga_voice import events as ev
from beluga_voice.config import Config, SessionConfig
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.errors import BackendError, ConfigError, SessionError, first_error
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import LLM, Brain, ChatMessage, Participant, Transport
from beluga_voice.pipeline.parts import Parts
from beluga_voice.pipeline.realtime import Realtime
from beluga_voice.pipeline.realtime_parts import RealtimeParts
from beluga_voice.pipeline.timeline import LoopClock, Timeline
from beluga_voice.session.audio_in import FRAME_SECONDS, checked_pcm, frames_of
from beluga_voice.session.audio_out import ReceiveQueue, TransportSink
from beluga_voice.session.broadcast import Broadcast
from beluga_voice.session.dialogue import Dialogue
from beluga_voice.session.event_log import EventLog
from beluga_voice.session.history import History
from beluga_voice.session.link import TransportLink
from beluga_voice.session.metrics import MetricsCollector, SessionMetrics
from beluga_voice.session.options import pipeline_options
from beluga_voice.session.realtime import BrainMaker, Pipeline, make_pipeline, realtime_options
from beluga_voice.session.room import Room
from beluga_voice.session.seat import check_floor, take_seat

__all__ = ["Session"]

log = logging.getLogger(__name__)

STOP_DEADLINE = 2.0
# process_audio may run this far ahead of real time; then it waits, so a file can simply be poured in.
_MAX_LEAD = 0.02

Phase = Literal["new", "starting", "live", "closing", "closed"]


class Session:
    """One conversation. Made by ``backend.create_session``.

    Args:
        id: unique in the process and beyond.
        config: the session's settings.
        backend_config: the backend's settings.
        parts: the backend's providers.
        transport: carries the audio, or None to move it by `process_audio` and `receive_audio`.
        llm: for an `Agent` that has none of its own.
        on_closed: awaited once, when everything is released.
        on_change: told when something a store should remember has changed.
        on_event: told every event, e.g. to count it.
        task_context: asked at the start for the context its tasks are to run in, or None for the caller's.
        history: of an earlier part of this conversation.
    """

    def __init__(
        self,
        *,
        id: str,
        config: SessionConfig,
        backend_config: Config,
        parts: Parts | RealtimeParts,
        transport: Transport | None,
        llm: LLM | None,
        on_closed: Callable[[Session, str], Awaitable[None]] | None = None,
        on_change: Callable[[Session], None] | None = None,
        on_event: Callable[[ev.SessionEvent], None] | None = None,
        task_context: Callable[[], Context | None] = lambda: None,
        history: tuple[ChatMessage, ...] = (),
    ) -> None:
        self.id = id
        self.user_id = config.user_id
        self.input_sample_rate = config.input_sample_rate
        self._config = config
        self._backend_config = backend_config
        self._parts = parts
        self.transport = transport
        self._llm = llm
        self._on_closed = on_closed
        self._on_change = on_change
        self._task_context = task_context
        self._metadata: dict[str, Any] = dict(config.metadata)
        self._broadcast = Broadcast()
        self._history = History(history)
        self._room = Room(config.group or backend_config.group, config.agent_name)
        self._metrics = MetricsCollector()
        self._broadcast.listen(self._metrics.on_event)
        if on_event is not None:
            self._broadcast.listen(on_event)
        self._dialogue = Dialogue(
            session_id=id,
            user_id=self.user_id,
            metadata=self._metadata,
            history=self._history,
            room=self._room,
            broadcast=self._broadcast,
            on_closed=self._finish,
            on_change=self._changed,
        )
        check_floor(config.floor, parts)
        self._brains_of = BrainMaker(parts, llm, self._dialogue.on_tool, self._brain_changed)
        self._dialogue.brain = self._brains_of.make(config.agent, config.agent_callback)
        self._brains = [self._dialogue.brain]
        self._phase: Phase = "new"
        self._timeline: Timeline | None = None
        self._cascade: Pipeline | None = None
        self._start_task: asyncio.Task[None] | None = None
        self._finish_task: asyncio.Task[None] | None = None
        self._link: TransportLink | None = None
        self._done = asyncio.Event()
        rate = config.output_sample_rate or (transport.output_sample_rate if transport else 0)
        self.output_sample_rate = rate or parts.output_sample_rate
        self._sink = TransportSink(transport) if transport is not None else ReceiveQueue()

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    def state(self) -> ev.AgentState:
        """Where the conversation stands: ``starting``, ``listening``, ``user_speaking`` … ``closed``."""
        if self._phase in ("new", "starting"):
            return "starting"
        if self._phase == "closed" or self._cascade is None:
            return "closed"
        return self._cascade.turns.state.value  # type: ignore[return-value]

    @property
    def persistence_status(self) -> Literal["active", "completed"]:
        """``active`` until the session has ended."""
        return "completed" if self._phase == "closed" else "active"

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of the session's metadata."""
        return dict(self._metadata)

    @property
    def history(self) -> tuple[ChatMessage, ...]:
        """What the user said and heard, oldest first."""
        return self._history.messages

    @property
    def participants(self) -> tuple[Participant, ...]:
        """Who is in the room, the agent itself left out; empty outside a room."""
        return self._room.present

    @property
    def metrics(self) -> SessionMetrics:
        """Counts and latencies so far."""
        dropped = self._sink.dropped if isinstance(self._sink, ReceiveQueue) else 0
        return self._metrics.snapshot(dropped_frames=dropped, tasks=self.task_count)

    @property
    def task_count(self) -> int:
        """Asyncio tasks that belong to this session now."""
        link = self._link.task_count if self._link else 0
        return link + (self._cascade.task_count if self._cascade else 0)

    def update_metadata(self, changes: dict[str, Any]) -> None:
        """Merges ``changes`` into the metadata."""
        self._metadata.update(changes)
        self._changed()

    def set_agent_callback(self, callback: Any) -> None:
        """Answers with ``callback`` from the next turn on.

        Raises:
            ConfigError: ``invalid_config`` if it is not an async function of (transcript).
        """
        self._use_brain(self._brains_of.make(None, callback, instead_of=self._dialogue.brain))

    def set_agent(self, agent: Any) -> None:
        """Answers with ``agent`` from the next turn on."""
        self._use_brain(self._brains_of.make(agent, None, instead_of=self._dialogue.brain))

    def _use_brain(self, brain: Brain) -> None:
        self._dialogue.brain = brain
        self._brains.append(brain)  # the old one may still be speaking; all are closed at the end
        self._brain_changed()

    def _brain_changed(self) -> None:
        if isinstance(self._cascade, Realtime):
            self._cascade.use_brain()

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the recogniser, begins to listen and says the greeting.

        Raises:
            SessionError: ``session_already_active`` if it was started before.
            BackendError: if a part cannot be opened; the session is then closed.
        """
        if self._phase != "new":
            raise SessionError("start", "session_already_active", f"session '{self.id}' was started before")
        self._phase = "starting"
        self._start_task = asyncio.create_task(self._open(), name=f"{self.id}:start")
        try:
            await asyncio.shield(self._start_task)
        except asyncio.CancelledError:
            await self.stop("canceled")
            if self._start_task.cancelled() and not _being_cancelled():
                raise SessionError(
                    "start", "session_not_active", f"session '{self.id}' was stopped while it started"
                ) from None
            raise
        except BackendError as error:
            self._emit_error(error, "session")
            self._finish("error", error.code)
            await self.wait_closed()
            raise
        finally:
            self._start_task = None

    async def _open(self) -> None:
        config, backend = self._config, self._backend_config
        dialogue = self._dialogue
        dialogue.timeline = self._timeline = Timeline(LoopClock())
        options = pipeline_options(
            config,
            backend,
            self._parts,
            brain=self._dialogue.brain,
            session_id=self.id,
            metadata=self._metadata,
            output_sample_rate=self.output_sample_rate,
            task_context=self._task_context(),
        )
        parts = self._parts
        realtime = realtime_options(parts, options.turn, self._dialogue.brain)
        if config.event_log is not None:
            settings = realtime.settings if realtime else options.turn
            dialogue.log = EventLog(config.event_log, self.id, settings)
            self._broadcast.listen(dialogue.log.event)
        dialogue.pipeline = self._cascade = make_pipeline(
            parts, options, realtime, dialogue, self._sink, self._timeline, backend.timeout
        )
        failure: BackendError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._cascade.start())
                group.create_task(_optional(self._dialogue.brain, "start"))
        except* BackendError as failures:
            failure = first_error(failures)  # raised here, Python 3.11.2 would wrap it in a group again
        if failure is not None:
            raise failure
        self._phase = "live"
        if config.floor is not None:
            dialogue.seat = take_seat(config, backend, self.id, self._cascade, self._history)
            self._broadcast.listen(dialogue.seat.on_event)
        if self.transport is not None:
            events = self._broadcast.subscribe()
            self._link = TransportLink(
                self.id,
                self.transport,
                self._cascade,
                self._room,
                events,
                dialogue.shown,
                dialogue.emit,
                dialogue.now,
            )
        self._dialogue.emit(ev.StateEvent(at=0.0, state="listening", previous="starting"))
        greeting = self._dialogue.brain.greeting() if config.greeting is None else config.greeting
        if greeting:
            dialogue.say(greeting)

    async def stop(self, reason: str = "stopped", *, graceful: bool = False) -> None:
        """Ends the session; returns when everything is released, within 2 s unless ``graceful``.

        Safe from any state and any number of times.

        Args:
            reason: told in the `ClosedEvent`.
            graceful: let the present reply be heard first (at most ten seconds).
        """
        if self._phase == "starting" and self._start_task is not None:
            self._start_task.cancel()
            await asyncio.wait([self._start_task], timeout=STOP_DEADLINE)
        if self._cascade is not None and self._phase == "live":
            self._cascade.tell(inp.Stop(reason, graceful))
            draining = self._cascade.turns.state is State.DRAINING
        else:
            draining = False
        if not draining:
            self._finish(reason)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Returns when the session has ended and everything is released."""
        await self._done.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _finish(self, reason: str, code: str = "") -> None:
        if self._finish_task is None and self._phase != "closed":
            self._phase = "closing"
            self._finish_task = asyncio.create_task(self._release(reason, code), name=f"{self.id}:close")

    async def _release(self, reason: str, code: str) -> None:
        try:
            async with asyncio.timeout(STOP_DEADLINE):
                await self._release_parts(reason, code)
        except TimeoutError:
            log.warning(
                "session %s: something did not close in %.0f s and was abandoned", self.id, STOP_DEADLINE
            )
        except Exception:
            log.exception("session %s: closing failed", self.id)
        finally:
            self._phase = "closed"
            if self._dialogue.log is not None:
                self._dialogue.log.close()
            self._leave_floor()
            self._done.set()

    async def _release_parts(self, reason: str, code: str) -> None:
        if self._link is not None:
            self._link.stop_receiving()
        if self._cascade is not None:
            await self._cascade.close()
        self._leave_floor()
        self._dialogue.emit(ev.ClosedEvent(at=self._dialogue.now(), reason=reason, code=code))
        if isinstance(self._sink, ReceiveQueue):
            self._sink.close()
        for brain in self._brains:
            await _optional(brain, "close")
        if self._link is not None:
            await self._link.close()
        elif self.transport is not None:
            await self.transport.close()
        if self._on_closed is not None:
            self._phase = "closed"
            await self._on_closed(self, reason)

    # --- audio and words ----------------------------------------------------------------------------------

    async def process_audio(self, pcm: bytes) -> None:
        """Takes the user's audio: mono s16le at ``input_sample_rate``, any length.

        Audio is heard in real time: more than that waits here, so a whole file can be given at once.

        Raises:
            FormatError: ``invalid_format`` for an odd number of bytes.
            SessionError: ``session_not_active`` before start and after stop.
        """
        cascade, timeline = self._live("process_audio")
        for frame in frames_of(checked_pcm("process_audio", pcm), self.input_sample_rate):
            await cascade.hear(frame)
            if timeline.lead > _MAX_LEAD:
                await asyncio.sleep(timeline.lead - _MAX_LEAD + FRAME_SECONDS)
                if self._phase != "live":
                    return

    async def receive_audio(self) -> AsyncIterator[AudioFrame]:
        """The agent's voice in frames of 20 ms, paced in real time; nothing while the agent is silent.

        Raises:
            ConfigError: ``invalid_config`` if a transport carries the audio.
        """
        if not isinstance(self._sink, ReceiveQueue):
            raise ConfigError(
                "receive_audio", "invalid_config", "the session's transport carries the agent's audio"
            )
        async for frame in self._sink:
            yield frame

    def events(self, *, levels: bool = False) -> AsyncIterator[ev.SessionEvent]:
        """What happens, from the beginning (the latest 256) to the `ClosedEvent`.

        Args:
            levels: also the user's loudness, ten times a second.
        """
        if levels and self._cascade is not None:
            self._cascade.ears.want_level()
        return self._broadcast.subscribe(levels=levels)

    async def say(self, text: str, *, interruptible: bool = True) -> None:
        """Lets the agent speak ``text`` as soon as both sides are silent.

        Raises:
            SessionError: ``session_not_active`` before start and after stop.
        """
        self._live("say")
        if text.strip():
            self._dialogue.say(text, interruptible=interruptible)

    async def send_audio(self, pcm: bytes) -> None:
        """Plays the application's own audio to the user: mono s16le at ``output_sample_rate``.

        It is spoken like `say`: in turn, and the user may interrupt it. Calls in quick succession are one clip.

        Raises:
            FormatError: ``invalid_format`` for an odd number of bytes.
            SessionError: ``session_not_active`` before start and after stop.
        """
        self._live("send_audio")
        marker = await self._dialogue.clips.add(AudioFrame(pcm, self.output_sample_rate))
        if marker:
            self._dialogue.say(marker)

    async def send_text(self, text: str) -> None:
        """A turn of the user that was typed, not spoken.

        Raises:
            SessionError: ``session_not_active`` before start and after stop.
        """
        cascade, _ = self._live("send_text")
        if text.strip():
            cascade.typed(text.strip())

    # --- small --------------------------------------------------------------------------------------------

    def _live(self, op: str) -> tuple[Pipeline, Timeline]:
        if self._phase != "live" or self._cascade is None or self._timeline is None:
            remedy = (
                "call start() first" if self._phase in ("new", "starting") else "it has ended; create another"
            )
            raise SessionError(op, "session_not_active", f"session '{self.id}' is not active: {remedy}")
        return self._cascade, self._timeline

    def _emit_error(self, error: BackendError, stage: str) -> None:
        self._dialogue.emit(
            ev.ErrorEvent(
                at=self._dialogue.now(),
                code=error.code,
                message=error.message,
                stage=stage,
                retryable=error.retryable,
            )
        )

    def _leave_floor(self) -> None:
        if self._dialogue.seat is not None:
            self._dialogue.seat.leave()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self)


async def _optional(brain: Brain, method: str) -> None:
    """Awaits a method that a brain may have."""
    found = getattr(brain, method, None)
    if found is not None:
        await found()


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
