"""The agent's side of a pipeline: one reply at a time, from its words to what was heard of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from beluga_voice import events as ev
from beluga_voice.core import inputs as inp
from beluga_voice.errors import BackendError, PipelineError
from beluga_voice.pipeline.mouth import Mouth, MouthEvents
from beluga_voice.pipeline.owner import Owner
from beluga_voice.pipeline.parts import Parts, Sink
from beluga_voice.pipeline.processors import ProcessorChain
from beluga_voice.pipeline.reply import Reply, ReplyEvents
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.turn_times import ReplyTimes, TurnTimes

__all__ = ["Speech"]


@dataclass(frozen=True, slots=True)
class _Guess:
    """A reply that is prepared before its turn is decided."""

    number: int
    reply: Reply
    task: asyncio.Task[None]


class Speech:
    """Makes replies, has the mouth speak them and settles what was heard.

    Args:
        parts: the backend's providers.
        owner: the session.
        sink: takes the audio.
        timeline: the session's.
        sample_rate: of the audio, in Hz.
        post_tts: custom steps behind the voice.
        times: of the present turn.
        max_prepared: pieces of text a prepared reply may come to.
        timeout: seconds the agent and the voice may take.
        spawn: starts a task that its owner awaits.
        tell: tells the turn core.
        error: reports a failure that the session survives.
    """

    def __init__(
        self,
        *,
        parts: Parts,
        owner: Owner,
        sink: Sink,
        timeline: Timeline,
        sample_rate: int,
        post_tts: ProcessorChain,
        times: TurnTimes,
        max_prepared: int,
        timeout: float,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        tell: Callable[[inp.Input], None],
        error: Callable[[BackendError, str], None],
    ) -> None:
        self._parts = parts
        self._owner = owner
        self._timeline = timeline
        self._rate = sample_rate
        self._post_tts = post_tts
        self._times = times
        self._max_prepared = max_prepared
        self._timeout = timeout
        self._spawn = spawn
        self._tell = tell
        self._error = error
        self._reply: Reply | None = None
        self._task: asyncio.Task[None] | None = None
        self._guess: _Guess | None = None
        events = MouthEvents(
            started=self._on_audible,
            progress=lambda reply: tell(inp.PlayoutProgress(reply)),
            words=self._on_words,
            finished=self._on_finished,
            failed=self._on_sink_failed,
        )
        self.mouth = Mouth(sink, timeline, sample_rate, events)

    @property
    def task_count(self) -> int:
        """Tasks inside the reply, beside its own."""
        guess = self._guess.task if self._guess is not None else None
        return 2 * sum(task is not None and not task.done() for task in (self._task, guess))

    def begin(self, number: int, turn: int, pieces: AsyncIterator[Any], error_reply: str) -> None:
        """Starts reply ``number`` to ``turn`` (0 for none)."""
        self._reply = self._make(number, turn, pieces, error_reply)
        self._task = self._spawn(self._reply.run(), f"reply-{number}")

    def prepare(self, guess: int, turn: int, pieces: AsyncIterator[Any], error_reply: str) -> None:
        """Starts a reply that nobody hears before `release`; ``guess`` names it."""
        reply = self._make(0, turn, pieces, error_reply)
        reply.prepared, reply.max_prepared = True, self._max_prepared
        self._guess = _Guess(guess, reply, self._spawn(reply.run(), f"guess-{guess}"))

    def prepared(self, guess: int) -> bool:
        """Whether the reply that was prepared as ``guess`` is there to be released."""
        return self._guess is not None and self._guess.number == guess

    def release(self, number: int) -> None:
        """The prepared reply is reply ``number``."""
        guess, self._guess = self._guess, None
        assert guess is not None
        self._reply, self._task = guess.reply, guess.task
        self._owner.emit(self._told(guess, "used"))
        guess.reply.release(number)

    def abandon(self, guess: int) -> None:
        """The prepared reply is not wanted."""
        if self._guess is None or self._guess.number != guess:
            return
        given_up, self._guess = self._guess, None
        given_up.task.cancel()
        self._owner.emit(self._told(given_up, "abandoned"))

    def _told(self, guess: _Guess, outcome: Literal["used", "abandoned"]) -> ev.SpeculationEvent:
        reply = guess.reply
        return ev.SpeculationEvent(
            at=self._timeline.now(),
            turn=reply.turn,
            outcome=outcome,
            pieces=reply.pieces_taken,
            characters=len(reply.text),
        )

    def _make(self, number: int, turn: int, pieces: AsyncIterator[Any], error_reply: str) -> Reply:
        return Reply(
            number=number,
            turn=turn,
            pieces=pieces,
            mouth=self.mouth,
            tts=self._parts.tts,
            post_tts=self._post_tts,
            sample_rate=self._rate,
            now=self._timeline.now,
            events=ReplyEvents(ended=self._on_ended, failed=self._fail, error=self._error),
            error_reply=error_reply,
            timeout=self._timeout,
            times=ReplyTimes(self._timeline.now()),
        )

    def cancel(self, number: int) -> None:
        """Makes no more of reply ``number``."""
        if self._reply is not None and self._reply.number == number and self._task is not None:
            self._task.cancel()

    def stop(self, number: int) -> None:
        """Cuts the voice now."""
        heard = self.mouth.stop()
        self._settle(number, heard, interrupted=True)
        self._tell(inp.PlayoutStopped(number, heard))

    def give_up(self, number: int) -> None:
        """Ends reply ``number`` from outside: what was heard of it is history, the turn core is told that it failed."""
        self.cancel(number)
        self._fail(number)

    def say_now(self, number: int, text: str) -> None:
        """Adds ``text`` to the reply in progress, before its further words."""
        if self._reply is not None and self._reply.number == number:
            self._reply.say(text)

    # --- what happens to it -------------------------------------------------------------------------------

    def _on_audible(self, reply: int) -> None:
        now = self._timeline.now()
        if self._reply is not None and self._reply.number == reply:
            self._owner.emit(ev.TurnEvent(at=now, turn=self._reply.turn, phase="agent_started"))
            metrics = self._times.metrics(self._reply.turn, self._reply.times, now, self.mouth.output_delay)
            if metrics is not None:
                self._owner.emit(metrics)
        self._tell(inp.PlayoutStarted(reply))

    def _on_words(self, reply: int, words: str) -> None:
        turn = self._reply.turn if self._reply is not None and self._reply.number == reply else 0
        self._owner.emit(ev.AgentTextEvent(at=self._timeline.now(), turn=turn, text=words))
        self._tell(inp.WordsHeard(reply, words))

    def _on_ended(self, reply: int, audio: bool) -> None:
        self._tell(inp.ReplyEnded(reply, audio))

    def _fail(self, reply: int) -> None:
        self._settle(reply, self.mouth.stop(), interrupted=True)
        self._tell(inp.ReplyFailed(reply))

    def _on_finished(self, reply: int) -> None:
        self._settle(reply, self.mouth.heard(), interrupted=False)
        self._tell(inp.PlayoutFinished(reply))

    def _on_sink_failed(self, error: Exception) -> None:
        wrapped = error if isinstance(error, BackendError) else PipelineError(
            "send_audio", "pipeline_error", f"the transport failed: {type(error).__name__}: {error}"
        )  # fmt: skip
        self._error(wrapped, "transport")
        if self._reply is not None:
            self._fail(self._reply.number)

    def _settle(self, reply: int, heard: str, *, interrupted: bool) -> None:
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
