"""The user's side of the realtime machine: where a turn begins and ends, by the model's judgement or by ours."""

from __future__ import annotations

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.completeness import completeness
from beluga_voice.core.conversation import State
from beluga_voice.core.endpointing import combine
from beluga_voice.core.realtime_replies import RealtimeReplies

__all__ = ["RealtimeTurns"]

# Probabilities that the user has finished: plainly not, and from where on it is not worth waiting.
_UNFINISHED, _OPEN = 0.2, 0.5


class RealtimeTurns(RealtimeReplies):
    """Collects a turn and decides, or follows the model's decision, that it is over."""

    # --- voice ------------------------------------------------------------------------------------------------

    def _open_turn(self, onset: float) -> None:
        c = self.c
        if c.turn_open:
            return
        c.turn_open = True
        c.turn += 1
        c.onset = onset
        c.speech_end = onset
        c.words, c.words_final, c.model_heard, c.probability = "", False, c.model_voiced, None
        c.guesses = 0

    def _voice(self, event: inp.SpeechStarted | rt.SpeechResumed) -> None:
        """A voice that belongs to the turn."""
        self.c.voiced = True
        self._open_turn(event.at)
        self._follow_voice()

    def _follow_voice(self) -> None:
        c = self.c
        self._drop_speculation()
        self._move(State.USER_SPEAKING)
        c.words_final = False
        c.timers["turn"] = max(c.now, c.onset + self.settings.max_turn)
        if not self.settings.server_turns:
            c.uncommitted = True
            self._emit(rt.SendFrom(c.onset))

    def _drop_speculation(self) -> None:
        c = self.c
        if c.reply:
            self._cancel("user_goes_on")
            c.reply = 0

    def _model_hears(self, _: rt.ModelHeard) -> None:
        c = self.c
        c.model_voiced = self.settings.voice_events  # else it will not tell when it stops hearing
        self._open_turn(c.now)
        c.model_heard = True
        self._follow_voice()

    def _pause(self, event: rt.SpeechPaused | inp.SpeechEnded) -> None:
        c, s = self.c, self.settings
        if isinstance(event, inp.SpeechEnded):
            c.voiced = False
        c.speech_end = max(c.speech_end, event.at)
        if s.server_turns:
            if isinstance(event, inp.SpeechEnded) and not c.model_voiced:
                self._wait_for_model()
            return
        self._move(State.DECIDING)
        self._commit_input()
        self._speculate()
        self._arm_endpoint()

    def _model_pauses(self, _: rt.ModelPaused) -> None:
        c = self.c
        c.model_voiced = False
        if not c.voiced:
            c.speech_end = c.speech_end if c.speech_end > c.onset else c.now
        self._wait_for_model()

    def _voice_gone(self, event: inp.SpeechEnded) -> None:
        """The end of speech that matters no more, or whose pause was told before."""
        self.c.voiced = False
        if self.c.state is State.DECIDING:
            self.c.speech_end = max(self.c.speech_end, event.at)

    def _voice_unheard(self, _: inp.SpeechEnded) -> None:
        self.c.voiced = False

    # --- our decision -----------------------------------------------------------------------------------------

    def _commit_input(self) -> None:
        c = self.c
        if c.uncommitted and c.linked and c.speech_end - c.onset >= self.settings.min_voice:
            c.uncommitted = False
            self._emit(rt.CommitInput())

    def _speculate(self) -> None:
        """Asks for the answer now; if the user goes on, it was for nothing."""
        c, s = self.c, self.settings
        worth = c.linked and not c.uncommitted and c.turn_open and c.guesses < s.max_guesses
        if s.speculate and not s.agent_reasons and worth:
            c.guesses += 1
            self._open_reply(c.turn, held=True)
            self._ask_model()

    def _arm_endpoint(self) -> None:
        """Sets when the silence is long enough; decides at once if it already is."""
        c = self.c
        due = c.speech_end + self._delay()
        if due <= c.now:
            self._endpoint(None)
        else:
            c.timers["endpoint"] = due

    def _delay(self) -> float:
        """The answer is as good as ready, so only a turn that is plainly unfinished is waited for any longer."""
        c, s = self.c, self.settings
        likely = combine(completeness(c.words, s.language) if c.words else _OPEN, c.probability)
        share = min(1.0, max(0.0, (likely - _UNFINISHED) / (_OPEN - _UNFINISHED)))
        return s.max_endpointing_delay * (s.min_endpointing_delay / s.max_endpointing_delay) ** share

    def _probability(self, event: inp.TurnProbability) -> None:
        self.c.probability = event.probability
        if "endpoint" in self.c.timers:
            self._arm_endpoint()

    def _endpoint(self, _: None) -> None:
        c = self.c
        if c.speech_end - c.onset < self.settings.min_voice:
            self._discard_turn("no_words")
        else:
            self._take_turn("silence")

    def _turn_too_long(self, _: None) -> None:
        c = self.c
        c.speech_end = c.now
        if self.settings.server_turns:
            c.model_voiced = False
            self._wait_for_model()
            return
        self._move(State.DECIDING)
        self._commit_input()
        self._take_turn("too_long")

    def _take_turn(self, reason: str) -> None:
        """The turn is over: release what was made for it, or have it answered now."""
        c, s = self.c, self.settings
        self._commit_turn(reason)
        if c.reply and c.held:
            c.held = False
            self._emit(cmd.Resume(c.reply))
            if c.calls:
                self._emit(rt.RunTools(c.reply))
            self._think()
            if c.ended:  # while it was held, its end meant nothing
                self._emit(rt.EndReply(c.reply))
            return
        self._open_reply(c.turn)
        self._think()
        if s.agent_reasons:
            c.words_due = True
            c.redo = c.resend = not c.linked
            if c.words_final:
                self._ask_agent()
            return
        if not c.linked:
            c.resend = True
        self._ask_model()

    def _commit_turn(self, reason: str) -> None:
        c = self.c
        self._active()
        c.turn_open = False
        c.committed_at = c.now
        self._emit(cmd.CommitTurn(c.turn, c.words, c.speech_end, reason))

    def _ask_agent(self) -> None:
        c = self.c
        c.words_due = False
        if not c.words.strip():
            self._emit(cmd.RetractTurn(c.turn))
            self._maybe_end()
            return
        c.source = True
        self._emit(cmd.StartReply(c.reply, c.turn, c.words))

    def _discard_turn(self, reason: str) -> None:
        """No turn after all."""
        c = self.c
        self._drop_speculation()
        self._emit(cmd.DiscardSpeech(c.onset, c.words, reason))
        if c.uncommitted:
            self._emit(rt.DiscardInput())
            c.uncommitted = False
        c.turn_open = c.model_voiced = False
        c.turn -= 1
        self._rest()

    # --- the model's decision -----------------------------------------------------------------------------------

    def _wait_for_model(self) -> None:
        c, s = self.c, self.settings
        self._move(State.DECIDING)
        heard = c.model_heard or not s.voice_events
        c.timers["answer"] = c.now + (s.answer_timeout if heard else s.unheard_timeout)

    def _no_answer(self, _: None) -> None:
        """The model did not answer: it heard nothing, or the connection is dead."""
        c, s = self.c, self.settings
        if not c.linked and c.now - c.speech_end < s.thinking_timeout:
            c.timers["answer"] = c.now + s.answer_timeout
            return
        long_enough = c.speech_end - c.onset >= s.min_voice
        if (
            c.linked
            and c.model_at < c.onset
            and long_enough
            and (c.model_heard or not s.voice_events or c.stalled < 2)
        ):
            c.stalled += 1
            if c.stalled <= 2:
                c.timers["answer"] = c.now + s.answer_timeout
                self._relink("the model has not answered")
                return
        self._discard_turn("no_answer" if c.model_heard else "no_words")

    def _relink(self, reason: str) -> None:
        raise NotImplementedError

    def _answered(self, event: rt.ResponseBegan) -> None:
        """The model, which takes turns, begins to answer: that is the decision."""
        c, s = self.c, self.settings
        if not s.server_turns or s.agent_reasons:
            self._began(event)
            return
        if c.turn_open:
            c.model_voiced = False
            if c.voiced:  # it was quicker than our VAD, which will tell when the voice ended
                c.speech_end = c.now
            self._commit_turn("model")
            self._open_reply(c.turn)
        else:
            self._open_reply(0)
        c.responses.append(event.response)
        self._think()

    # --- words ------------------------------------------------------------------------------------------------

    def _words(self, event: rt.Words) -> None:
        """The model's transcript of the open turn."""
        c, s = self.c, self.settings
        c.words, c.words_final = event.text, event.final
        if c.state is not State.DECIDING:
            return
        if not s.server_turns:
            if "endpoint" in c.timers:
                self._arm_endpoint()
        elif s.agent_reasons and event.final and not c.voiced:
            if event.text.strip():
                self._take_turn("model")
            else:
                self._discard_turn("no_words")

    def _words_of_turn(self, event: rt.Words) -> None:
        """The transcript of the turn that is being answered."""
        c = self.c
        c.words, c.words_final = event.text, event.final
        if c.words_due and event.final:
            self._ask_agent()

    # --- typed words --------------------------------------------------------------------------------------------

    def _typed(self, event: inp.TypedText) -> None:
        """A turn at once."""
        text = event.text.strip()
        if not text:
            return
        c = self.c
        self._drop_speculation()
        if not self.settings.server_turns and c.uncommitted:
            self._emit(rt.DiscardInput())
            c.uncommitted = False
        self._open_turn(c.now)
        c.words, c.words_final = text, True
        c.speech_end = c.now
        c.model_voiced = False
        self._commit_turn("typed")
        self._open_reply(c.turn)
        if c.linked:
            self._emit(rt.SendText(text))
        else:
            c.unsent.append(text)
        self._think()
        if self.settings.agent_reasons:
            self._ask_agent()
        else:
            self._ask_model()

    # --- rest -------------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Silence on both sides: say what is waiting, or listen."""
        if self.c.says:
            text, interruptible = self.c.says.pop(0)
            self._say(text, interruptible=interruptible)
            self._think()
        else:
            self._move(State.LISTENING)
            self._quiet()

    def _quiet(self) -> None:
        raise NotImplementedError
