"""The agent's side of the turn machine: one reply at a time, its deadlines, and what waits to be said."""

from __future__ import annotations

from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.effects import Effects

__all__ = ["Replies"]

MAX_PENDING_SAYS = 16


class Replies(Effects):
    """Begins replies and keeps their deadlines."""

    def _begin_reply(self, turn: int, *, interruptible: bool, state: State = State.THINKING) -> None:
        c = self.c
        c.last_reply += 1
        c.reply, c.reply_turn = c.last_reply, turn
        c.interruptible = interruptible and self.settings.allow_interruptions
        c.continuable = interruptible and turn > 0
        c.acted = c.audible = c.reply_ended = False
        c.candidate = None
        self._move(state)
        if state is State.THINKING:
            c.timers.pop("candidate", None)
            c.timers["reply"] = c.now + self.settings.thinking_timeout

    def _answer(self, text: str, *, interruptible: bool = True, guess: int = 0) -> None:
        c = self.c
        self._begin_reply(c.turn, interruptible=interruptible)
        self._emit(cmd.StartReply(c.reply, c.turn, text, guess))

    def _say(self, text: str, *, interruptible: bool, state: State = State.THINKING) -> None:
        self._begin_reply(0, interruptible=interruptible, state=state)
        self._emit(cmd.StartSay(self.c.reply, text))

    def _next(self, state: State = State.THINKING) -> bool:
        """Says what waits, if anything."""
        if not self.c.says:
            return False
        text, interruptible = self.c.says.pop(0)
        self._say(text, interruptible=interruptible, state=state)
        return True

    def _rest(self) -> None:
        """Silence on both sides: say what is waiting, or listen."""
        if not self._next():
            self._move(State.LISTENING)

    # --- things to say --------------------------------------------------------------------------------------

    def _say_now(self, event: inp.SayRequested) -> None:
        self._say(event.text, interruptible=event.interruptible)

    def _say_later(self, event: inp.SayRequested) -> None:
        if len(self.c.says) < MAX_PENDING_SAYS:
            self.c.says.append((event.text, event.interruptible))
            return
        message = f"more than {MAX_PENDING_SAYS} things to say are waiting; one was dropped"
        self._emit(cmd.Fault("session", message))

    # --- progress -------------------------------------------------------------------------------------------

    def _progress(self, _: Any) -> None:
        limit = self.settings.reply_gap_timeout if self.c.audible else self.settings.thinking_timeout
        self.c.timers["reply"] = self.c.now + limit

    def _give_up_reply(self) -> None:
        """The reply missed its deadline."""
        c, s = self.c, self.settings
        stage, limit = ("tts", s.reply_gap_timeout) if c.audible else ("agent", s.thinking_timeout)
        self._emit(cmd.Fault(stage, f"no reply for {limit:g} s; it was given up"))
        self._cancel("timeout")

    def _cancel(self, reason: str) -> None:
        """Ends the reply, whether or not it was heard."""
        self._emit(cmd.CancelReply(self.c.reply, reason))
        if self.c.audible:
            self._emit(cmd.StopPlayout(self.c.reply))
