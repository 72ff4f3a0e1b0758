"""Speech over the agent's voice: the part of the turn machine that decides whether it is an interruption.

Such speech is first a *candidate*: the voice is ducked at once, held after ``hold_after``, and then either an
interruption (words, or length) or a back-channel, after which the agent goes on with nothing lost. While the agent
only thinks, speech holds the reply back; if it is more of the same turn, the turn is taken back and continued.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import Candidate, Conversation, State
from beluga_voice.core.interruption import Verdict, judge
from beluga_voice.core.settings import TurnSettings

__all__ = ["Overlap"]


class Overlap:
    """Handlers for speech over the agent; mixed into `beluga_voice.core.turn.TurnMachine`."""

    c: Conversation
    settings: TurnSettings

    # What the machine brings.

    @abstractmethod
    def _emit(self, command: cmd.Command) -> None: ...

    @abstractmethod
    def _move(self, state: State) -> None: ...

    @abstractmethod
    def _open_turn(self, onset: float) -> None: ...

    @abstractmethod
    def _ask_final(self, at: float) -> None: ...

    @abstractmethod
    def _close_segment(self, event: inp.SpeechEnded) -> None: ...

    @abstractmethod
    def _take_words(self, event: inp.PartialText | inp.FinalText) -> None: ...

    @abstractmethod
    def _arm_endpoint(self) -> None: ...

    @abstractmethod
    def _progress(self, _: Any) -> None: ...

    def _candidate_starts(self, event: inp.SpeechStarted) -> None:
        c, s = self.c, self.settings
        c.voiced = True
        if c.candidate is None:
            c.candidate = Candidate(onset=event.at)
        else:
            c.candidate.ended_at = None
        if not c.interruptible:
            return
        if not c.audible:
            self._hold()
        elif not c.candidate.held:
            self._emit(cmd.Duck(c.reply))
            c.candidate.ducked = True
        c.timers["candidate"] = max(
            c.now, event.at + (s.interrupt_after if c.candidate.held else s.hold_after)
        )
        self._weigh(final=False)

    def _hold(self) -> None:
        assert self.c.candidate is not None
        self._emit(cmd.Hold(self.c.reply))
        self.c.candidate.held = True
        self._progress(None)

    def _candidate_ends(self, event: inp.SpeechEnded) -> None:
        c = self.c
        c.voiced = False
        if c.candidate is None:
            self._close_segment(event)
            return
        c.candidate.ended_at = event.at
        self._ask_final(event.at)
        if not c.interruptible:
            return
        c.timers["candidate"] = c.now + self.settings.words_timeout
        self._weigh(final=False)

    def _candidate_words(self, event: inp.PartialText | inp.FinalText) -> None:
        self._take_words(event)
        c = self.c
        if c.candidate is not None and c.interruptible:
            self._weigh(final=c.finals_due <= 0 and c.candidate.ended_at is not None)

    def _candidate_timer(self, _: None) -> None:
        c = self.c
        if c.candidate is None:
            return
        if c.candidate.ended_at is not None:
            self._weigh(final=True)  # the recogniser had its time
            return
        if not c.candidate.held:
            self._hold()
        self._weigh(final=False)
        self._look_again()

    def _look_again(self) -> None:
        """Speech that is still not judged is looked at when it would be long enough."""
        c = self.c
        if c.candidate is not None and c.state in (State.THINKING, State.SPEAKING):
            c.timers["candidate"] = max(c.now + 0.05, c.candidate.onset + self.settings.interrupt_after)

    def _weigh(self, *, final: bool) -> None:
        c = self.c
        assert c.candidate is not None
        ended = c.candidate.ended_at is not None
        until = c.now if c.candidate.ended_at is None else c.candidate.ended_at
        verdict = judge(
            text=c.text(),
            voiced_for=max(0.0, until - c.candidate.onset),
            ended=ended,
            final=final,
            settings=self.settings,
        )
        if verdict is Verdict.INTERRUPTION:
            self._interrupt(c.candidate)
        elif verdict is not Verdict.UNDECIDED:
            self._go_on(c.candidate, verdict)

    def _go_on(self, candidate: Candidate, verdict: Verdict) -> None:
        c = self.c
        c.candidate = None
        c.timers.pop("candidate", None)
        reason = "backchannel" if verdict is Verdict.BACKCHANNEL else "no_words"
        self._emit(cmd.DiscardSpeech(candidate.onset, c.text(), reason))
        c.settle_words()
        if candidate.ducked or candidate.held:
            self._emit(cmd.Resume(c.reply))
            self._progress(None)

    def _interrupt(self, candidate: Candidate) -> None:
        c = self.c
        was_audible, turn = c.audible, c.reply_turn
        c.interrupted = candidate
        if was_audible:
            self._emit(cmd.CancelReply(c.reply, "interrupted"))
            self._emit(cmd.StopPlayout(c.reply))
            c.candidate = None
            self._open_turn(candidate.onset)
            self._move(State.INTERRUPTED)
            c.timers["settle"] = c.now + 1.0
            return
        self._emit(cmd.CancelReply(c.reply, "user_goes_on"))
        soon = c.now - c.committed_at <= self.settings.merge_window
        c.candidate = c.interrupted = None
        c.reply = 0
        if turn and turn == c.turn and soon and not c.acted:
            self._emit(cmd.RetractTurn(turn))
            c.turn_open = True
            c.merged_text = c.committed_text
        self._open_turn(candidate.onset)
        self._follow_user(candidate)

    def _follow_user(self, candidate: Candidate) -> None:
        c = self.c
        if candidate.ended_at is None:
            self._move(State.USER_SPEAKING)
            c.timers["turn"] = c.now + self.settings.max_turn
        else:
            c.speech_end = candidate.ended_at
            c.forced = False
            self._move(State.DECIDING)
            self._arm_endpoint()

    def _voice_only(self, event: inp.SpeechStarted | inp.SpeechEnded) -> None:
        c = self.c
        c.voiced = isinstance(event, inp.SpeechStarted)
        if c.state is State.INTERRUPTED and c.interrupted is not None:
            c.interrupted.ended_at = None if c.voiced else event.at
            if not c.voiced:
                self._ask_final(event.at)

    def _settled(self, _: inp.PlayoutStopped) -> None:
        self._after_interruption()

    def _settled_late(self, _: None) -> None:
        self._emit(cmd.Fault("transport", "the voice could not be stopped in time"))
        self._after_interruption()

    def _after_interruption(self) -> None:
        c = self.c
        candidate, c.interrupted = c.interrupted, None
        self._emit(cmd.Interrupted(c.reply, c.reply_turn, c.onset))
        c.reply = 0
        self._follow_user(candidate or Candidate(onset=c.onset))

    def _drop_reply(self, reason: str, onset: float) -> None:
        c = self.c
        if c.state is not State.INTERRUPTED:
            self._emit(cmd.CancelReply(c.reply, reason))
            if c.audible:
                self._emit(cmd.StopPlayout(c.reply))
        if c.audible:
            self._emit(cmd.Interrupted(c.reply, c.reply_turn, onset))
        c.candidate = c.interrupted = None
        c.reply = 0
