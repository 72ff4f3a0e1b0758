"""The connection to the model: lost ones are made up for, old ones are renewed at a quiet moment."""

from __future__ import annotations

from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.conversation import State
from beluga_voice.core.realtime_overlap import RealtimeOverlap

__all__ = ["RealtimeLink"]


class RealtimeLink(RealtimeOverlap):
    """Handlers for what happens to the connection, in every state alike."""

    # --- loss ---------------------------------------------------------------------------------------------------

    def _relink(self, reason: str) -> None:
        """Gives the present connection up."""
        self._emit(cmd.Fault("s2s", f"{reason}; connecting anew"))
        self._emit(rt.Relink(reason))
        self._lost(None)

    def _lost(self, _: Any) -> None:
        """What the model was doing is gone; what it has said already is still heard."""
        c = self.c
        waiting = bool(c.asked or c.responses)
        c.linked = c.model_voiced = c.uncommitted = False
        c.asked, c.responses = 0, []
        for name in ("renew", "expire"):
            c.timers.pop(name, None)
        if c.state is State.DECIDING and c.reply:
            self._cancel("link_lost")
            c.reply = 0
        elif c.state is State.THINKING and not (c.audible or c.calls or c.source):
            c.redo = c.redo or waiting or c.words_due
            c.resend = c.redo and not c.words.strip() and c.reply_turn == c.turn
            if c.resend and self.settings.server_turns:
                self._undecide()
        if c.reply and c.state is not State.DECIDING:
            self._maybe_end()

    def _undecide(self) -> None:
        """The model took the turn, and is gone before it told what it heard: the next one takes it anew."""
        c = self.c
        self._cancel("link_lost")
        c.reply, c.resend, c.candidate = 0, False, None
        self._emit(cmd.RetractTurn(c.turn))
        c.turn_open, c.model_heard = True, False
        self._wait_for_model()

    # --- a connection -------------------------------------------------------------------------------------------

    def _linked(self, event: rt.Linked | rt.Renewed) -> None:
        c, s = self.c, self.settings
        c.linked, c.renewing, c.renew_due = True, False, False
        c.model_at = max(c.model_at, c.onset if c.stalled == 0 else c.model_at)
        self._expect_end(event.limit)
        self._send_again()
        for text in c.unsent:
            self._emit(rt.SendText(text))
        c.unsent.clear()
        if c.redo and c.reply:
            self._redo()
        elif c.state is State.DECIDING and not s.server_turns and c.turn_open:
            self._commit_input()
        elif c.state is State.DECIDING:
            self._wait_for_model()

    def _send_again(self) -> None:
        """The model hears the present turn from its beginning; where it takes turns, it hears everything."""
        c, s = self.c, self.settings
        if c.turn_open or c.resend:
            self._emit(rt.SendFrom(c.onset))
            c.uncommitted = not s.server_turns
        elif c.candidate is not None and c.candidate.ended_at is None:
            self._emit(rt.SendFrom(c.candidate.onset))
            c.uncommitted = not s.server_turns
        elif s.server_turns and (c.interruptible or not c.reply):
            self._emit(rt.SendFrom(c.now))

    def _redo(self) -> None:
        """Asks again for the answer that was lost, or could not be asked for."""
        c, s = self.c, self.settings
        c.redo = False
        resend, c.resend = c.resend, False
        if resend and not s.server_turns:
            c.uncommitted = False
            self._emit(rt.CommitInput())
        self._progress(None)
        if not c.words_due:  # else the agent answers when the words are known
            self._ask_model()

    def _expect_end(self, limit: float) -> None:
        c, s = self.c, self.settings
        c.limit_at = c.now + limit if limit > 0 else 0.0
        if limit > 0:
            c.timers["renew"] = c.now + limit - min(s.renew_early, limit / 2)
            c.timers["expire"] = c.now + max(limit / 2, limit - s.renew_latest)

    def _expiring(self, event: rt.Expiring) -> None:
        """The vendor says how long it will last."""
        c = self.c
        if c.linked and not c.renewing:
            c.limit_at = c.now + event.seconds
            c.timers["renew"] = c.now
            c.timers["expire"] = max(c.now, c.limit_at - self.settings.renew_latest)

    # --- renewal ------------------------------------------------------------------------------------------------

    def _renew_soon(self, _: None) -> None:
        self.c.renew_due = True
        if self.c.state is State.LISTENING:
            self._quiet()

    def _quiet(self) -> None:
        """A moment in which nobody has the word."""
        c = self.c
        if c.renew_due and c.linked and not c.renewing and not c.voiced:
            self._renew()

    def _renew_now(self, _: None) -> None:
        """No quiet moment came: a cut in the conversation is better than a dead line."""
        if self.c.linked and not self.c.renewing:
            self._renew()

    def _renew(self) -> None:
        self.c.renewing, self.c.renew_due = True, False
        self._emit(rt.Renew())

    def _renewed(self, event: rt.Renewed) -> None:
        c = self.c
        if not c.renewing or not c.linked:
            self._emit(rt.DropSpare())
            return
        pressing = "expire" not in c.timers
        if pressing or c.state in (State.LISTENING, State.USER_SPEAKING):
            self._emit(rt.SwitchOver())
            self._lost(None)
            self._linked(event)
            return
        # An answer is under way on the old connection, and the new one would know nothing of it.
        self._emit(rt.DropSpare())
        c.renewing, c.renew_due = False, True

    def _renew_failed(self, _: rt.RenewFailed) -> None:
        c = self.c
        if c.renewing:
            c.renewing = False
            c.timers["renew"] = c.now + self.settings.renew_retry
