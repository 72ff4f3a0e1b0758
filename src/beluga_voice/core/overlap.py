"""Speech over the agent's voice: the part of the turn machine that decides whether it is an interruption.

Such speech is first a *candidate*: the voice is ducked (`beluga_voice.core.ducking`), held after ``hold_after``, and
then either cut (words, or length) or given back with nothing lost (a back-channel, a cough). While the agent only
thinks, speech holds the reply back at once; if it is more of the same turn, the turn is taken back and continued.

Where a reply must be heard, a candidate waits for its end and is then an ordinary turn.
"""

from __future__ import annotations

from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import Candidate, State
from beluga_voice.core.ducking import Ducking
from beluga_voice.core.interruption import Verdict, judge, length_limit
from beluga_voice.core.words import content_words, split_words

__all__ = ["Overlap"]

# The shell cuts the voice within a frame; this is for one that does not answer.
SETTLE_TIMEOUT = 1.0
_LOOK_AGAIN = 0.05
# A recogniser's first guess at a short sound is often a word ("for", then "right"). So words over the voice must begin
# the same for so long, or be so many; the voice is held meanwhile, so nobody hears the difference.
_STEADY = 0.2
_CERTAIN_WORDS = 3
_REASONS = {Verdict.BACKCHANNEL: "backchannel", Verdict.NOTHING: "no_words", Verdict.ECHO: "echo"}


