"""What words tell about turns: back-channels, hesitations, and how much was said.

Rules on text only; they are cheap enough to run on every partial. The lists are closed classes of words (function
words here, listener responses in `beluga_voice.core.backchannels`), so they do not grow with the domain. Where several
people spoke (`beluga_voice.core.voices`), each is judged by their own words.
"""

from __future__ import annotations

import re

from beluga_voice.core.backchannels import Listening, listening
from beluga_voice.core.voices import plain, voices

__all__ = ["asks_to_stop", "content_words", "is_answer", "is_backchannel", "is_hesitation", "split_words"]

# Letters with the marks of scripts whose vowels are marks, and what holds a word together.
_LETTER = r"(?:[^\W_]|[\u0300-\u036f\u0900-\u0963\u0966-\u0dff])"
_WORD = re.compile(rf"{_LETTER}+(?:['’-]{_LETTER}+)*", re.UNICODE)

# Sounds of somebody who looks for words; none of them answers a question, as "mm" may.
_HESITATIONS = frozenset("um umm uh uhh uhm er erm äh ähm öhm euh".split())
_FILLERS = _HESITATIONS | frozenset("eh hmm hm mm este cioè".split())

# What recognisers make of a cough or a chair: alone, one of these is no interruption.
_NOISE_WORDS = frozenset("a the of and in it i to uh he at on is or as an if are you".split())


def split_words(text: str) -> list[str]:
    """The words of ``text`` in lower case, without punctuation."""
    return _WORD.findall(plain(text).lower())


def content_words(text: str, language: str = "") -> int:
    """How many words mean something; 0 for a pure back-channel, a filler or a lone function word.

    Args:
        text: what was recognised.
        language: as `beluga_voice.core.backchannels.listening` takes it.
    """
    return sum(_content_words(said, listening(language)) for said in voices(text))


def _content_words(text: str, listener: Listening) -> int:
    words = split_words(text)
    if listener.responds(words) or (len(words) == 1 and words[0] in _NOISE_WORDS):
        return 0
    return sum(w.replace("-", "") not in _FILLERS for w in words)


def is_backchannel(text: str, language: str = "") -> bool:
    """Whether ``text`` is nothing but listener response ("mm-hmm", "yeah, okay"); empty text is not one."""
    return all(listening(language).responds(split_words(said)) for said in voices(text))


def is_answer(text: str, language: str = "") -> bool:
    """Whether ``text`` is a listener response that says yes, to a question that was asked ("yeah", "sure")."""
    return any(listening(language).answers(split_words(said)) for said in voices(text))


def asks_to_stop(text: str, language: str = "") -> bool:
    """Whether somebody in ``text`` objects, or asks the speaker to stop: "no", "wait", "stop" and their kin."""
    return any(listening(language).stops(split_words(said)) for said in voices(text))


def is_hesitation(text: str) -> bool:
    """Whether ``text`` is nothing but "um" and the like; empty text is not."""
    words = split_words(text)
    return bool(words) and all(w in _HESITATIONS for w in words)
