"""What the turn machine remembers of the agent's own words, so that it knows them when the microphone hears them.

Also of sounds over the agent that came to nothing.
"""

from __future__ import annotations

from beluga_voice.core import inputs as inp
from beluga_voice.core.echo import Echo, find_echo
from beluga_voice.core.replies import Replies

__all__ = ["OwnVoice"]

# Words are remembered for so long: the longest sound that may have to be told apart from them.
_REMEMBERED = 15.0
_MOST_PIECES = 150
# An echo comes back within half a second; a word is told when most of it was sent.
_BEFORE = 1.0
# A "yes" so soon after a question, or before its last word is out, answers it.
_ANSWER_WITHIN = 3.0
_EARLY = 0.3
# After so many echoes in a row, each within so long of the one before, this is a room that echoes.
_PROVEN = 2
_FORGOTTEN = 30.0
# Likewise for sounds over its voice in which nobody said anything: there is a noise.
_NOISES = 3
_NOISE_FORGOTTEN = 15.0
# One echo proves less: then so many words in a row must be the agent's before they are taken out of a turn.
_PLAIN = 3


class OwnVoice(Replies):
    """The agent's words, and whether they come back.

    Where they do, or where it is noisy, sounds alone no longer lower or hold the voice, which would stop and start with
    its own echo or with somebody's typing: words that are not its own interrupt it.
    """

    def _words_heard(self, event: inp.WordsHeard) -> None:
        c = self.c
        c.said = [(at, text) for at, text in c.said[1 - _MOST_PIECES :] if at >= c.now - _REMEMBERED]
        c.said.append((c.now, event.text))
        if event.text.rstrip().endswith(("?", "？")):
            c.questioned_at = c.now

    def _echo_in(self, text: str, onset: float) -> Echo:
        """What of ``text``, recognised of a sound that began at ``onset``, is the agent's own."""
        said = " ".join(words for at, words in self.c.said if at >= onset - _BEFORE)
        return find_echo(text, said, self.settings.language)

    def _note_echo(self) -> None:
        c = self.c
        c.echoes = c.echoes + 1 if c.now - c.echo_at < _FORGOTTEN else 1
        c.echo_at = c.now

    def _note_noise(self) -> None:
        c = self.c
        c.noises = c.noises + 1 if c.now - c.noise_at < _NOISE_FORGOTTEN else 1
        c.noise_at = c.now

    @property
    def _only_words_count(self) -> bool:
        """Whether the microphone is known to hear the agent, or a noise."""
        c = self.c
        echoing = c.echoes >= _PROVEN and c.now - c.echo_at < _FORGOTTEN
        return echoing or (c.noises >= _NOISES and c.now - c.noise_at < _NOISE_FORGOTTEN)

    def _asked(self, onset: float) -> bool:
        """Whether what began at ``onset`` may answer a question."""
        return -_EARLY <= onset - self.c.questioned_at <= _ANSWER_WITHIN

    def words(self, before: int | None = None) -> str:
        """The words of the user's turn so far, without the agent's own where it began over its voice."""
        c = self.c
        text = c.text(before)
        if c.over_voice is None or not text or not c.said:
            return text
        echo = self._echo_in(text, c.over_voice)
        certain = echo.words >= _PLAIN or c.now - c.echo_at < _FORGOTTEN
        return echo.rest if echo.words and certain else text
