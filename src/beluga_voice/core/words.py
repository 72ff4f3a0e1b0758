"""What words tell about turns: back-channels, hesitations, and how much was said.

Rules on text only; they are cheap enough to run on every partial. The lists are closed classes of words
(function words, listener responses), so they do not grow with the domain. Where several people spoke
(`beluga_voice.core.voices`), each is judged by their own words.
"""

from __future__ import annotations

import re

from beluga_voice.core.voices import plain, voices

__all__ = ["content_words", "is_backchannel", "is_hesitation", "split_words"]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*", re.UNICODE)

# Listener responses that ask the speaker to go on. Hyphens and apostrophes are removed before the look-up ("mm-hmm").
_BACKCHANNELS = frozenset(
    # English
    "uh huh uhhuh mm mmm hm hmm mmhmm mhm mhmm aha ah oh okay ok yeah yep yup right sure yes cool wow great "
    "alright gotcha um er eh "
    # German
    "ja jaja jo genau achso ach stimmt klar verstehe gut super hmhm "
    # French
    "oui ouais voilà mouais daccord hum bien "
    # Spanish
    "sí si vale ajá claro ya entiendo bueno "
    # Italian, Portuguese, Dutch
    "già certo capito esatto sim tá pois hoor klopt".split()
)
_BACKCHANNEL_PHRASES = frozenset(
    ("i see", "got it", "of course", "go on", "ah so", "ach so", "d accord", "all right", "oh okay", "uh huh",
     "i know", "is that so", "oh i see", "alles klar", "na klar", "ich verstehe", "sehr gut", "ah bon", "je vois",
     "bien sûr", "très bien", "de acuerdo", "muy bien", "ya veo", "por supuesto", "ho capito")
)  # fmt: skip
# Sounds of somebody who looks for words; none of them answers a question, as "mm" may.
_HESITATIONS = frozenset("um umm uh uhh uhm er erm äh ähm öhm euh".split())
_FILLERS = _HESITATIONS | frozenset("eh hmm hm mm este cioè".split())

# What recognisers make of a cough or a chair: alone, one of these is no interruption.
_NOISE_WORDS = frozenset("a the of and in it i to uh he at on is but or as an if are you".split())


def split_words(text: str) -> list[str]:
    """The words of ``text`` in lower case, without punctuation."""
    return _WORD.findall(plain(text).lower())


def content_words(text: str) -> int:
    """How many words mean something; 0 for a pure back-channel, a filler or a lone function word."""
    return sum(_content_words(said) for said in voices(text))


def _content_words(text: str) -> int:
    words = split_words(text)
    if _is_backchannel(text) or (len(words) == 1 and words[0] in _NOISE_WORDS):
        return 0
    return sum(w.replace("-", "") not in _FILLERS for w in words)


def is_backchannel(text: str) -> bool:
    """Whether ``text`` is nothing but listener response ("mm-hmm", "yeah, okay"); empty text is not one."""
    return all(_is_backchannel(said) for said in voices(text))


def _is_backchannel(text: str) -> bool:
    words = split_words(text)
    if not words or len(words) > 4:
        return False
    if " ".join(words) in _BACKCHANNEL_PHRASES:
        return True
    return all(w.replace("-", "").replace("’", "").replace("'", "") in _BACKCHANNELS for w in words)


def is_hesitation(text: str) -> bool:
    """Whether ``text`` is nothing but "um" and the like; empty text is not."""
    words = split_words(text)
    return bool(words) and all(w in _HESITATIONS for w in words)
