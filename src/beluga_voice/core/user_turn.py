"""The user's side of the turn machine: from the first voice, or typed words, to the committed turn."""

from __future__ import annotations

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.completeness import judge_words
from beluga_voice.core.conversation import Candidate, State
from beluga_voice.core.endpointing import combine, endpointing_delay
from beluga_voice.core.pauses import adapt_pace
from beluga_voice.core.speculation import Speculation
from beluga_voice.core.words import content_words, is_hesitation

__all__ = ["UserTurn"]

# A final that comes this long after it was asked for tells nothing about the present.
LATE_FINAL = 4.0


class UserTurn(Speculation):
    """Collects a turn, decides when it is over and hands it to the agent."""

    # --- voice ----------------------------------------------------------------------------------------------

    def _user_starts(self, event: inp.SpeechStarted) -> None:
        self._note_voice(event)
        self._open_turn(event.at)
        self._follow_voice()

    def _note_voice(self, event: inp.SpeechStarted | inp.SpeechEnded) -> None:
        self.c.voiced = isinstance(event, inp.SpeechStarted)
        self.c.quiet = not self.c.voiced
        if self.c.voiced:
            self.c.voiced_at = event.at

    def _open_turn(self, onset: float) -> None:
        c = self.c
        if not c.turn_open:
            c.turn_open = True
            c.turn += 1
            c.onset = onset
            c.over_voice = None
        c.probability = None

    def _follow_voice(self) -> None:
        self._move(State.USER_SPEAKING)
        # From the turn's beginning, so that pauses do not let it last for ever.
        self.c.timers["turn"] = max(self.c.now, self.c.onset + self.settings.max_turn)

    def _user_pauses(self, event: inp.SpeechEnded) -> None:
        self._note_voice(event)
        self._decide_from(event.at)

    def _user_goes_on(self, event: inp.SpeechStarted) -> None:
        self._note_pause(event.at)
        self._note_voice(event)
        self._abandon_guess()
        if not self.c.forced:  # a turn that is being taken is not reopened: what follows is the next one
            self._follow_voice()

    def _note_pause(self, onset: float) -> None:
        """The user paused and went on with the same turn: learn how long they pause."""
        c = self.c
        if not c.forced:
            c.pace = adapt_pace(c.pace, onset - c.speech_end)

    def _forced_voice_ends(self, event: inp.SpeechEnded) -> None:
        """The voice ended while its turn is being taken by force: what it said last belongs to the turn."""
        if self.c.voiced:
            self._user_pauses(event)

    def _turn_too_long(self, _: None) -> None:
        self.c.forced = True
        self.c.voiced_at = self.c.now
        self._decide_from(self.c.now)

    def _close_segment(self, event: inp.SpeechEnded) -> None:
        """The end of speech that no longer matters; the recogniser must still finish its segment."""
        self.c.voiced = False
        self._ask_final(event.at)
        self.c.drop_words()

    # --- words ----------------------------------------------------------------------------------------------

    def _take(self, event: inp.PartialText | inp.FinalText) -> None:
        self.c.take_words(event.segment, event.text, final=isinstance(event, inp.FinalText))

    def _words(self, event: inp.PartialText | inp.FinalText) -> None:
        self._take(event)
        if self.c.state in (State.USER_SPEAKING, State.DECIDING):
            self._guess()
        if self.c.state is State.DECIDING:
            self._arm_endpoint()

    def _take_unexpected(self, event: inp.FinalText) -> bool:
        """A final without a voice: late, or of a recogniser that hears better than the VAD. Is it of use?"""
        c = self.c
        late = event.segment < c.asked
        self._take(event)
        if event.text.strip() and not (late and c.now > c.asked_at + LATE_FINAL):
            if not late:
                c.speech_end = c.voiced_at = c.now
            return True
        c.drop_words()
        self._ignore("FinalText")
        return False

    def _unexpected_words(self, event: inp.FinalText) -> None:
        if not self._take_unexpected(event):
            return
        self._open_turn(self.c.voiced_at)
        self._move(State.DECIDING)
        self._arm_endpoint()

    # --- the decision ---------------------------------------------------------------------------------------

    def _decide_from(self, speech_end: float) -> None:
        self.c.speech_end = speech_end
        self.c.probability = None
        self._move(State.DECIDING)
        self._ask_final(speech_end)
        self._guess()
        self._arm_endpoint()

    def _probability(self, event: inp.TurnProbability) -> None:
        self.c.probability = event.probability
        self._arm_endpoint()

    def _arm_endpoint(self) -> None:
        """Sets when the silence is long enough; decides at once if it already is."""
        c, s = self.c, self.settings
        text = self.words(before=c.asked)
        due = c.now
        if text and not c.forced:
            due = c.speech_end + endpointing_delay(self._complete(text)[0], s, c.pace)
        if c.finals_due:  # both the silence and the final are needed, the latter for so long
            due = max(due, c.asked_at + s.final_timeout)
        if due <= c.now:
            self._endpoint(None)
        else:
            c.timers["endpoint"] = due

    def _complete(self, text: str) -> tuple[float, str]:
        """How likely the turn is complete, from its words and its sound, and why."""
        heard = self.c.probability
        words = judge_words(text, self.settings.language)
        evidence = f"words {words.probability:.2f} ({', '.join(words.reasons)})"
        if heard is not None:
            evidence += f", sound {heard:.2f}"
        return combine(words.probability, heard), evidence

    def _endpoint(self, _: None) -> None:
        c = self.c
        text = self.words(before=c.asked)
        if c.typed:
            self._commit(text, "typed")
        elif text and not is_hesitation(text):
            self._commit(text, "forced" if c.forced else "final_timeout" if c.finals_due else "silence")
        else:
            self._discard(text)

    def _discard(self, text: str) -> None:
        """No turn after all."""
        c = self.c
        echo = not text and bool(c.text(before=c.asked))
        self._emit(cmd.DiscardSpeech(c.onset, text, "echo" if echo else "no_words"))
        if echo:
            self._note_echo()
        c.turn_open = c.forced = False
        c.turn -= 1
        c.merged_text = ""
        c.drop_words()
        if c.voiced:  # a noise that has lasted too long: listen to it afresh
            self._open_turn(c.now)
            self._follow_voice()
        else:
            self._rest()

    def _commit(self, text: str, reason: str) -> None:
        c = self.c
        self._active()
        c.turn_open = False
        c.committed_text, c.committed_at = text, c.now
        c.settle_words()
        c.merged_text = c.typed = ""
        probability, evidence = (1.0, "") if reason == "typed" else self._complete(text)
        guess = self._take_guess(text)
        self._emit(cmd.CommitTurn(c.turn, text, c.speech_end, reason, round(probability, 3), evidence))
        # A monologue that was cut goes on as the next turn, behind a reply it must not interrupt.
        self._answer(text, interruptible=not (c.forced and c.voiced), guess=guess)
        c.forced = False
        if c.voiced:
            c.candidate = Candidate(onset=c.voiced_at, since=c.voiced_at)

    # --- typed words ----------------------------------------------------------------------------------------

    def _typed(self, event: inp.TypedText) -> None:
        """A turn at once, with what was spoken before it."""
        c = self.c
        if not event.text.strip():
            return
        if c.voiced:  # what is spoken from here on is told apart by a segment of its own
            self._ask_final(c.now)
            c.voiced_at = c.now
        if not c.turn_open:
            if not content_words(c.spoken(before=c.asked), self.settings.language):
                c.drop_words()
            self._open_turn(c.now)
        c.speech_end = c.now
        self._commit(f"{self.words(before=c.asked)} {event.text.strip()}".strip(), "typed")

    def _typed_over(self, event: inp.TypedText) -> None:
        """Typed while the agent has the word: the reply is cut, or heard first if it must be."""
        c = self.c
        if not event.text.strip():
            return
        if c.state is not State.INTERRUPTED:
            if not c.interruptible:
                c.typed = f"{c.typed} {event.text.strip()}".strip()
                return
            self._cancel("typed")
        if c.audible:
            onset = c.now if c.interrupted is None else c.interrupted.onset
            self._emit(cmd.Interrupted(c.reply, c.reply_turn, onset))
        c.candidate = c.interrupted = None
        c.reply = 0
        self._typed(event)
