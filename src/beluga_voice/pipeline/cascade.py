"""STT → agent → TTS around the turn core: tells it what happens and does what it decides."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from beluga_voice import events as ev
from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.turn import TurnMachine
from beluga_voice.errors import BackendError, PipelineError
from beluga_voice.frames import AudioFrame, SttEvent
from beluga_voice.interfaces import UserTurn
from beluga_voice.pipeline.ear import Ear
from beluga_voice.pipeline.mouth import Mouth, MouthEvents
from beluga_voice.pipeline.parts import Parts, PipelineOptions, Sink
from beluga_voice.pipeline.processors import ProcessorChain
from beluga_voice.pipeline.recogniser import Recogniser
from beluga_voice.pipeline.reply import Reply, ReplyEvents, ReplyTimes
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.turn_judge import TurnJudge
from beluga_voice.pipeline.turn_times import TurnTimes

__all__ = ["Cascade", "Owner"]

log = logging.getLogger(__name__)

# Turn deadlines follow the user's audio. When none arrives, the clock takes over after this grace.
_CLOCK_GRACE = 0.12
_STOP_DEADLINE = 1.5


class Owner(Protocol):
    """The session around a pipeline."""

    def emit(self, event: ev.SessionEvent) -> None:
        """Tells the outside."""
        ...

    def record(self, kind: str, now: float, value: Any) -> None:
        """Writes a line of the event log."""
        ...

    def user_said(self, turn: int, text: str, at: float) -> None:
        """A turn becomes history."""
        ...

    def user_took_back(self, turn: int) -> None:
        """… and no longer is, because the user went on."""
        ...

    def agent_said(self, turn: int, text: str, at: float, interrupted: bool) -> None:
        """What was heard of a reply becomes history."""
        ...

    def answer(self, turn: UserTurn, reply: int) -> AsyncIterator[Any]:
        """The agent's words."""
        ...

    def say_pieces(self, text: str) -> AsyncIterator[Any]:
        """What `SayRequested` with ``text`` speaks."""
        ...

    def closed(self, reason: str) -> None:
        """The conversation is over."""
        ...


