"""Who speaks: the turn-taking state machine. Its table is in `beluga_voice.core.transitions`.

Call `feed` with an input, or `wake` when `deadline` is reached, then `poll` until None. ``now`` never goes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import Candidate, Conversation, State
from beluga_voice.core.endpointing import endpointing_delay
from beluga_voice.core.overlap import Overlap
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.transitions import TABLE

__all__ = ["State", "TurnMachine"]

MAX_PENDING_SAYS = 16

_L, _U, _D, _T, _S, _I, _R, _C = (
    State.LISTENING,
    State.USER_SPEAKING,
    State.DECIDING,
    State.THINKING,
    State.SPEAKING,
    State.INTERRUPTED,
    State.DRAINING,
    State.CLOSED,
)


class TurnMachine(Overlap):
    """One conversation's turns.

    Args:
        settings: deadlines and thresholds.
        now: the first reading of the session's timeline, in seconds.
    """

    def __init__(self, settings: TurnSettings, now: float = 0.0) -> None:
        self.settings = settings
        self.c = Conversation(now=now)
        self.ignored: dict[str, int] = {}
        self._out: deque[cmd.Command] = deque()
        self.c.timers["idle"] = now + settings.idle_timeout
        self._arm_away()

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self.c.state

    def feed(self, event: inp.Input, now: float) -> None:
        """Takes one input at ``now``; then call `poll` until None."""
        self._advance(now)
        self._dispatch(type(event).__name__, event)

    def wake(self, now: float) -> None:
        """Fires every timer that is due at ``now``, oldest first; then call `poll` until None."""
        self._advance(now)
        while self.c.timers:
            name = min(self.c.timers, key=self.c.timers.__getitem__)
            if self.c.timers[name] > self.c.now:
                return
            del self.c.timers[name]
            self._dispatch(f"timer:{name}", None)

    def poll(self) -> cmd.Command | None:
        """The next command to carry out, or None."""
        return self._out.popleft() if self._out else None

    def deadline(self) -> float | None:
        """When `wake` is next due; None only once closed."""
        return min(self.c.timers.values()) if self.c.timers else None

    def snapshot(self) -> dict[str, Any]:
        """The whole conversation as plain data."""
        return asdict(self.c)

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Takes over a `snapshot`."""
        self.c = Conversation.from_dict(snapshot)
        self._out.clear()

    # --- dispatch -----------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        self.c.now = max(self.c.now, now)

    def _dispatch(self, name: str, event: Any) -> None:
        before = self.c.state
        rule = TABLE[before].get(name)
        if rule is None or not self._current(event):
            self.ignored[name] = self.ignored.get(name, 0) + 1
            return
        handler: Callable[[Any], None] = getattr(self, rule[0])
        handler(event)
        if self.c.state not in rule[1]:
            raise AssertionError(f"{before} --{name}--> {self.c.state} is not in the table")

    def _current(self, event: Any) -> bool:
        """News of a reply that was given up, or of a segment that was settled, is late."""
        reply = getattr(event, "reply", None)
        if reply is not None:
            return reply == self.c.reply
        segment = getattr(event, "segment", None)
        return segment is None or segment >= self.c.first_segment

    def _emit(self, command: cmd.Command) -> None:
        self._out.append(command)

    def _move(self, state: State) -> None:
        previous = self.c.state
        if state is previous:
            return
        self.c.state = state
        keep = {"idle", "away"} if state is _L else set[str]()
        if state in (_T, _S):
            keep = {"reply", "candidate"}
        for name in [n for n in self.c.timers if n not in keep]:
            del self.c.timers[name]
        if state is _L:
            self.c.timers["idle"] = self.c.now + self.settings.idle_timeout
            self._arm_away()
        self._emit(cmd.MoveTo(state.value, previous.value))

    def _arm_away(self) -> None:
        if self.settings.user_away_timeout > 0:
            self.c.timers["away"] = self.c.now + self.settings.user_away_timeout

    # --- the user's turn ----------------------------------------------------------------------------------

    def _user_starts(self, event: inp.SpeechStarted) -> None:
        self._open_turn(event.at)
        self.c.voiced = True
        self._move(_U)
        self.c.timers["turn"] = self.c.now + self.settings.max_turn

    def _open_turn(self, onset: float) -> None:
        c = self.c
        if not c.turn_open:
            c.turn_open = True
            c.turn += 1
            c.onset = onset
        c.probability = None

    def _user_pauses(self, event: inp.SpeechEnded) -> None:
        self.c.voiced = False
        self._decide_from(event.at)

    def _decide_from(self, speech_end: float) -> None:
        c = self.c
        c.speech_end = speech_end
        c.probability = None
        self._move(_D)
        self._ask_final(speech_end)
        self._arm_endpoint()

    def _ask_final(self, at: float) -> None:
        self.c.asked += 1
        self.c.asked_at = self.c.now
        self._emit(cmd.AskFinal(at))

    def _user_goes_on(self, event: inp.SpeechStarted) -> None:
        self.c.voiced = True
        self._move(_U)
        self.c.timers["turn"] = self.c.now + self.settings.max_turn

    def _turn_too_long(self, _: None) -> None:
        self.c.forced = True
        self._decide_from(self.c.now)

    def _take_words(self, event: inp.PartialText | inp.FinalText) -> None:
        self.c.take_words(event.segment, event.text, final=isinstance(event, inp.FinalText))

    def _words(self, event: inp.PartialText | inp.FinalText) -> None:
        self._take_words(event)
        if self.c.state is _D:
            self._arm_endpoint()

    def _unexpected_words(self, event: inp.FinalText) -> None:
        """Words without a voice: a recogniser that hears better than the VAD."""
        self._take_words(event)
        if event.text.strip():
            self._open_turn(self.c.now)
            self.c.speech_end = self.c.now
            self._move(_D)
            self._arm_endpoint()

    def _close_segment(self, event: inp.SpeechEnded) -> None:
        """The end of speech that no longer matters; the recogniser must still finish its segment."""
        self.c.voiced = False
        self._ask_final(event.at)
        self.c.settle_words()

    def _probability(self, event: inp.TurnProbability) -> None:
        self.c.probability = event.probability
        self._arm_endpoint()

    def _arm_endpoint(self) -> None:
        """Sets when the silence is long enough; decides at once if it already is."""
        c, s = self.c, self.settings
        text = c.text()
        if c.finals_due > 0 and c.now < c.asked_at + s.final_timeout:
            due = c.asked_at + s.final_timeout
            if text:  # do not wait longer for a late final than the words deserve
                due = max(due, c.speech_end + endpointing_delay(text, c.probability, s))
        elif not text:
            due = c.now if c.finals_due <= 0 else c.speech_end + s.empty_turn_timeout
        elif c.forced:
            due = c.now
        else:
            due = c.speech_end + endpointing_delay(text, c.probability, s)
        if due <= c.now:
            self._endpoint(None)
        else:
            c.timers["endpoint"] = due

    def _endpoint(self, _: None) -> None:
        c = self.c
        text = c.text()
        if text:
            reason = "forced" if c.forced else "final_timeout" if c.finals_due > 0 else "silence"
            self._commit(text, reason)
        else:
            self._emit(cmd.DiscardSpeech(c.onset, "", "no_words"))
            self._forget_turn()
            self._next()

    def _commit(self, text: str, reason: str) -> None:
        c = self.c
        c.turn_open = False
        c.committed_text, c.committed_at = text, c.now
        # A monologue that was cut goes on as the next turn, behind a reply it must not interrupt.
        runs_on = c.forced and c.voiced
        c.settle_words()
        self._emit(cmd.CommitTurn(c.turn, text, c.speech_end, reason))
        self._begin_reply(c.turn, interruptible=not runs_on)
        self._emit(cmd.StartReply(c.reply, c.turn, text))
        if runs_on:
            c.first_segment = c.asked
            c.candidate = Candidate(onset=c.now)

    def _forget_turn(self) -> None:
        c = self.c
        if c.turn_open:
            c.turn_open = False
            c.turn -= 1
        c.settle_words()

    def _typed(self, event: inp.TypedText) -> None:
        c = self.c
        if c.state in (_T, _S, _I):
            self._drop_reply("typed", c.now)
        if not c.turn_open:
            self._open_turn(c.now)
        c.speech_end = c.now
        text = f"{c.text()} {event.text}".strip()
        self._commit(text, "typed")

    # --- the agent's reply --------------------------------------------------------------------------------

    def _begin_reply(self, turn: int, *, interruptible: bool = True) -> None:
        c = self.c
        c.last_reply += 1
        c.reply, c.reply_turn = c.last_reply, turn
        c.interruptible = interruptible and self.settings.allow_interruptions
        c.acted = c.audible = c.reply_ended = False
        c.candidate = None
        self._move(_T)
        c.timers["reply"] = c.now + self.settings.thinking_timeout

    def _say_now(self, event: inp.SayRequested) -> None:
        self._begin_reply(0, interruptible=event.interruptible)
        self._emit(cmd.StartSay(self.c.reply, event.text))

    def _say_later(self, event: inp.SayRequested) -> None:
        if len(self.c.says) >= MAX_PENDING_SAYS:
            self._emit(
                cmd.Fault(
                    "session", f"more than {MAX_PENDING_SAYS} things to say are waiting; one was dropped"
                )
            )
            return
        self.c.says.append((event.text, event.interruptible))

    def _tool_started(self, _: inp.ToolStarted) -> None:
        self.c.acted = True
        self._progress(None)

    def _audible(self, _: inp.PlayoutStarted) -> None:
        self.c.audible = True
        self._move(_S)
        self._progress(None)

    def _progress(self, _: Any) -> None:
        limit = self.settings.reply_gap_timeout if self.c.audible else self.settings.thinking_timeout
        self.c.timers["reply"] = self.c.now + limit

    def _reply_ended(self, event: inp.ReplyEnded) -> None:
        self.c.reply_ended = True
        if not event.audio:
            self._reply_over(event)

    def _reply_over(self, _: Any) -> None:
        c = self.c
        c.reply = 0
        candidate, c.candidate = c.candidate, None
        if candidate is None:
            self._next()
            return
        # The user began to speak while the last words were heard: that is an ordinary turn.
        self._open_turn(candidate.onset)
        if candidate.ended_at is None:
            self._move(_U)
            c.timers["turn"] = c.now + self.settings.max_turn
        else:
            c.speech_end = candidate.ended_at
            self._move(_D)
            self._arm_endpoint()

    def _next(self) -> None:
        """Silence on both sides: say what is waiting, or listen."""
        if self.c.says:
            text, interruptible = self.c.says.pop(0)
            self._begin_reply(0, interruptible=interruptible)
            self._emit(cmd.StartSay(self.c.reply, text))
        else:
            self._move(_L)

    def _reply_too_late(self, _: None) -> None:
        c = self.c
        stage = "tts" if c.audible else "agent"
        limit = self.settings.reply_gap_timeout if c.audible else self.settings.thinking_timeout
        self._emit(cmd.Fault(stage, f"no reply for {limit:g} s; it was given up"))
        self._emit(cmd.CancelReply(c.reply, "timeout"))
        if c.audible:
            self._emit(cmd.StopPlayout(c.reply))
        self._reply_over(None)

    # --- the end ------------------------------------------------------------------------------------------

    def _idle(self, _: None) -> None:
        self._close("idle")

    def _away(self, _: None) -> None:
        self._emit(cmd.UserAway(self.settings.user_away_timeout))

    def _stop(self, event: inp.Stop) -> None:
        c = self.c
        if not event.graceful or c.state not in (_T, _S):
            self._stop_now(event)
            return
        if c.candidate is not None and (c.candidate.held or c.candidate.ducked):
            self._emit(cmd.Resume(c.reply))
        c.candidate = None
        c.says.clear()
        c.close_reason = event.reason
        self._move(_R)
        c.timers["drain"] = c.now + self.settings.draining_timeout

    def _stop_now(self, event: inp.Stop) -> None:
        if self.c.state is _R and event.graceful:
            return
        if self.c.reply:
            self._emit(cmd.CancelReply(self.c.reply, "stopped"))
            self._emit(cmd.StopPlayout(self.c.reply))
        self._close(event.reason)

    def _drain_on(self, _: Any) -> None:
        """Being heard is no reason to wait longer than the drain deadline."""

    def _drain_reply_ended(self, event: inp.ReplyEnded) -> None:
        if not event.audio:
            self._drained(event)

    def _drained(self, _: Any) -> None:
        self._close(self.c.close_reason)

    def _drain_timeout(self, _: None) -> None:
        self._emit(cmd.CancelReply(self.c.reply, "drain_timeout"))
        self._emit(cmd.StopPlayout(self.c.reply))
        self._close(self.c.close_reason)

    def _close(self, reason: str) -> None:
        self.c.reply = 0
        self._move(_C)
        self._emit(cmd.Close(reason))
