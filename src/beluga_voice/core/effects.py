"""What every part of the turn machine can do: move to a state, set deadlines, give commands."""

from __future__ import annotations

from collections import deque

from beluga_voice.core import commands as cmd
from beluga_voice.core.conversation import Conversation, State
from beluga_voice.core.settings import TurnSettings

__all__ = ["Effects"]


class Effects:
    """The conversation and the commands on their way out; the ground of `beluga_voice.core.turn.TurnMachine`.

    Args:
        settings: deadlines and thresholds.
        now: the first reading of the session's timeline, in seconds; it never goes back.

    Attributes:
        c: the conversation so far.
        ignored: how often each input came when it meant nothing any more, by name.
    """

    def __init__(self, settings: TurnSettings, now: float) -> None:
        self.settings = settings
        self.c = Conversation(now=now, active_at=now)
        self.ignored: dict[str, int] = {}
        self._out: deque[cmd.Command] = deque()
        self._arm_silence()

    def _ignore(self, name: str) -> None:
        self.ignored[name] = self.ignored.get(name, 0) + 1

    def _emit(self, command: cmd.Command) -> None:
        self._out.append(command)

    def _move(self, state: State) -> None:
        """Enters ``state``; deadlines of the one before are gone, but for those of a reply that goes on."""
        c = self.c
        previous, c.state = c.state, state
        if state is previous:
            return
        if state not in (State.USER_SPEAKING, State.DECIDING):
            self._abandon_guess()
            c.guesses = 0
        if state is not State.SPEAKING:
            c.suspected = False
        timers, c.timers = c.timers, {}
        if state is State.SPEAKING:
            c.timers = {name: timers[name] for name in ("reply", "candidate") if name in timers}
        elif state is State.LISTENING:
            self._arm_silence()
        self._emit(cmd.MoveTo(state.value, previous.value))

    def _abandon_guess(self) -> None:
        """Gives up the answer that was prepared for words that are not the turn."""
        if self.c.guess:
            self._emit(cmd.Abandon(self.c.guess))
            self.c.guess, self.c.guess_text = 0, ""

    def _active(self) -> None:
        """Somebody said something."""
        self.c.active_at, self.c.away_told = self.c.now, False

    def _arm_silence(self) -> None:
        c, s = self.c, self.settings
        c.timers["idle"] = max(c.now, c.active_at + s.idle_timeout)
        if s.user_away_timeout > 0 and not c.away_told:
            c.timers["away"] = max(c.now, c.active_at + s.user_away_timeout)

    def _ask_final(self, at: float) -> None:
        self.c.asked += 1
        self.c.asked_at = self.c.now
        self._emit(cmd.AskFinal(at))
