"""Lowering the agent's voice for what may be somebody else's, and giving it back."""

from __future__ import annotations

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import Candidate
from beluga_voice.core.user_turn import UserTurn

__all__ = ["Ducking"]

# The detector takes a suspicion back within 0.1 s of audio; this is for audio that stops coming.
_SUSPICION = 0.3


class Ducking(UserTurn):
    """A suspicion lowers the voice and nothing else: it is given back at once, or becomes a candidate."""

    def _voice_suspected(self, _: inp.SpeechSuspected) -> None:
        c = self.c
        if c.suspected or c.candidate is not None or not c.interruptible or self.settings.duck_after > 0:
            return
        if self._only_words_count:
            return
        c.suspected = True
        c.timers["candidate"] = c.now + _SUSPICION
        self._emit(cmd.Duck(c.reply))

    def _voice_dismissed(self, _: inp.SpeechDismissed | None) -> None:
        c = self.c
        if c.suspected:
            c.suspected = False
            c.timers.pop("candidate", None)
            self._emit(cmd.Resume(c.reply))

    def _candidate_at(self, onset: float) -> Candidate:
        """Speech over the agent, for which its voice may have been lowered already."""
        c = self.c
        ducked, c.suspected = c.suspected, False
        return Candidate(onset=onset, since=onset, ducked=ducked)

    def _give_back(self, candidate: Candidate) -> None:
        """Ends ducking and holding; the reply's deadline moves by as long as it was held."""
        c = self.c
        if not (candidate.ducked or candidate.held):
            return
        self._emit(cmd.Resume(c.reply))
        if candidate.held_at is not None and "reply" in c.timers:
            c.timers["reply"] += c.now - candidate.held_at
        candidate.ducked, candidate.held_at = False, None
        c.timers.pop("candidate", None)
