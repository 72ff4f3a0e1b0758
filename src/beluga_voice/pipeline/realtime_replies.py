"""The agent's side of the speech-to-speech pipeline: what the core decides about replies, carried out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from beluga_voice import events as ev
from beluga_voice import speech_to_speech as s2s
from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.realtime import RealtimeMachine
from beluga_voice.errors import BackendError, PipelineError
from beluga_voice.interfaces import UserTurn
from beluga_voice.pipeline.mouth import Mouth
from beluga_voice.pipeline.parts import PipelineOptions
from beluga_voice.pipeline.realtime_ears import RealtimeEars
from beluga_voice.pipeline.realtime_input import RealtimeInput
from beluga_voice.pipeline.realtime_link import ModelLink
from beluga_voice.pipeline.realtime_output import RealtimeOutput, RealtimeReply
from beluga_voice.pipeline.realtime_parts import RealtimeOwner
from beluga_voice.pipeline.realtime_source import TextSource
from beluga_voice.pipeline.realtime_tools import RealtimeTools
from beluga_voice.pipeline.realtime_words import Transcripts
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.turn_times import TurnTimes

__all__ = ["RealtimeReplies"]


class RealtimeReplies:
    """Command handlers and what the mouth tells; `beluga_voice.pipeline.realtime.Realtime` has the rest."""

    turns: RealtimeMachine
    mouth: Mouth
    ears: RealtimeEars
    _options: PipelineOptions
    _owner: RealtimeOwner
    _timeline: Timeline
    _timeout: float
    _output: RealtimeOutput
    _input: RealtimeInput
    _words: Transcripts
    _tools: RealtimeTools
    _link: ModelLink
    _times: TurnTimes
    _up: asyncio.Event

    def __init__(self) -> None:
        self._told_turn = 0
        self._source: TextSource | None = None
        self._source_task: asyncio.Task[None] | None = None
        self._piece: asyncio.Future[bool] | None = None
        self._piece_response = ""
        self._turn_text = ""
        self._usage: list[s2s.Usage] = []

    def tell(self, event: Any, now: float | None = None) -> None:
        """Tells the core what happened."""
        raise NotImplementedError

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        raise NotImplementedError

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

    # --- who has the word -------------------------------------------------------------------------------------

    def _do_MoveTo(self, c: cmd.MoveTo) -> None:
        now = self._timeline.now()
        self._owner.emit(ev.StateEvent(at=now, state=c.state, previous=c.previous))  # pyright: ignore[reportArgumentType]
        turn = self.turns.c.turn
        if self.turns.c.turn_open:
            self._words.became_turn(turn)
            if turn != self._told_turn:
                self._told_turn = turn
                self._owner.emit(ev.TurnEvent(at=now, turn=turn, phase="user_started"))

    def _do_CommitTurn(self, c: cmd.CommitTurn) -> None:
        now = self._timeline.now()
        self._turn_text = c.text
        self._times.commit(c.turn, c.speech_end, now, c.reason, c.evidence)
        if c.reason == "model" and self.turns.c.voiced:
            self._times.decided_in_voice()
        if self._told_turn != c.turn:  # typed out of silence: it began and ended at once
            self._told_turn = c.turn
            self._owner.emit(ev.TurnEvent(at=now, turn=c.turn, phase="user_started"))
        self._words.commit(c.turn, c.text if c.reason == "typed" else None)
        self._owner.emit(ev.TurnEvent(at=now, turn=c.turn, phase="user_ended", text=c.text))

    def _do_RetractTurn(self, c: cmd.RetractTurn) -> None:
        self._words.retract(c.turn)

    def _do_DiscardSpeech(self, c: cmd.DiscardSpeech) -> None:
        self._words.over_agent = None
        self._told_turn = min(self._told_turn, self.turns.c.turn)
        self._owner.emit(ev.BackchannelEvent(at=self._timeline.now(), onset=c.onset, text=c.text))

    def _do_UserAway(self, c: cmd.UserAway) -> None:
        self._owner.emit(ev.UserAwayEvent(at=self._timeline.now(), silent_for=c.silent_for))

    def _do_Fault(self, c: cmd.Fault) -> None:
        self.error(PipelineError("turn", "timeout", c.message), c.stage)

    def _do_Close(self, c: cmd.Close) -> None:
        self._owner.closed(c.reason)

    # --- the model's ears -------------------------------------------------------------------------------------

    def _do_SendFrom(self, c: rt.SendFrom) -> None:
        self._input.send_from(c.at)

    def _do_StopSending(self, _: rt.StopSending) -> None:
        self._input.stop()

    def _do_CommitInput(self, _: rt.CommitInput) -> None:
        self._input.stop()
        if self._link.stream is not None:
            c = self.turns.c
            self._words.expect(0 if c.candidate is not None else c.turn)
            self._link.stream.commit()

    def _do_DiscardInput(self, _: rt.DiscardInput) -> None:
        self._input.stop()
        if self._link.stream is not None:
            self._link.stream.discard()

    def _do_SendText(self, c: rt.SendText) -> None:
        if self._link.stream is not None:
            self._link.stream.send_text(c.text)

    # --- the connection ---------------------------------------------------------------------------------------

    def _do_Relink(self, _: rt.Relink) -> None:
        self._link.relink()

    def _do_Renew(self, _: rt.Renew) -> None:
        self._link.renew()

    def _do_SwitchOver(self, _: rt.SwitchOver) -> None:
        self._piece_over(done=False)
        self._link.switch_over()
        self._words.forget_due()
        self._input.attach(self._link.stream)
        self._owner.emit(ev.ModelEvent(at=self._timeline.now(), state="renewed"))

    def _do_DropSpare(self, _: rt.DropSpare) -> None:
        self._link.drop_spare()

    # --- replies ----------------------------------------------------------------------------------------------

    def _do_OpenReply(self, c: rt.OpenReply) -> None:
        self._output.open(c.reply, c.turn, held=c.held)

    def _do_AskModel(self, _: rt.AskModel) -> None:
        if self._link.stream is not None:
            self._link.stream.respond()

    def _do_EndReply(self, c: rt.EndReply) -> None:
        self._output.end(c.reply)

    def _do_RunTools(self, c: rt.RunTools) -> None:
        turn = self._turn(self.turns.c.reply_turn, self._turn_text)
        self._tools.run(self._owner.context(turn, c.reply))

    def _tools_idle(self) -> None:
        """All tools have ended: the model goes on, unless more may come of the same response."""
        c = self.turns.c
        if self._tools.idle and c.calls and not c.responses:
            self.tell(rt.ToolsDone(c.reply))

    def _do_StartReply(self, c: cmd.StartReply) -> None:
        pieces = self._owner.answer(self._turn(c.turn, c.text), c.reply)
        self._start_source(c.reply, pieces, self._options.error_reply)

    def _turn(self, number: int, text: str) -> UserTurn:
        return self._words.user_turn(number, text)

    def _do_StartSay(self, c: cmd.StartSay) -> None:
        self._start_source(c.reply, self._owner.say_pieces(c.text), "")

    def _start_source(self, reply: int, pieces: AsyncIterator[Any], error_reply: str) -> None:
        source = TextSource(
            pieces,
            speak=lambda text: self._speak(reply, text),
            play=lambda pcm, rate: self._output.audio("", pcm, rate),
            timeout=self._timeout,
            error_reply=error_reply,
            on_text=self._on_agent_text,
            on_error=self.error,
        )
        self._source = source
        self._source_task = self._spawn(self._run_source(reply, source), f"reply-{reply}")

    def _on_agent_text(self) -> None:
        reply = self._output.reply
        if reply is not None and reply.times.first_text is None:
            reply.times.first_text = self._timeline.now()

    async def _run_source(self, reply: int, source: TextSource) -> None:
        try:
            await source.run()
        except* BackendError as group:
            for error in group.exceptions:
                if isinstance(error, BackendError):
                    self.error(error, "s2s")
        finally:
            if self._source is source:
                self._source = self._source_task = None
        self.tell(rt.SourceEnded(reply))

    async def _speak(self, reply: int, text: str) -> None:
        """Has the model speak ``text``; once more if the connection is lost before it begins."""
        while reply == self.turns.c.reply and not self.turns.c.ended:
            await self._up.wait()
            stream = self._link.stream
            if stream is None:
                await asyncio.sleep(0)
                continue
            self._piece, self._piece_response = asyncio.get_running_loop().create_future(), ""
            self.tell(rt.PieceAsked(reply))
            stream.respond(text)
            try:
                if await self._piece:
                    return
            finally:
                self._piece = None

    def _piece_over(self, *, done: bool) -> None:
        if self._piece is not None and not self._piece.done():
            self._piece.set_result(done or bool(self._piece_response))

    def say_now(self, reply: int, text: str) -> None:
        """Adds ``text`` to the reply in progress, before its further words."""
        if reply != self.turns.c.reply:
            return
        if self._source is not None:
            self._source.say(text)
        else:
            self._spawn(self._speak(reply, text), f"say-{reply}")

    def _do_CancelReply(self, c: cmd.CancelReply) -> None:
        if self._source_task is not None:
            self._source_task.cancel()
            self._source = self._source_task = None
        self._tools.cancel()
        if self._link.stream is not None and c.reason != "model_stopped":
            self._link.stream.cancel()

    def _do_Duck(self, _: cmd.Duck) -> None:
        self.mouth.duck()

    def _do_Hold(self, _: cmd.Hold) -> None:
        self.mouth.hold()

    def _do_Resume(self, _: cmd.Resume) -> None:
        self._output.release()

    def _do_StopPlayout(self, c: cmd.StopPlayout) -> None:
        if self._output.reply is None or self._output.reply.number != c.reply:
            return
        heard = self.mouth.stop()
        reply = self._output.drop()
        assert reply is not None
        self._tell_usage(wasted=not reply.audible)
        if self._link.stream is not None:
            for item, seconds in reply.heard(self.mouth.played if reply.audible else 0.0):
                self._link.stream.truncate(item, seconds)
        self._settle(reply, heard, interrupted=True)

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

    # --- what the mouth tells -----------------------------------------------------------------------------------

    def _on_audible(self, number: int) -> None:
        now, reply = self._timeline.now(), self._output.reply
        self._tell_usage(wasted=False)
        if reply is not None and reply.number == number:
            reply.audible = True
            self._owner.emit(ev.TurnEvent(at=now, turn=reply.turn, phase="agent_started"))
            metrics = self._times.metrics(reply.turn, reply.times, now, self.mouth.output_delay)
            if metrics is not None:
                self._owner.emit(metrics)
        self.tell(inp.PlayoutStarted(number))

    def _on_words(self, number: int, words: str) -> None:
        reply = self._output.reply
        turn = reply.turn if reply is not None and reply.number == number else 0
        self._owner.emit(ev.AgentTextEvent(at=self._timeline.now(), turn=turn, text=words))

    def _on_ended(self, number: int, audio: bool) -> None:
        if not audio and self._output.reply is not None and not self.turns.c.held:
            self._output.drop()
            self._tell_usage(wasted=False)
        self.tell(inp.ReplyEnded(number, audio))

    def _on_finished(self, number: int) -> None:
        reply = self._output.reply
        if reply is not None and reply.number == number:
            self._output.drop()
            self._settle(reply, self.mouth.heard(), interrupted=False)
        self.tell(inp.PlayoutFinished(number))

    def _on_sink_failed(self, error: Exception) -> None:
        wrapped = error if isinstance(error, BackendError) else PipelineError(
            "send_audio", "pipeline_error", f"the transport failed: {type(error).__name__}: {error}"
        )  # fmt: skip
        self.error(wrapped, "transport")
        reply = self._output.drop()
        if reply is not None:
            self.mouth.stop()
            self._settle(reply, self.mouth.heard(), interrupted=True)
            self.tell(inp.ReplyFailed(reply.number))

    def _used(self, usage: s2s.Usage) -> None:
        """Whether tokens were wasted is known when their words are heard, or thrown away."""
        self._usage.append(usage)
        reply = self._output.reply
        if not self.turns.accepts(usage.response):
            self._tell_usage(wasted=True)
        elif reply is not None and reply.audible:
            self._tell_usage(wasted=False)

    def _tell_usage(self, *, wasted: bool) -> None:
        used, self._usage = self._usage, []
        for usage in used:
            self._owner.emit(
                ev.UsageEvent(
                    at=self._timeline.now(),
                    turn=self.turns.c.reply_turn,
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    details=dict(usage.details),
                    wasted=wasted,
                )
            )

    def _settle(self, reply: RealtimeReply, heard: str, *, interrupted: bool) -> None:
        """What was heard becomes history, once."""
        if not reply.audible:
            return
        self._times.last_heard = heard
        now = self._timeline.now()
        if heard:
            self._words.agent_said(reply.turn, heard, now, interrupted)
            self._owner.emit(ev.AgentTextEvent(at=now, turn=reply.turn, text=heard, final=True))
        ended = ev.TurnEvent(
            at=now, turn=reply.turn, phase="agent_ended", text=heard, interrupted=interrupted
        )
        self._owner.emit(ended)
