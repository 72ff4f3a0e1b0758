"""Speech over the model's answer: ducked and held at once, then cut or given back.

Where the model takes turns its word decides: when it hears the user it has stopped already, and so do we. Where it
says nothing (noise, a cough) the voice is given back. Where we take turns, length decides, and words if the model tells
them; an answer that nobody has heard yet is simply taken back.
"""

from __future__ import annotations

from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.conversation import Candidate, State
from beluga_voice.core.interruption import Verdict, judge
from beluga_voice.core.realtime_turns import RealtimeTurns

__all__ = ["RealtimeOverlap"]

_LOOK_AGAIN = 0.05


class RealtimeOverlap(RealtimeTurns):
    """Handlers for speech over a reply, and for a reply's end, which such speech may follow."""

    # --- the candidate ------------------------------------------------------------------------------------------

    def _candidate_starts(self, event: inp.SpeechStarted | rt.SpeechResumed) -> None:
        c = self.c
        c.voiced = True
        if self._unheard():
            self._take_back(event.at)
            return
        if c.candidate is None:
            c.candidate = Candidate(onset=event.at, since=event.at)
            c.words, c.words_final = ("", False) if not c.words_due else (c.words, c.words_final)
        c.candidate.voice_begins(event.at)
        if not self.settings.server_turns:
            c.uncommitted = True
            self._emit(rt.SendFrom(c.candidate.onset))
        self._press(c.candidate)

    def _unheard(self) -> bool:
        """Whether the answer can be taken back without anybody noticing."""
        c = self.c
        return (
            not self.settings.server_turns and c.state is State.THINKING and c.interruptible and not c.acted
        )

    def _take_back(self, onset: float) -> None:
        """The user goes on before anything was heard: the same turn, if it is soon."""
        c = self.c
        turn, soon = c.reply_turn, onset - c.committed_at <= self.settings.merge_window
        self._cancel("user_goes_on")
        c.reply = 0
        if turn and turn == c.turn and soon:
            self._emit(cmd.RetractTurn(turn))
            c.turn_open = True
        self._open_turn(onset)
        self._follow_voice()

    def _press(self, candidate: Candidate) -> None:
        """Lowers and holds the voice as the speech lasts, and cuts it when it is long enough."""
        c, s = self.c, self.settings
        if not c.interruptible:
            return
        if not candidate.held:
            if not c.audible or c.now >= candidate.since + s.hold_after:
                self._emit(cmd.Hold(c.reply))
                candidate.held_at = c.now
            elif not candidate.ducked and c.now >= candidate.since + s.duck_after:
                self._emit(cmd.Duck(c.reply))
                candidate.ducked = True
        limit = s.interrupt_after - candidate.voiced
        if c.now >= candidate.since + limit:
            self._interrupt(candidate)
            return
        times = [candidate.since + step for step in (s.duck_after, s.hold_after, limit)]
        c.timers["candidate"] = min((t for t in times if t > c.now), default=c.now + _LOOK_AGAIN)

    def _candidate_ends(self, event: inp.SpeechEnded) -> None:
        c, s = self.c, self.settings
        c.voiced = False
        candidate = c.candidate
        if candidate is None:
            return
        candidate.voice_ends(event.at)
        if not c.interruptible:
            return
        if not s.server_turns:
            long_enough = candidate.voiced_for(c.now) >= s.min_voice
            if not (long_enough and s.transcripts and c.linked):
                self._let_pass(candidate)
                return
            c.uncommitted = False
            self._emit(rt.CommitInput())
        c.timers["candidate"] = c.now + s.words_timeout

    def _candidate_timer(self, _: None) -> None:
        candidate = self.c.candidate
        if candidate is None:
            return
        if candidate.ended_at is None:
            self._press(candidate)
        else:
            self._let_pass(candidate)

    def _candidate_words(self, event: rt.Words) -> None:
        """The transcript of what was said over the agent, or (without that) of the turn it answers."""
        c = self.c
        candidate = c.candidate
        if candidate is None or c.words_due:
            self._words_of_turn(event)
            return
        c.words, c.words_final = event.text, event.final
        verdict = judge(
            text=event.text,
            voiced_for=candidate.voiced_for(c.now),
            ended=candidate.ended_at is not None,
            final=event.final,
            settings=self.settings,
        )
        if not c.interruptible or verdict is Verdict.UNDECIDED:
            return
        if verdict is Verdict.INTERRUPTION:
            self._interrupt(candidate)
        elif candidate.ended_at is not None:
            self._let_pass(candidate)

    def _let_pass(self, candidate: Candidate) -> None:
        c = self.c
        c.candidate = None
        c.timers.pop("candidate", None)
        self._emit(cmd.DiscardSpeech(candidate.onset, c.words, "backchannel" if c.words else "no_words"))
        if c.uncommitted:
            c.uncommitted = False
            self._emit(rt.DiscardInput())
        if candidate.ducked or candidate.held:
            self._emit(cmd.Resume(c.reply))
            if candidate.held_at is not None and "reply" in c.timers:
                c.timers["reply"] += c.now - candidate.held_at

    # --- the cut ------------------------------------------------------------------------------------------------

    def _model_cut(self, _: rt.ModelHeard) -> None:
        """The model hears the user and has stopped: nothing more of the answer would come."""
        c = self.c
        c.model_voiced = self.settings.voice_events
        if not c.interruptible:
            return
        candidate = c.candidate or Candidate(onset=c.now, since=c.now)
        self._interrupt(candidate, "model_stopped")
        c.model_heard = True

    def _model_pauses_late(self, _: rt.ModelPaused) -> None:
        self.c.model_voiced = False

    def _interrupt(self, candidate: Candidate, reason: str = "") -> None:
        c = self.c
        audible, reply, turn = c.audible, c.reply, c.reply_turn
        words, final = c.words, c.words_final
        committed = not c.uncommitted and candidate.ended_at is not None
        self._cancel(reason or ("interrupted" if audible else "user_goes_on"))
        c.candidate, c.reply = None, 0
        if audible:
            self._emit(cmd.Interrupted(reply, turn, candidate.onset))
        elif turn and turn == c.turn and not c.acted:
            self._emit(cmd.RetractTurn(turn))
            c.turn_open = True
        self._open_turn(candidate.onset)
        if candidate.ended_at is None or c.model_voiced:
            self._follow_voice()
            return
        c.speech_end = candidate.ended_at
        if self.settings.server_turns:
            self._wait_for_model()
            return
        c.words, c.words_final = words, final
        self._move(State.DECIDING)
        if not committed:
            self._commit_input()
        self._arm_endpoint()

    # --- how a reply goes on and ends -----------------------------------------------------------------------------

    def _heard(self, _: inp.PlayoutStarted) -> None:
        self.c.audible = True
        self.c.stalled = 0
        self._move(State.SPEAKING)
        self._progress(None)

    def _reply_ended(self, event: inp.ReplyEnded) -> None:
        if not event.audio:
            self._reply_over(event)

    def _reply_too_late(self, _: None) -> None:
        c = self.c
        stalled = not c.audible and c.linked and c.model_at < c.committed_at and not (c.source or c.calls)
        self._give_up_reply()
        self._reply_over(None)
        if stalled:
            self._relink("the model has not answered")

    def _next_response(self, event: rt.ResponseBegan) -> None:
        """More of the reply; or the model, which takes turns, answers anew while the last words are still played."""
        c, s = self.c, self.settings
        if not c.ended or not s.server_turns or s.agent_reasons:
            self._began(event)
            return
        self._cancel("next_answer")
        c.reply, c.candidate = 0, None
        self._answered(event)

    def _reply_over(self, _: Any) -> None:
        """The user's speech that overlapped the end, or was typed meanwhile, is an ordinary turn."""
        c, s = self.c, self.settings
        if c.audible:
            self._active()
        if not c.interruptible and s.server_turns:
            self._emit(rt.SendFrom(c.now if c.candidate is None else c.candidate.onset))
        candidate, c.candidate, c.reply = c.candidate, None, 0
        c.asked, c.responses, c.calls, c.source, c.redo = 0, [], False, False, False
        if c.typed:
            text, c.typed = c.typed, ""
            self._typed(inp.TypedText(text))
        elif candidate is not None and (candidate.ended_at is None or not s.server_turns):
            self._open_turn(candidate.onset)
            self._after_reply(candidate)
        else:
            self._rest()

    def _after_reply(self, candidate: Candidate) -> None:
        c = self.c
        if candidate.ended_at is None:
            self._follow_voice()
            return
        c.speech_end = candidate.ended_at
        self._move(State.DECIDING)
        self._commit_input()
        self._arm_endpoint()

    # --- typed over it --------------------------------------------------------------------------------------------

    def _typed_over(self, event: inp.TypedText) -> None:
        c = self.c
        if not event.text.strip():
            return
        if not c.interruptible:
            c.typed = f"{c.typed} {event.text.strip()}".strip()
            return
        audible, reply, turn = c.audible, c.reply, c.reply_turn
        self._cancel("typed")
        c.reply, c.candidate = 0, None
        if audible:
            self._emit(cmd.Interrupted(reply, turn, c.now))
        self._typed(event)
