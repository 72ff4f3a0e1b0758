"""Who speaks: the turn-taking state machine. Its table is in `beluga_voice.core.transitions`.

Call `TurnMachine.feed` with an input, or `TurnMachine.wake` when `TurnMachine.deadline` is reached, then
`TurnMachine.poll` until None. Handlers live where their subject is: `user_turn`, `replies`, `overlap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import Conversation, State
from beluga_voice.core.overlap import Overlap
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.transitions import TABLE

__all__ = ["State", "TurnMachine"]


class TurnMachine(Overlap):
    """One conversation's turns.

    Args:
        settings: deadlines and thresholds.
        now: the first reading of the session's timeline, in seconds; it never goes back.
    """

    def __init__(self, settings: TurnSettings, now: float = 0.0) -> None:
        super().__init__(settings, now)

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self.c.state

    def feed(self, event: inp.Input, now: float) -> None:
        """Takes one input at ``now``; then call `poll` until None."""
        self.c.now = max(self.c.now, now)
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

    def poll(self) -> cmd.Command | None:
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
        self.c = Conversation.from_dict(snapshot)
        self._out.clear()

    # --- dispatch -----------------------------------------------------------------------------------------

    def _dispatch(self, name: str, event: Any) -> None:
        before = self.c.state
        rule = TABLE[before].get(name)
        if rule is None or not self._current(event):
            self._ignore(name)
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

    # --- silence and the end ------------------------------------------------------------------------------

    def _idle(self, _: None) -> None:
        self._close("idle")

    def _away(self, _: None) -> None:
        self.c.away_told = True
        self._emit(cmd.UserAway(self.settings.user_away_timeout))

    def _stop(self, event: inp.Stop) -> None:
        """Ends at once; gracefully, when what is being said and what waits to be said was heard."""
        c = self.c
        if c.state is State.INTERRUPTED:
            self._emit(cmd.Interrupted(c.reply, c.reply_turn, c.onset))
            c.interrupted, c.reply = None, 0
        if not event.graceful or not (c.reply or c.says):
            self._stop_now(event)
            return
        self._voice_dismissed(None)
        if c.candidate is not None:
            self._give_back(c.candidate)
            c.candidate = None
        c.close_reason = event.reason
        if c.reply:
            self._move(State.DRAINING)
        else:
            self._next(State.DRAINING)
        c.timers["drain"] = c.now + self.settings.draining_timeout

    def _stop_now(self, event: inp.Stop) -> None:
        if self.c.reply:
            self._emit(cmd.CancelReply(self.c.reply, "stopped"))
            self._emit(cmd.StopPlayout(self.c.reply))
        self._close(event.reason)

    def _stop_draining(self, event: inp.Stop) -> None:
        if not event.graceful:
            self._stop_now(event)

    def _drain_on(self, _: Any) -> None:
        """Being heard is no reason to wait longer than the drain deadline."""

    def _drain_reply_ended(self, event: inp.ReplyEnded) -> None:
        if not event.audio:
            self._drained(event)

    def _drained(self, _: Any) -> None:
        if not self._next(State.DRAINING):
            self._close(self.c.close_reason)

    def _drain_timeout(self, _: None) -> None:
        self._emit(cmd.CancelReply(self.c.reply, "drain_timeout"))
        self._emit(cmd.StopPlayout(self.c.reply))
        self._close(self.c.close_reason)

    def _close(self, reason: str) -> None:
        self.c.reply = 0
        self._move(State.CLOSED)
        self._emit(cmd.Close(reason))
