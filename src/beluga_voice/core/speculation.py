"""Answers prepared before the turn is decided: when to begin one, when to give it up, when it is the reply.

In a pause of the voice the words so far are given to the agent as a *guess*: it works on an answer that nobody hears.
If the turn is then taken with the same words, that answer is the reply and much of its waiting is over; if the user
goes on or other words come, it is given up. A guess runs no tool and tells nobody: that begins with the commit.
"""

from __future__ import annotations

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.completeness import completeness
from beluga_voice.core.own_voice import OwnVoice
from beluga_voice.core.voices import plain, utterances, voices
from beluga_voice.core.words import is_hesitation, split_words

__all__ = ["Speculation"]

# Words less likely to be all than this are not worth an answer.
LEAST_COMPLETE = 0.4


class Speculation(OwnVoice):
    """Begins guesses and gives them up."""

    def _voice_pauses(self, _: inp.SpeechPaused) -> None:
        self.c.quiet = True
        self._guess()

    def _voice_resumes(self, _: inp.SpeechResumed) -> None:
        self.c.quiet = False
        self._abandon_guess()

    def _guess(self) -> None:
        """Has the agent work on the words so far, if they are worth it and not worked on already."""
        c, s = self.c, self.settings
        text = self.words()
        if not s.max_guesses or not c.quiet or c.forced or not text or is_hesitation(text):
            return
        if c.guess and _same(text, c.guess_text):
            return
        self._abandon_guess()
        if c.guesses >= s.max_guesses or len(voices(text)) > 1:
            return
        if completeness(text, s.language) < LEAST_COMPLETE:
            return
        c.last_guess += 1
        c.guesses += 1
        c.guess, c.guess_text = c.last_guess, text
        self._emit(cmd.Speculate(c.guess, c.turn, text))

    def _take_guess(self, text: str) -> int:
        """The guess that answers ``text``, or 0; any other is given up."""
        c = self.c
        if c.guess and not _same(text, c.guess_text):
            self._abandon_guess()
        guess, c.guess = c.guess, 0
        c.guess_text = ""
        c.guesses = 0
        return guess


def _same(one: str, other: str) -> bool:
    """The same words by the same people; their case and punctuation change nothing."""
    return one == other or (
        split_words(plain(one)) == split_words(plain(other)) and _people(one) == _people(other)
    )


def _people(text: str) -> list[str]:
    return [who for who, _ in utterances(text)]
