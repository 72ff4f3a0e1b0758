"""Who speaks in a speech-to-speech conversation: a state machine without I/O. Its table is in `realtime_transitions`.

Call `RealtimeMachine.feed` with an input, or `RealtimeMachine.wake` when `RealtimeMachine.deadline` is reached, then
`RealtimeMachine.poll` until None. Handlers live where their subject is: `realtime_turns` (the user), `realtime_replies`
(the model's answers), `realtime_overlap` (both at once) and `realtime_link` (the connection).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.conversation import State
from beluga_voice.core.realtime_link import RealtimeLink
from beluga_voice.core.realtime_state import RealtimeSettings, RealtimeState
from beluga_voice.core.realtime_transitions import TABLE

__all__ = ["RealtimeMachine", "RealtimeSettings", "RealtimeState", "State"]

_FROM_MODEL = (
    rt.ModelHeard, rt.ModelPaused, rt.Words, rt.ResponseBegan, rt.ResponseProgress, rt.ToolAsked, rt.ResponseOver,
)  # fmt: skip


class RealtimeMachine(RealtimeLink):
    """One conversation's turns, where a model hears and speaks.

    Args:
        settings: deadlines and thresholds.
        now: the first reading of the session's timeline, in seconds; it never goes back.
    """

    def __init__(self, settings: RealtimeSettings, now: float = 0.0) -> None:
        super().__init__(settings, now)

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self.c.state

    def feed(self, event: Any, now: float) -> None:
        """Takes one input at ``now``; then call `poll` until None."""
        c = self.c
        c.now = max(c.now, now)
        if isinstance(event, _FROM_MODEL):
            c.model_at = c.now
        self._dispatch(type(event).__name__, event)

    def wake(self, now: float) -> None:
        """Fires every timer that is due at ``now``, oldest first; then call `poll` until None."""
        self.c.now = max(self.c.now, now)
        while self.c.timers:
            name = min(self.c.timers, key=self.c.timers.__getitem__)
            if self.c.timers[name] > self.c.now:
                return
            del self.c.timers[name]
            self._dispatch(f"timer:{name}", None)

    def poll(self) -> Any | None:
        """The next command to carry out, or None."""
        return self._out.popleft() if self._out else None

    def deadline(self) -> float | None:
        """When `wake` is next due; None only once closed."""
        return min(self.c.timers.values()) if self.c.timers else None

    def snapshot(self) -> dict[str, Any]:
        """The whole conversation as plain data, ready for JSON."""
        return asdict(self.c)

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Takes over a `snapshot`."""
        self.c = RealtimeState.from_dict(snapshot)
        self._out.clear()

    # --- dispatch -----------------------------------------------------------------------------------------------

    def _dispatch(self, name: str, event: Any) -> None:
        before = self.c.state
        rule = TABLE[before].get(name)
        reply = getattr(event, "reply", None)
        if rule is None or (reply is not None and (not reply or reply != self.c.reply)):
            self._ignore(name)
            return
        handler: Callable[[Any], None] = getattr(self, rule[0])
        handler(event)
        if self.c.state not in rule[1]:
            raise AssertionError(f"{before} --{name}--> {self.c.state} is not in the table")

    # --- silence and the end ------------------------------------------------------------------------------------

    def _idle(self, _: None) -> None:
        self._close("idle")

    def _away(self, _: None) -> None:
        self.c.away_told = True
        self._emit(cmd.UserAway(self.settings.user_away_timeout))

    def _stop(self, event: inp.Stop) -> None:
        """Ends at once; gracefully, when what is being said and what waits to be said was heard."""
        c = self.c
        if c.held:  # an answer to a turn that was never decided
            self._drop_speculation()
        if not event.graceful or not (c.reply or c.says):
            self._stop_now(event)
            return
        if c.candidate is not None:
            self._let_pass(c.candidate)
        c.close_reason = event.reason
        if c.reply:
            self._move(State.DRAINING)
        else:
            self._drain_next()
        c.timers["drain"] = c.now + self.settings.draining_timeout

    def _stop_now(self, event: inp.Stop) -> None:
        if self.c.reply:
            self._cancel("stopped")
        self._close(event.reason)

    def _stop_draining(self, event: inp.Stop) -> None:
        if not event.graceful:
            self._stop_now(event)

    def _drain_next(self) -> None:
        text, interruptible = self.c.says.pop(0)
        self._say(text, interruptible=interruptible)
        self._move(State.DRAINING)

    def _drain_heard(self, _: inp.PlayoutStarted) -> None:
        self.c.audible = True

    def _drain_reply_ended(self, event: inp.ReplyEnded) -> None:
        if not event.audio:
            self._drained(event)

    def _drained(self, _: Any) -> None:
        self.c.reply = 0
        if self.c.says:
            self._drain_next()
        else:
            self._close(self.c.close_reason)

    def _drain_timeout(self, _: None) -> None:
        self._cancel("drain_timeout")
        self._close(self.c.close_reason)

    def _close(self, reason: str) -> None:
        self.c.reply = 0
        self._move(State.CLOSED)
        self.c.timers.clear()
        self._emit(cmd.Close(reason))
