"""The agent's side of the realtime machine: one reply at a time, made of any number of the model's responses."""

from __future__ import annotations

from collections import deque
from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.conversation import State
from beluga_voice.core.realtime_state import RealtimeSettings, RealtimeState

__all__ = ["RealtimeReplies"]

MAX_PENDING_SAYS = 16
LINK_TIMERS = ("renew", "expire")


class RealtimeReplies:
    """The conversation, the commands on their way out, and replies from their opening to their end.

    Args:
        settings: deadlines and thresholds.
        now: the first reading of the session's timeline, in seconds; it never goes back.

    Attributes:
        c: the conversation so far.
        ignored: how often each input came when it meant nothing any more, by name.
    """

    def __init__(self, settings: RealtimeSettings, now: float) -> None:
        self.settings = settings
        self.c = RealtimeState(now=now, active_at=now, model_at=now)
        self.ignored: dict[str, int] = {}
        self._out: deque[Any] = deque()
        self._arm_silence()

    def _emit(self, command: Any) -> None:
        self._out.append(command)

    def _ignore(self, name: str) -> None:
        self.ignored[name] = self.ignored.get(name, 0) + 1

    def _move(self, state: State) -> None:
        """Enters ``state``; deadlines of the one before are gone, but for those that outlive it."""
        c = self.c
        previous, c.state = c.state, state
        if state is previous:
            return
        kept = (*LINK_TIMERS, "reply", "candidate") if state is State.SPEAKING else LINK_TIMERS
        c.timers = {name: at for name, at in c.timers.items() if name in kept}
        if state is State.LISTENING:
            self._arm_silence()
        self._emit(cmd.MoveTo(state.value, previous.value))

    def _active(self) -> None:
        self.c.active_at, self.c.away_told = self.c.now, False

    def _arm_silence(self) -> None:
        c, s = self.c, self.settings
        c.timers["idle"] = max(c.now, c.active_at + s.idle_timeout)
        if s.user_away_timeout > 0 and not c.away_told:
            c.timers["away"] = max(c.now, c.active_at + s.user_away_timeout)

    # --- opening --------------------------------------------------------------------------------------------

    def _open_reply(self, turn: int, *, held: bool = False, interruptible: bool = True) -> None:
        c = self.c
        c.last_reply += 1
        c.reply, c.reply_turn = c.last_reply, turn
        c.interruptible = interruptible and self.settings.allow_interruptions
        c.held = held
        c.acted = c.audible = c.ended = c.calls = c.source = c.redo = c.words_due = False
        c.produced = c.retried = False
        c.asked, c.responses, c.candidate = 0, [], None
        self._emit(rt.OpenReply(c.reply, turn, held))
        if not c.interruptible and self.settings.server_turns:
            self._emit(rt.StopSending())  # the model would cut itself short

    def _ask_model(self) -> None:
        """Asks for an answer, on the next connection if there is none."""
        c = self.c
        if not c.linked:
            c.redo = True
            return
        c.asked += 1
        self._emit(rt.AskModel(c.reply))

    def _think(self) -> None:
        """The reply is on its way."""
        self._move(State.THINKING)
        self.c.timers["reply"] = self.c.now + self.settings.thinking_timeout

    def _say(self, text: str, *, interruptible: bool) -> None:
        self._open_reply(0, interruptible=interruptible)
        self.c.source = True
        self._emit(cmd.StartSay(self.c.reply, text))

    def _say_now(self, event: inp.SayRequested) -> None:
        self._say(event.text, interruptible=event.interruptible)
        self._think()

    def _say_later(self, event: inp.SayRequested) -> None:
        if len(self.c.says) < MAX_PENDING_SAYS:
            self.c.says.append((event.text, event.interruptible))
            return
        message = f"more than {MAX_PENDING_SAYS} things to say are waiting; one was dropped"
        self._emit(cmd.Fault("session", message))

    # --- the model's responses --------------------------------------------------------------------------------

    def accepts(self, response: str) -> bool:
        """Whether audio, words and calls of ``response`` belong to the reply in progress."""
        return response in self.c.responses

    def _began(self, event: rt.ResponseBegan) -> None:
        """A response that was asked for; or, where the model takes turns, more of its answer."""
        c = self.c
        if c.asked:
            c.asked -= 1
        elif not c.reply or c.ended or not self.settings.server_turns or self.settings.agent_reasons:
            self._ignore("ResponseBegan")
            return
        c.responses.append(event.response)

    def _produced(self, event: rt.ResponseProgress) -> None:
        if self.accepts(event.response):
            self.c.produced = True
            self._progress(event)

    def _tool_asked(self, event: rt.ToolAsked) -> None:
        c = self.c
        if not self.accepts(event.response):
            self._ignore("ToolAsked")
            return
        c.calls = True
        if not c.held:
            self._emit(rt.RunTools(c.reply))
            self._progress(event)

    def _response_over(self, event: rt.ResponseOver) -> None:
        c = self.c
        if not self.accepts(event.response):
            self._ignore("ResponseOver")
            return
        c.responses.remove(event.response)
        if event.failed and not (c.source or c.calls or c.produced or c.retried):
            c.retried = True  # a model that stumbles is asked once more
            self._ask_model()
        self._maybe_end()

    def _tools_done(self, _: rt.ToolsDone) -> None:
        if not self.c.calls:
            return
        self.c.calls = False
        self._ask_model()
        self._progress(None)

    def _piece_asked(self, _: rt.PieceAsked) -> None:
        if self.c.ended:
            self._ignore("PieceAsked")
            return
        self.c.asked += 1
        self._progress(None)

    def _source_ended(self, _: rt.SourceEnded) -> None:
        self.c.source = False
        self._maybe_end()

    def _maybe_end(self) -> None:
        """Ends the reply when nothing more of it is to come."""
        c = self.c
        if not (c.asked or c.responses or c.calls or c.source or c.redo or c.words_due or c.ended):
            c.ended = True
            self._emit(rt.EndReply(c.reply))

    # --- progress and the end ---------------------------------------------------------------------------------

    def _progress(self, _: Any) -> None:
        c = self.c
        if c.state is State.THINKING:
            c.timers["reply"] = c.now + self.settings.thinking_timeout
        elif c.state is State.SPEAKING:
            c.timers["reply"] = c.now + self.settings.reply_gap_timeout

    def _tool_started(self, _: inp.ToolStarted) -> None:
        self.c.acted = True
        self._progress(None)

    def _give_up_reply(self) -> None:
        """The reply missed its deadline."""
        c, s = self.c, self.settings
        limit = s.reply_gap_timeout if c.audible else s.thinking_timeout
        stage = "agent" if c.source or c.calls else "s2s"
        self._emit(cmd.Fault(stage, f"no reply for {limit:g} s; it was given up"))
        self._cancel("timeout")

    def _cancel(self, reason: str) -> None:
        """Ends the reply, whether or not it was heard; what was not heard of it is forgotten."""
        c = self.c
        self._emit(cmd.CancelReply(c.reply, reason))
        self._emit(cmd.StopPlayout(c.reply))
        if not c.interruptible and self.settings.server_turns:
            self._emit(rt.SendFrom(c.now))
        c.asked, c.responses = 0, []
        c.calls = c.source = c.redo = c.words_due = c.held = False