class Cascade:
    """The pipeline of one session.

    Args:
        parts: the backend's providers.
        options: the session's settings.
        owner: the session.
        sink: takes agent audio.
        timeline: the session's.
        timeout: seconds any provider may take.
    """

    def __init__(
        self,
        parts: Parts,
        options: PipelineOptions,
        owner: Owner,
        sink: Sink,
        timeline: Timeline,
        timeout: float,
    ) -> None:
        self._parts = parts
        self._options = options
        self._owner = owner
        self._timeline = timeline
        self._timeout = timeout
        self.output_sample_rate = options.output_sample_rate or parts.tts.sample_rate
        self.turns = TurnMachine(options.turn)
        self._inbox: deque[inp.Input | None] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reply: Reply | None = None
        self._reply_task: asyncio.Task[None] | None = None
        self._times = TurnTimes(options.latency_target)
        self._recogniser = Recogniser(
            parts.stt,
            language=options.language,
            phrases=[*options.phrases, *options.brain.phrases],
            timeout=timeout,
            max_retries=options.max_retries,
            retry_delay=options.retry_delay,
            on_event=self._on_stt,
            on_error=lambda error: self.error(error, "stt"),
            on_gone=lambda: self.tell(inp.Stop("error")),
        )
        self._ear: Ear | None = None
        self._closing = False
        mouth_events = MouthEvents(
            started=self._on_audible,
            progress=lambda reply: self.tell(inp.PlayoutProgress(reply)),
            words=self._on_words,
            finished=self._on_finished,
            failed=self._on_sink_failed,
        )
        self._judge: TurnJudge | None = None
        if parts.turn is not None:
            self._judge = TurnJudge(parts.turn, self._spawn, lambda p: self.tell(inp.TurnProbability(p)))
        self.mouth = Mouth(sink, timeline, self.output_sample_rate, mouth_events)
        self._pre_stt = self._chain("pre_stt")
        self._post_tts = self._chain("post_tts")

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the recogniser and starts the tasks.

        Raises:
            BackendError: if the recogniser cannot be opened in time.
        """
        await self._recogniser.open()
        vad = self._parts.vad
        self._ear = Ear(self._timeline, self, self._on_audio, vad.open, vad.window, self._parts.noise)
        self._spawn(self._recogniser.run(), "stt")
        self._spawn(self.mouth.run(), "mouth")
        self._arm()

    async def close(self) -> None:
        """Ends all tasks and streams, within a deadline."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._ear is not None:
            self._ear.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=_STOP_DEADLINE)
            for task in left:
                log.warning(
                    "task %s did not end in %.1f s and was abandoned", task.get_name(), _STOP_DEADLINE
                )
        await self.mouth.close()
        await self._recogniser.close()

    @property
    def task_count(self) -> int:
        """Tasks of this pipeline, the reply's two included."""
        return len(self._tasks) + (2 if self._reply_task is not None else 0)

    def _spawn(self, coroutine: Any, name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(coroutine, name=f"{self._options.session_id}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task is self._reply_task:
            self._reply_task = None
        if task.cancelled() or self._closing:
            return
        error = task.exception()
        if error is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)
            self.error(
                PipelineError("pipeline", "pipeline_error", f"{type(error).__name__}: {error}"), "session"
            )
            self.tell(inp.Stop("error"))

    # --- in -----------------------------------------------------------------------------------------------

    async def hear(self, frame: AudioFrame) -> None:
        """Takes a frame of the user's audio."""
        if self._ear is None or self._closing:
            return
        if self._pre_stt:
            passed = await self._pre_stt.run(frame)
            if passed is None:
                return
            frame = passed
        self._ear.hear(frame)

    def want_level(self) -> None:
        """Level events are wanted from now on."""
        if self._ear is not None:
            self._ear.want_level()

    def on_voice(self, event: inp.SpeechStarted | inp.SpeechEnded) -> None:
        """The ear heard a voice begin or end."""
        if isinstance(event, inp.SpeechStarted):
            self._recogniser.speech_started(event.at)
        self.tell(event, now=self._timeline.audio_end)

    def on_audio_time(self, at: float) -> None:
        """The ear has judged the audio up to ``at``: deadlines of the turn are due on this clock."""
        deadline = self.turns.deadline()
        if deadline is not None and at >= deadline:
            self._wake(at)

    def on_level(self, dbfs: float, probability: float) -> None:
        """The ear measured how loud the user is."""
        self._owner.emit(
            ev.LevelEvent(at=self._timeline.now(), dbfs=round(dbfs, 1), speech=round(probability, 2))
        )

    def _on_audio(self, pcm: bytes, at: float) -> None:
        self._recogniser.push(pcm, at)
        if self._judge is not None:
            self._judge.hear(pcm)

    def _on_stt(self, event: SttEvent) -> None:
        if event.final:
            self._times.final(self._timeline.now())
            self.tell(inp.FinalText(event.segment, event.text))
            self._ask_judge()
        else:
            self.tell(inp.PartialText(event.segment, event.text))
        self._tell_transcript()

    def _ask_judge(self) -> None:
        c = self.turns.c
        if self._judge is not None and c.turn_open and not c.voiced and c.text():
            self._judge.ask(c.text())

    def _tell_transcript(self) -> None:
        c = self.turns.c
        text = c.text() if c.turn_open else ""
        if text and text != self._times.told:
            self._times.told = text
            self._owner.emit(ev.TranscriptEvent(at=self._timeline.now(), turn=c.turn, text=text, final=False))

    # --- the core's turn ----------------------------------------------------------------------------------

    def tell(self, event: inp.Input, now: float | None = None) -> None:
        """Tells the turn core what happened and carries out what it decides."""
        at = self._timeline.now() if now is None else now
        self._owner.record("input", at, event)
        self.turns.feed(event, at)
        self._perform_all()

    def _wake(self, now: float) -> None:
        self._owner.record("wake", now, None)
        self.turns.wake(now)
        self._perform_all()

    def _perform_all(self) -> None:
        if self._busy:
            return  # a command told the core something; the outer call drains what follows
        self._busy = True
        try:
            while (command := self.turns.poll()) is not None:
                self._owner.record("command", self.turns.c.now, command)
                handler: Callable[[Any], None] = getattr(self, f"_do_{type(command).__name__}")
                handler(command)
        finally:
            self._busy = False
        self._arm()

    def _arm(self) -> None:
        """One timer for the core's next deadline, in case no audio arrives to drive it."""
        deadline = self.turns.deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is None or self._closing:
            return
        delay = max(0.0, deadline + _CLOCK_GRACE - self._timeline.now())
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake(self._timeline.now())

    # --- commands -----------------------------------------------------------------------------------------

    def _do_MoveTo(self, c: cmd.MoveTo) -> None:
        now = self._timeline.now()
        self._owner.emit(ev.StateEvent(at=now, state=c.state, previous=c.previous))  # pyright: ignore[reportArgumentType]
        turn = self.turns.c.turn
        if self.turns.c.turn_open and turn != self._times.open_turn:
            self._times.open_turn, self._times.told = turn, ""
            self._owner.emit(ev.TurnEvent(at=now, turn=turn, phase="user_started"))

    def _do_AskFinal(self, c: cmd.AskFinal) -> None:
        self._times.asked()
        # Where the turn is cut while the user speaks on, what follows is a segment of its own.
        self._recogniser.finalize(c.at, goes_on=self._ear is not None and self._ear.voiced)
        self._ask_judge()

    def _do_CommitTurn(self, c: cmd.CommitTurn) -> None:
        now = self._timeline.now()
        self._times.commit(c.turn, c.speech_end, now)
        self._owner.user_said(c.turn, c.text, now)
        self._owner.emit(ev.TranscriptEvent(at=now, turn=c.turn, text=c.text, final=True))
        self._owner.emit(ev.TurnEvent(at=now, turn=c.turn, phase="user_ended", text=c.text))

    def _do_RetractTurn(self, c: cmd.RetractTurn) -> None:
        self._owner.user_took_back(c.turn)

    def _do_StartReply(self, c: cmd.StartReply) -> None:
        pieces = self._owner.answer(UserTurn(c.turn, c.text), c.reply)
        self._begin(c.reply, c.turn, pieces, self._options.error_reply)

    def _do_StartSay(self, c: cmd.StartSay) -> None:
        self._begin(c.reply, c.turn, self._owner.say_pieces(c.text), "")

    def _begin(self, number: int, turn: int, pieces: AsyncIterator[Any], error_reply: str) -> None:
        events = ReplyEvents(ended=self._on_ended, failed=self._on_failed, error=self.error)
        self._reply = Reply(
            number=number,
            turn=turn,
            pieces=pieces,
            mouth=self.mouth,
            tts=self._parts.tts,
            post_tts=self._post_tts,
            sample_rate=self.output_sample_rate,
            now=self._timeline.now,
            events=events,
            error_reply=error_reply,
            timeout=self._timeout,
            times=ReplyTimes(self._timeline.now()),
        )
        self._reply_task = self._spawn(self._reply.run(), f"reply-{number}")

    def _do_CancelReply(self, c: cmd.CancelReply) -> None:
        if self._reply is not None and self._reply.number == c.reply and self._reply_task is not None:
            self._reply_task.cancel()

    def _do_Duck(self, _: cmd.Duck) -> None:
        self.mouth.duck()

    def _do_Hold(self, _: cmd.Hold) -> None:
        self.mouth.hold()

    def _do_Resume(self, _: cmd.Resume) -> None:
        self.mouth.resume()

    def _do_StopPlayout(self, c: cmd.StopPlayout) -> None:
        heard = self.mouth.stop()
        self._settle_reply(c.reply, heard, interrupted=True)
        self.tell(inp.PlayoutStopped(c.reply, heard))

    def _do_Interrupted(self, c: cmd.Interrupted) -> None:
        self._owner.emit(
            ev.InterruptionEvent(
                at=self._timeline.now(),
                turn=c.turn,
                onset=c.onset,
                silenced=self.mouth.silent_since,
                heard=self._times.last_heard,
            )
        )

    def _do_DiscardSpeech(self, c: cmd.DiscardSpeech) -> None:
        self._times.told = ""
        self._owner.emit(ev.BackchannelEvent(at=self._timeline.now(), onset=c.onset, text=c.text))

    def _do_UserAway(self, c: cmd.UserAway) -> None:
        self._owner.emit(ev.UserAwayEvent(at=self._timeline.now(), silent_for=c.silent_for))

    def _do_Fault(self, c: cmd.Fault) -> None:
        self.error(PipelineError("turn", "timeout", c.message), c.stage)

    def _do_Close(self, c: cmd.Close) -> None:
        self._owner.closed(c.reason)

    # --- out ----------------------------------------------------------------------------------------------

    def say_now(self, reply: int, text: str) -> None:
        """Adds ``text`` to the reply in progress, before its further words."""
        if self._reply is not None and self._reply.number == reply:
            self._reply.say(text)

    def error(self, error: BackendError, stage: str) -> None:
        """Reports a failure that the session survives."""
        self._owner.emit(
            ev.ErrorEvent(
                at=self._timeline.now(),
                code=error.code,
                message=error.message,
                stage=stage,
                retryable=error.retryable,
            )
        )

    def _on_audible(self, reply: int) -> None:
        now = self._timeline.now()
        if self._reply is not None and self._reply.number == reply:
            self._reply.times.first_sent = now
            self._owner.emit(ev.TurnEvent(at=now, turn=self._reply.turn, phase="agent_started"))
            metrics = self._times.metrics(self._reply.turn, self._reply.times, now)
            if metrics is not None:
                self._owner.emit(metrics)
        self.tell(inp.PlayoutStarted(reply))

    def _on_words(self, reply: int, words: str) -> None:
        turn = self._reply.turn if self._reply is not None and self._reply.number == reply else 0
        self._owner.emit(ev.AgentTextEvent(at=self._timeline.now(), turn=turn, text=words))

    def _on_ended(self, reply: int, audio: bool) -> None:
        self.tell(inp.ReplyEnded(reply, audio))

    def _on_failed(self, reply: int) -> None:
        self._settle_reply(reply, self.mouth.stop(), interrupted=True)
        self.tell(inp.ReplyFailed(reply))

    def _on_finished(self, reply: int) -> None:
        self._settle_reply(reply, self.mouth.heard(), interrupted=False)
        self.tell(inp.PlayoutFinished(reply))

    def _on_sink_failed(self, error: Exception) -> None:
        wrapped = error if isinstance(error, BackendError) else PipelineError(
            "send_audio", "pipeline_error", f"the transport failed: {type(error).__name__}: {error}"
        )  # fmt: skip
        self.error(wrapped, "transport")
        if self._reply is not None and self._reply.number == self.turns.c.reply:
            self._on_failed(self._reply.number)

    def _settle_reply(self, reply: int, heard: str, *, interrupted: bool) -> None:
        """What was heard becomes history, once."""
        if self._reply is None or self._reply.number != reply:
            return
        turn, self._reply = self._reply.turn, None
        self._times.last_heard = heard
        now = self._timeline.now()
        if heard:
            self._owner.agent_said(turn, heard, now, interrupted)
            self._owner.emit(ev.AgentTextEvent(at=now, turn=turn, text=heard, final=True))
        self._owner.emit(
            ev.TurnEvent(at=now, turn=turn, phase="agent_ended", text=heard, interrupted=interrupted)
        )

    def _chain(self, stage: Any) -> ProcessorChain:
        return ProcessorChain(
            self._options.processors,
            stage,
            session_id=self._options.session_id,
            metadata=self._options.metadata,
            on_error=lambda error: self.error(error, "processor"),
        )
