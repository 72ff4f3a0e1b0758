"""Snaps a recognised sentence to one the agent expects, when it is nearly that."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

__all__ = ["PhraseBook"]

# At least this share of letters must agree. Lower, and questions that only resemble a phrase are captured.
_SIMILAR = 0.85
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
            if abs(len(phrase) - len(text)) > 0.3 * len(phrase) or _digits_differ(phrase, text):
                continue
            similar = SequenceMatcher(None, text, phrase, autojunk=False).ratio()
            if similar > score:
                best, score = phrase, similar
        return best


_VALUES = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve half quarter monday tuesday wednesday "
    "thursday friday saturday sunday today tomorrow not no yes".split()
)


def _digits_differ(a: str, b: str) -> bool:
    """Days, numbers and negations are what a sentence is about: two that differ in them are never the same."""
    return {w for w in a.split() if w in _VALUES} != {w for w in b.split() if w in _VALUES}


def _plain(phrase: str) -> str:
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in phrase.lower()).split())
