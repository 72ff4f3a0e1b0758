"""STT → agent → TTS around the turn core: tells it what happens and does what it decides."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from beluga_voice import events as ev
from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.turn import TurnMachine
from beluga_voice.core.voices import plain, rendered, utterances
from beluga_voice.errors import BackendError, PipelineError
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import UserTurn
from beluga_voice.pipeline.ears import Ears
from beluga_voice.pipeline.owner import Owner
from beluga_voice.pipeline.parts import Parts, PipelineOptions, Sink
from beluga_voice.pipeline.processors import ProcessorChain
from beluga_voice.pipeline.reference import ReferenceSink
from beluga_voice.pipeline.speech import Speech
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.transcript import Transcript
from beluga_voice.pipeline.turn_times import TurnTimes

__all__ = ["Cascade"]

log = logging.getLogger(__name__)

# Turn deadlines follow the user's audio. When none arrives, the clock takes over after this grace.
_CLOCK_GRACE = 0.12
_STOP_DEADLINE = 1.5


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
        self._replying = 0
        self._transcript = Transcript()
        self._times = TurnTimes(options.latency_target)
        self._closing = False
        self.ears = Ears(parts, options, timeline, timeout, self, self._spawn)
        self._pre_stt = self._chain("pre_stt")
        self._speech = Speech(
            parts=parts,
            owner=owner,
            sink=sink if parts.noise is None else ReferenceSink(sink, self.ears.played),
            timeline=timeline,
            sample_rate=self.output_sample_rate,
            post_tts=self._chain("post_tts"),
            times=self._times,
            max_prepared=options.turn.max_guess_pieces,
            timeout=timeout,
            spawn=self._spawn,
            tell=self.tell,
            error=self.error,
        )
        self.mouth = self._speech.mouth

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the recogniser and starts the tasks.

        Raises:
            BackendError: if the recogniser cannot be opened in time.
        """
        await self.ears.start()
        self._spawn(self.mouth.run(), "mouth")
        self._arm()

    async def close(self) -> None:
        """Ends all tasks and streams, within a deadline."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        self.ears.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=_STOP_DEADLINE)
            for task in left:
                log.warning(
                    "task %s did not end in %.1f s and was abandoned", task.get_name(), _STOP_DEADLINE
                )
        await self.mouth.close()
        await self.ears.close()

    @property
    def task_count(self) -> int:
        """Tasks of this pipeline, those inside a reply included."""
        return len(self._tasks) + self._speech.task_count

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
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
            self.error(
                PipelineError("pipeline", "pipeline_error", f"{type(error).__name__}: {error}"), "session"
            )
            self.tell(inp.Stop("error"))

    # --- in -----------------------------------------------------------------------------------------------

    async def hear(self, frame: AudioFrame) -> None:
        """Takes a frame of somebody's audio."""
        if self._closing:
            return
        if self._pre_stt:
            passed = await self._pre_stt.run(frame)
            if passed is None:
                return
            frame = passed
        self.ears.hear(frame)
        self.mouth.tick()

    def typed(self, text: str, participant: str = "") -> None:
        """Takes words that somebody typed."""
        self.tell(inp.TypedText(self.ears.said(participant, text)))

    def heard(self, event: inp.Input, now: float) -> None:
        """The ears tell what they hear."""
        if (
            isinstance(event, inp.SpeechSuspected | inp.SpeechDismissed)
            and self.turns.state is not State.SPEAKING
        ):
            return  # there is no voice to lower
        if isinstance(event, inp.FinalText):
            self._times.final(self._timeline.now())
        self.tell(event, now)
        if isinstance(event, inp.FinalText):
            self._ask_judge()
        if isinstance(event, inp.FinalText | inp.PartialText) and self.turns.c.turn_open:
            c, now = self.turns.c, self._timeline.now()
            for told in self._transcript.partial(c.turn, self.turns.words(), now):
                self._owner.emit(told)

    def on_audio_time(self, at: float) -> None:
        """The ears have judged the audio up to ``at``: deadlines of the turn are due on this clock."""
        deadline = self.turns.deadline()
        if deadline is not None and at >= deadline:
            self._wake(at)

    def emit(self, event: ev.SessionEvent) -> None:
        """Passes on what only the outside is told."""
        self._owner.emit(event)

    def _ask_judge(self) -> None:
        c = self.turns.c
        text = self.turns.words() if c.turn_open and not c.voiced else ""
        if text:
            self.ears.ask_judge(text, c.onset)

    # --- the core's turn ----------------------------------------------------------------------------------

    def tell(self, event: inp.Input, now: float | None = None) -> None:
        """Tells the turn core what happened and carries out what it decides."""
        at = self._timeline.now() if now is None else now
        self._owner.record("input", at, event)
        self.turns.feed(event, at)
        self._perform_all()
        if isinstance(event, inp.PlayoutStarted | inp.PlayoutProgress):
            self._owner.reply_alive()

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
        if self._replying and self.turns.c.reply != self._replying:
            self._replying = 0
            self._owner.reply_over()

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
        if self.turns.c.turn_open and turn != self._transcript.turn:
            self._transcript.begin(turn)
            self._owner.emit(ev.TurnEvent(at=now, turn=turn, phase="user_started"))

    def _do_AskFinal(self, c: cmd.AskFinal) -> None:
        self._times.asked()
        self.ears.ask_final(c.at)
        self._ask_judge()

    def _do_CommitTurn(self, c: cmd.CommitTurn) -> None:
        now = self._timeline.now()
        turn = self._turn(c.turn, c.text)
        self._times.commit(c.turn, c.speech_end, now, c.reason, c.evidence)
        self._owner.user_said(turn, now)
        for told in self._transcript.final(c.turn, turn.utterances, now):
            self._owner.emit(told)
        self._owner.emit(ev.TurnEvent(at=now, turn=c.turn, phase="user_ended", text=turn.text))

    def _turn(self, number: int, text: str) -> UserTurn:
        said = utterances(text)
        return UserTurn(number, rendered(said, self._owner.name_of), said[-1][0] if said else "", said)

    def _do_RetractTurn(self, c: cmd.RetractTurn) -> None:
        self._owner.user_took_back(c.turn)

    def _do_Speculate(self, c: cmd.Speculate) -> None:
        turn = self._turn(c.turn, c.text)
        pieces = self._owner.prepare(turn)
        if pieces is not None:
            self._speech.prepare(c.guess, c.turn, pieces, self._options.error_reply)

    def _do_Abandon(self, c: cmd.Abandon) -> None:
        self._speech.abandon(c.guess)

    def _do_StartReply(self, c: cmd.StartReply) -> None:
        self._replying = c.reply
        turn = self._turn(c.turn, c.text)
        if not self._owner.answers(turn, self.turns.c.onset):
            self._speech.abandon(c.guess)
            self.tell(inp.ReplyEnded(c.reply, audio=False))
        elif c.guess and self._speech.prepared(c.guess):
            self._owner.take_prepared(c.reply)
            self._speech.release(c.reply)
        else:
            pieces = self._owner.answer(turn, c.reply)
            self._speech.begin(c.reply, c.turn, pieces, self._options.error_reply)

    def _do_StartSay(self, c: cmd.StartSay) -> None:
        self._replying = c.reply
        self._speech.begin(c.reply, c.turn, self._owner.say_pieces(c.text), "")

    def _do_CancelReply(self, c: cmd.CancelReply) -> None:
        self._speech.cancel(c.reply)

    def _do_Duck(self, _: cmd.Duck) -> None:
        self.mouth.duck()

    def _do_Hold(self, _: cmd.Hold) -> None:
        self.mouth.hold()

    def _do_Resume(self, _: cmd.Resume) -> None:
        self.mouth.resume()

    def _do_StopPlayout(self, c: cmd.StopPlayout) -> None:
        self._speech.stop(c.reply)

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
        self._transcript.drop()
        self._owner.emit(ev.BackchannelEvent(at=self._timeline.now(), onset=c.onset, text=plain(c.text)))

    def _do_UserAway(self, c: cmd.UserAway) -> None:
        self._owner.emit(ev.UserAwayEvent(at=self._timeline.now(), silent_for=c.silent_for))

    def _do_Fault(self, c: cmd.Fault) -> None:
        self.error(PipelineError("turn", "timeout", c.message), c.stage)

    def _do_Close(self, c: cmd.Close) -> None:
        self._owner.closed(c.reason)

    # --- out ----------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since the session began."""
        return self._timeline.now()

    def give_up_reply(self) -> None:
        """Ends the reply in progress from outside: silence now."""
        if self.turns.c.reply:
            self._speech.give_up(self.turns.c.reply)

    def say_now(self, reply: int, text: str) -> None:
        """Adds ``text`` to the reply in progress, before its further words."""
        self._speech.say_now(reply, text)

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

    def _chain(self, stage: Any) -> ProcessorChain:
        return ProcessorChain(
            self._options.processors,
            stage,
            session_id=self._options.session_id,
            metadata=self._options.metadata,
            on_error=lambda error: self.error(error, "processor"),
        )