class Overlap(Ducking):
    """Handlers for speech over a reply, and for a reply's end, which such speech may follow."""

    def _may_cut(self, candidate: Candidate) -> bool:
        """Whether the reply may be stopped for it; else it waits for the reply's end."""
        c = self.c
        return c.interruptible or (c.continuable and not c.audible and self._continues(candidate))

    def _continues(self, candidate: Candidate) -> bool:
        """Whether it is more of the turn that is being answered."""
        c = self.c
        soon = candidate.onset - c.committed_at <= self.settings.merge_window
        return soon and not c.acted and c.reply_turn > 0 and c.reply_turn == c.turn

    def _said(self, candidate: Candidate) -> str:
        """Its words; once the voice has ended, those of the next segment are not its own."""
        return self.c.spoken(before=None if candidate.ended_at is None else self.c.asked)

    # --- the candidate --------------------------------------------------------------------------------------

    def _candidate_starts(self, event: inp.SpeechStarted) -> None:
        c = self.c
        self._note_voice(event)
        if c.candidate is None:
            c.candidate = self._candidate_at(event.at)
        c.candidate.voice_begins(event.at)
        self._press(c.candidate)

    def _press(self, candidate: Candidate) -> None:
        """Lowers and holds the voice as the speech lasts, weighs it, and sets when to look again."""
        c, s = self.c, self.settings
        if not self._may_cut(candidate):
            return
        if not candidate.held and not (c.audible and self._only_words_count):
            if not c.audible or c.now >= candidate.since + s.hold_after:
                self._emit(cmd.Hold(c.reply))
                candidate.held_at = c.now
            elif not candidate.ducked and c.now >= candidate.since + s.duck_after:
                self._emit(cmd.Duck(c.reply))
                candidate.ducked = True
        self._weigh(candidate, final=False)
        if c.candidate is None:
            return
        steps = (s.duck_after, s.hold_after, length_limit(self._theirs(candidate)[0], s) - candidate.voiced)
        times = [candidate.since + step for step in steps]
        times = [at for at in (*times, candidate.first_word_at + _STEADY) if at > c.now]
        c.timers["candidate"] = min(times, default=c.now + _LOOK_AGAIN)

    def _candidate_ends(self, event: inp.SpeechEnded) -> None:
        c = self.c
        if c.candidate is None:
            self._close_segment(event)
            return
        self._note_voice(event)
        c.candidate.voice_ends(event.at)
        self._ask_final(event.at)
        if self._may_cut(c.candidate):
            c.timers["candidate"] = c.now + self.settings.words_timeout  # the final decides, or this

    def _candidate_words(self, event: inp.PartialText | inp.FinalText) -> None:
        c = self.c
        if c.candidate is None:
            self._words_without_voice(event)
            return
        self._take(event)
        if not self._may_cut(c.candidate):
            return
        candidate = c.candidate
        self._weigh(candidate, final=not c.finals_due and candidate.ended_at is not None)
        if c.candidate is candidate and candidate.ended_at is None:
            steady = max(c.now, candidate.first_word_at + _STEADY)
            c.timers["candidate"] = min(c.timers.get("candidate", steady), steady)

    def _words_without_voice(self, event: inp.PartialText | inp.FinalText) -> None:
        """A final for a sound that was let pass because its words were late: they may interrupt after all."""
        c = self.c
        if isinstance(event, inp.PartialText):
            self._ignore("PartialText")
            return
        if not self._take_unexpected(event):
            return
        late = Candidate(onset=c.voiced_at, since=c.voiced_at, ended_at=c.voiced_at)
        if content_words(event.text, self.settings.language) and self._may_cut(late):
            late.ducked, c.suspected = c.suspected, False
            c.candidate = late
            self._weigh(late, final=True)
        else:
            c.drop_words()

    def _candidate_timer(self, _: None) -> None:
        candidate = self.c.candidate
        if candidate is None:
            self._voice_dismissed(None)
        elif candidate.ended_at is None:
            self._press(candidate)
        elif self._may_cut(candidate):
            self._weigh(candidate, final=True)  # the recogniser had its time

    def _theirs(self, candidate: Candidate) -> tuple[str, bool]:
        """Its words without the agent's own, and whether there were any of those."""
        text = self._said(candidate)
        if not (text and self.c.audible and self.c.said):
            return text, False
        echo = self._echo_in(text, candidate.onset)
        return echo.rest, echo.words > 0

    def _weigh(self, candidate: Candidate, *, final: bool) -> None:
        c = self.c
        text, echo = self._theirs(candidate)
        # A voice without words may be the agent's, or no voice, where that is known.
        known = text or not (c.audible and self._only_words_count)
        words = split_words(text)
        steady = candidate.words_steady_for(words, c.now) >= _STEADY or len(words) >= _CERTAIN_WORDS
        verdict = judge(
            text=text,
            voiced_for=candidate.voiced_for(c.now) if known else 0.0,
            ended=candidate.ended_at is not None,
            final=final,
            settings=self.settings,
            echo=echo,
            asked=c.audible and self._asked(candidate.onset),
            steady=steady or not c.audible,
        )
        if verdict is Verdict.INTERRUPTION:
            self._interrupt(candidate)
        elif verdict is not Verdict.UNDECIDED:
            self._let_pass(candidate, verdict)

    def _let_pass(self, candidate: Candidate, verdict: Verdict) -> None:
        self._discard_candidate(candidate, verdict)
        self._give_back(candidate)

    def _discard_candidate(self, candidate: Candidate, verdict: Verdict) -> None:
        c = self.c
        text = self._said(candidate)
        c.candidate = None
        c.timers.pop("candidate", None)
        self._emit(cmd.DiscardSpeech(candidate.onset, text, _REASONS[verdict]))
        if verdict is Verdict.ECHO:
            self._note_echo()
        elif text:
            self._active()
        elif c.audible:
            self._note_noise()
        c.drop_words()

    # --- the cut --------------------------------------------------------------------------------------------

    def _interrupt(self, candidate: Candidate) -> None:
        c = self.c
        c.candidate = None
        c.noises = 0
        if c.audible:
            self._cancel("interrupted")
            c.interrupted = candidate
            self._open_turn(candidate.onset)
            self._move(State.INTERRUPTED)
            c.timers["settle"] = c.now + SETTLE_TIMEOUT
            return
        self._cancel("user_goes_on")
        c.reply = 0
        if self._continues(candidate):
            self._note_pause(candidate.onset)
            self._emit(cmd.RetractTurn(c.turn))
            c.turn_open = True
            c.merged_text = c.committed_text
        self._follow_candidate(candidate)

    def _follow_candidate(self, candidate: Candidate) -> None:
        """What was speech over the agent is now the user's turn."""
        c = self.c
        self._open_turn(candidate.onset)
        c.over_voice = candidate.onset if c.audible else None
        if candidate.ended_at is None:
            self._follow_voice()
        else:
            c.speech_end = candidate.ended_at
            self._move(State.DECIDING)
            self._arm_endpoint()

    def _voice_while_settling(self, event: inp.SpeechStarted | inp.SpeechEnded) -> None:
        c = self.c
        assert c.interrupted is not None
        if isinstance(event, inp.SpeechStarted):
            c.interrupted.voice_begins(event.at)
        else:
            c.interrupted.voice_ends(event.at)
            self._ask_final(event.at)
        self._note_voice(event)

    def _settled(self, _: inp.PlayoutStopped | None) -> None:
        c = self.c
        candidate, c.interrupted = c.interrupted, None
        assert candidate is not None
        self._emit(cmd.Interrupted(c.reply, c.reply_turn, candidate.onset))
        c.reply = 0
        self._follow_candidate(candidate)

    def _settled_late(self, _: None) -> None:
        self._emit(cmd.Fault("transport", "the voice could not be stopped in time"))
        self._settled(None)

    # --- how a reply goes on and ends -----------------------------------------------------------------------

    def _tool_started(self, _: inp.ToolStarted) -> None:
        self.c.acted = True
        self._progress(None)
        self._recheck()

    def _heard(self, _: inp.PlayoutStarted) -> None:
        self.c.audible = True
        self._move(State.SPEAKING)
        self._progress(None)
        self._recheck()

    def _recheck(self) -> None:
        """A reply that can no longer be taken back is not held back either."""
        candidate = self.c.candidate
        if candidate is not None and not self._may_cut(candidate):
            self._give_back(candidate)

    def _reply_ended(self, event: inp.ReplyEnded) -> None:
        self.c.reply_ended = True
        if not event.audio:
            self._reply_over(event)

    def _reply_too_late(self, _: None) -> None:
        self._give_up_reply()
        self._reply_over(None)

    def _reply_over(self, _: Any) -> None:
        """The user's speech that overlapped the end, or was typed meanwhile, is an ordinary turn."""
        c = self.c
        if c.audible:
            self._active()
        c.reply = 0
        candidate = c.candidate
        passing = None if candidate is None else self._passing(candidate)
        c.candidate = None
        if candidate is not None and passing is not None:
            self._discard_candidate(candidate, passing)
            candidate = None
        if candidate is None and c.typed:
            candidate = Candidate(onset=c.now, since=c.now, ended_at=c.now)
        if candidate is None:
            self._rest()
            return
        c.forced = bool(c.typed)
        self._follow_candidate(candidate)

    def _passing(self, candidate: Candidate) -> Verdict | None:
        """What it was, if it is over and no turn: its own echo, or a listener's response some time before the end.

        Right at the end such a response is an answer.
        """
        ended = candidate.ended_at
        if ended is None:
            return None
        text, echo = self._theirs(candidate)
        if echo and not text and not self.c.finals_due:
            return Verdict.ECHO
        past = self.c.now > ended + self.settings.words_timeout
        if not past or content_words(text, self.settings.language):
            return None
        return Verdict.BACKCHANNEL if text else Verdict.NOTHING
