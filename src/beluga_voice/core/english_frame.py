"""The last words of an English turn and the frame around them, as the rules look at them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ARTICLES", "AUXILIARIES", "BE", "DO", "OPENERS", "SUBJECTS", "WH", "Frame", "Verdict"]

Verdict = tuple[float, str] | None
"""How likely the turn is complete and why; None if the rule does not know."""

SUBJECTS = frozenset("i we he she they you it".split())
BE = frozenset("is are am was were".split())
DO = frozenset("do does did can could will would shall should may might must have has had".split())
AUXILIARIES = BE | DO
WH = frozenset("what where when who whom whose which why how what's where's who's how's".split())
_OBJECT_WH = frozenset("what which who whom whose many much what's who's".split())
OPENERS = frozenset(
    "and but so well okay ok yes yeah no hi hello hey um uh oh also then now right please alright actually "
    "sorry thanks great".split()
)
ARTICLES = frozenset("a an the my your his her its our their another this that these those".split())


class Frame:
    """The words of a turn, and what most rules ask of them.

    Args:
        words: at least one, in lower case.

    Attributes:
        words: all of them.
        main: without greetings and the like in front.
        last: the last word.
        before: the one before it, or "".
        earlier: the one before that, or "".
        wh: the clause begins as a wh-question.
        asks_object: … that asks for a thing or a person, which its verb then lacks ("what do you recommend").
    """

    __slots__ = ("asks_object", "before", "earlier", "last", "main", "wh", "words")

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        start = 0
        while start < len(words) - 1 and words[start] in OPENERS:
            start += 1
        self.main = words[start:]
        self.last = words[-1]
        self.before = words[-2] if len(words) > 1 else ""
        self.earlier = words[-3] if len(words) > 2 else ""
        self.wh = not WH.isdisjoint(self.main[:3])
        self.asks_object = not _OBJECT_WH.isdisjoint(self.main[:2])

    @property
    def is_question(self) -> bool:
        """Whether its word order is a question's."""
        if self.main[0] in WH:
            return True
        return self.main[0] in AUXILIARIES and len(self.main) > 1 and self.main[1] not in ("not", "to")
