"""Speech to speech around the realtime core: tells it what happens and does what it decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from beluga_voice import events as ev
from beluga_voice import speech_to_speech as s2s
from beluga_voice.core import inputs as inp
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.realtime import RealtimeMachine
from beluga_voice.errors import PipelineError
from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.mouth import Mouth, MouthEvents
from beluga_voice.pipeline.parts import PipelineOptions, Sink
from beluga_voice.pipeline.processors import ProcessorChain
from beluga_voice.pipeline.realtime_ears import RealtimeEars
from beluga_voice.pipeline.realtime_input import RealtimeInput
from beluga_voice.pipeline.realtime_link import LinkEvents, ModelLink
from beluga_voice.pipeline.realtime_output import RealtimeOutput
from beluga_voice.pipeline.realtime_parts import RealtimeOptions, RealtimeOwner, RealtimeParts
from beluga_voice.pipeline.realtime_replies import RealtimeReplies
from beluga_voice.pipeline.realtime_tools import RealtimeTools
from beluga_voice.pipeline.realtime_words import Transcripts
from beluga_voice.pipeline.reference import ReferenceSink
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.turn_judge import TurnJudge
from beluga_voice.pipeline.turn_times import TurnTimes

__all__ = ["Realtime"]

log = logging.getLogger(__name__)

# Turn deadlines follow the user's audio. When none arrives, the clock takes over after this grace.
_CLOCK_GRACE = 0.12
_STOP_DEADLINE = 1.2


class Realtime(RealtimeReplies):
    """The pipeline of one session; the same to its session as `beluga_voice.pipeline.cascade.Cascade`.

    Args:
        parts: the backend's providers.
        options: the session's settings.
        realtime: how it uses the model.
        owner: the session.
        sink: takes agent audio.
        timeline: the session's.
        timeout: seconds the model or the agent may take.
    """

    def __init__(
        self,
        parts: RealtimeParts,
        options: PipelineOptions,
        realtime: RealtimeOptions,
        owner: RealtimeOwner,
        sink: Sink,
        timeline: Timeline,
        timeout: float,
    ) -> None:
        super().__init__()
        self._parts = parts
        self._options = options
        self._realtime = realtime
        self._owner = owner
        self._timeline = timeline
        self._timeout = timeout
        self._able = parts.s2s.capabilities
        self.output_sample_rate = options.output_sample_rate or self._able.output_sample_rate
        self.turns = RealtimeMachine(realtime.settings)
        self._times = TurnTimes(options.latency_target)
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._up = asyncio.Event()
        self.mouth = Mouth(
            sink if parts.noise is None else ReferenceSink(sink, lambda f, delay: self.ears.played(f, delay)),
            timeline,
            self.output_sample_rate,
            MouthEvents(
                started=self._on_audible,
                progress=lambda reply: self.tell(inp.PlayoutProgress(reply)),
                words=self._on_words,
                finished=self._on_finished,
                failed=self._on_sink_failed,
            ),
        )
        self._pre_s2s, post = self._chain("pre_s2s"), self._chain("post_s2s")
        self._output = RealtimeOutput(
            self.mouth, post, self.output_sample_rate, timeline.now, self._on_ended, self.error
        )
        self._input = RealtimeInput(self._able.input_sample_rate, self._needed_from)
        self._words = Transcripts(
            owner, timeline.now, lambda: self.ears.spoken_by(), expected=self._able.transcripts
        )
        self._tools = RealtimeTools(
            owner, self._spawn, lambda: self._link.stream, timeline.now, self._tools_idle
        )
        judge: TurnJudge | None = None
        if parts.turn is not None and not realtime.settings.server_turns:
            judge = TurnJudge(parts.turn, self._spawn, lambda p: self.tell(inp.TurnProbability(p)))
        self.ears = RealtimeEars(
            parts, timeline, self, self._input, judge, lambda: self.turns.c.words, options.max_speakers
        )
        self._link = ModelLink(
            parts.s2s,
            parts.breaker,
            setup=self._setup,
            spawn=self._spawn,
            events=LinkEvents(
                event=self._on_model,
                linked=self._on_linked,
                lost=self._on_link_lost,
                renewed=lambda: self.tell(rt.Renewed(self._able.session_limit)),
                renew_failed=lambda: self.tell(rt.RenewFailed()),
                error=lambda error: self.error(error, "s2s"),
                gone=lambda: self.tell(inp.Stop("error")),
            ),
            timeout=timeout,
            max_retries=options.max_retries,
            retry_delay=options.retry_delay,
        )

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connects to the model and starts the tasks.

        Raises:
            BackendError: if the model cannot be reached in time.
        """
        await self._link.open()
        self.ears.start()
        self._spawn(self.mouth.run(), "mouth")
        self._spawn(self._output.run(), "s2s-audio")
        self._on_linked()

    async def close(self) -> None:
        """Ends all tasks and connections, within a deadline."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        self.ears.stop()
        self._words.flush()
        for task in self._tasks:
            task.cancel()
        leaving = asyncio.create_task(self._link.close())
        _, left = await asyncio.wait({*self._tasks, leaving}, timeout=_STOP_DEADLINE)
        for task in left:
            task.cancel()
            log.warning("task %s did not end in %.1f s and was abandoned", task.get_name(), _STOP_DEADLINE)
        await self.mouth.close()

    @property
    def task_count(self) -> int:
        """Tasks of this pipeline."""
        return len(self._tasks) + (2 if self._source_task is not None else 0)

    def _spawn(self, coroutine: Any, name: str) -> asyncio.Task[None]:
        options = self._options
        task: asyncio.Task[None] = asyncio.create_task(
            coroutine, name=f"{options.session_id}:{name}", context=options.new_context
        )
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or self._closing:
            return
        error = task.exception()
        if error is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)
            message = f"{type(error).__name__}: {error}"
            self.error(PipelineError("pipeline", "pipeline_error", message), "session")
            self.tell(inp.Stop("error"))

    async def _setup(self) -> s2s.S2SSetup:
        brain, model_reasons = self._owner.brain, self._realtime.reasoning == "model"
        return s2s.S2SSetup(
            instructions=brain.instructions if model_reasons else "",
            tools=await brain.tools() if model_reasons else (),
            turns=self._realtime.turns,
            answers=model_reasons,
            interruptible=self._realtime.settings.allow_interruptions,
            history=self._tools.history(self._owner.history),
            language=self._options.language,
        )

    def use_brain(self) -> None:
        """The session's brain is another one, or has other tools."""
        if self._realtime.reasoning == "model":
            self._spawn(self._update(), "s2s-update")

    async def _update(self) -> None:
        brain = self._owner.brain
        tools = await brain.tools()
        if self._link.stream is not None:
            self._link.stream.update(brain.instructions, tools)

    # --- the user's audio ---------------------------------------------------------------------------------

    async def hear(self, frame: AudioFrame) -> None:
        """Takes a frame of the user's audio."""
        if self._closing:
            return
        if self._pre_s2s:
            passed = await self._pre_s2s.run(frame)
            if passed is None:
                return
            frame = passed
        self.ears.hear(frame)
        self.mouth.tick()

    def typed(self, text: str, participant: str = "") -> None:
        """Takes words that the user typed."""
        self._words.typed_by = participant
        self.tell(inp.TypedText(text))

    def emit(self, event: ev.SessionEvent) -> None:
        """Passes on what only the outside is told."""
        self._owner.emit(event)

    def on_audio_time(self, at: float) -> None:
        """The ear has judged the audio up to ``at``: deadlines of the turn are due on this clock."""
        deadline = self.turns.deadline()
        if deadline is not None and at >= deadline:
            self._wake(at)

    def _needed_from(self) -> float:
        """From where on the model may have to hear the user again, if the connection is lost."""
        c = self.turns.c
        return c.onset if c.turn_open or c.state in ("thinking", "deciding") else self._timeline.now()

    # --- the core's turn ----------------------------------------------------------------------------------

    def tell(self, event: Any, now: float | None = None) -> None:
        """Tells the core what happened and carries out what it decides."""
        at = self._timeline.now() if now is None else now
        self._owner.record("input", at, event)
        if isinstance(event, rt.SpeechPaused | inp.SpeechEnded):
            self._times.voice_ended(event.at)
        elif isinstance(event, rt.SpeechResumed | inp.SpeechStarted):
            self._times.voice_began()
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

    # --- the model ----------------------------------------------------------------------------------------

    def _on_linked(self) -> None:
        self._up.set()
        self._words.forget_due()
        self._input.attach(self._link.stream)
        self._owner.emit(ev.ModelEvent(at=self._timeline.now(), state="connected"))
        self.tell(rt.Linked(self._able.session_limit))

    def _on_link_lost(self) -> None:
        self._up.clear()
        self._input.attach(None)
        self._owner.emit(ev.ModelEvent(at=self._timeline.now(), state="reconnecting"))
        self.tell(rt.LinkLost())
        self._piece_over(done=False)

    def _on_model(self, event: s2s.S2SEvent) -> None:
        match event:
            case s2s.AgentAudio(response, item, data):
                if self.turns.accepts(response):
                    self._output.audio(item, data, self._able.output_sample_rate)
                    self.tell(rt.ResponseProgress(response))
            case s2s.AgentWords(response, item, text):
                if self.turns.accepts(response):
                    self._output.words(item, text)
            case s2s.InputSpeechStarted():
                self.tell(rt.ModelHeard())
            case s2s.InputSpeechEnded():
                self.tell(rt.ModelPaused())
            case s2s.InputCommitted(item):
                self._words.committed(item, self.turns.c.turn)
            case s2s.UserWords(item, text, final):
                self._on_user_words(item, text, final=final)
            case s2s.SessionExpiring(seconds):
                self.tell(rt.Expiring(seconds))
            case s2s.ModelError(code, message):
                self.error(PipelineError("s2s", "pipeline_error", message, {"vendor_code": code}), "s2s")
            case _:
                self._on_response(event)

    def _on_response(self, event: s2s.S2SEvent) -> None:
        match event:
            case s2s.ResponseStarted(response):
                self.tell(rt.ResponseBegan(response))
                if self._piece is not None and not self._piece_response and self.turns.accepts(response):
                    self._piece_response = response
            case s2s.ToolCalled(response, call):
                if self.turns.accepts(response):
                    self._tools.add(call)
                    self.tell(rt.ToolAsked(response))
            case s2s.ResponseEnded(response, status, reason):
                failed = status in ("failed", "incomplete")
                if failed and self.turns.accepts(response):
                    self.error(
                        PipelineError("s2s", "pipeline_error", f"the answer is {status}: {reason}"), "s2s"
                    )
                self.tell(rt.ResponseOver(response, failed))
                if response == self._piece_response:
                    self._piece_over(done=True)
                self._tools_idle()
            case s2s.Usage():
                self._used(event)
            case _:
                log.debug("session %s: the model told %s", self._options.session_id, type(event).__name__)

    def _on_user_words(self, item: str, text: str, *, final: bool) -> None:
        utterance = self._words.take(item, text, final=final)
        if utterance is None:
            return
        c = self.turns.c
        over_agent = utterance is self._words.over_agent
        if over_agent if c.candidate is not None and not c.words_due else utterance.turn == c.turn:
            self.tell(rt.Words(utterance.text, utterance.final))
        self._words.tell(utterance)

    def _chain(self, stage: Any) -> ProcessorChain:
        return ProcessorChain(
            self._options.processors,
            stage,
            session_id=self._options.session_id,
            metadata=self._options.metadata,
            on_error=lambda error: self.error(error, "processor"),
        )
