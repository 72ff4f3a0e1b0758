"""Snaps a recognised sentence to one the agent expects, when it is nearly that."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

__all__ = ["PhraseBook"]

# At least this share of letters must agree. Lower, and questions that only resemble a phrase are captured.
_SIMILAR = 0.85
# … and of each pair of words that differ. "open" is heard as "hope" (0.75), but "filling" is not "cleaning" (0.53).
_WORD_ALIKE = 0.6
# A phrase shorter than this is too easily resembled by something else.
_MIN_LETTERS = 8


class PhraseBook:
    """Phrases an agent expects.

    Args:
        phrases: in any case and punctuation.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        plain = {_plain(p): p for p in phrases}
        self._phrases = [p for p in plain if len(p) >= _MIN_LETTERS]

    def match(self, text: str) -> str:
        """The phrase that ``text`` nearly is, in lower case without punctuation, or ``text`` itself."""
        if not text or text in self._phrases:
            return text
        best, score = text, _SIMILAR
        for phrase in self._phrases:
            if abs(len(phrase) - len(text)) > 0.3 * len(phrase) or not _mishearing(text, phrase):
                continue
            similar = SequenceMatcher(None, text, phrase, autojunk=False).ratio()
            if similar > score:
                best, score = phrase, similar
        return best


# Words a recogniser loses or adds.
_SMALL = frozenset("a an the and of to is are do does in it for i you please".split())
# Days, numbers and negations are what a sentence is about: they are never mended.
_VALUES = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve half quarter monday tuesday wednesday "
    "thursday friday saturday sunday today tomorrow not no yes".split()
)


def _mishearing(heard: str, phrase: str) -> bool:
    """Whether each word that differs is one word heard as another that sounds like it."""
    a, b = heard.split(), phrase.split()
    for kind, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        one, other = a[i:j], b[k:m]
        if _VALUES & {*one, *other}:
            return False
        alike = SequenceMatcher(None, "".join(one), "".join(other), autojunk=False).ratio()
        if alike < _WORD_ALIKE and not _SMALL.issuperset(one + other):
            return False
    return True


def _plain(phrase: str) -> str:
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in phrase.lower()).split())
