"""Among several people, is a turn for the agent?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from beluga_voice.core.voices import Utterance

__all__ = ["GroupPolicy", "GroupSettings", "names_in"]


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """When to answer where two or more people are present.

    Attributes:
        answer: ``always``, or ``when_addressed`` by one of ``names``.
        names: what people call the agent, with the spellings its recogniser makes of them.
        follow_up: seconds after the agent spoke to somebody in which they may go on without the name.
    """

    answer: Literal["always", "when_addressed"] = "always"
    names: Sequence[str] = ()
    follow_up: float = 10.0


def names_in(text: str, names: Sequence[str]) -> list[str]:
    """Which of ``names`` are said in ``text``, whole words only, in the order in which they are said."""
    low = text.lower()
    found: list[tuple[int, str]] = []
    for name in names:
        words = [re.escape(word) for word in name.lower().split()]
        if words and (match := re.search(r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)", low)):
            found.append((match.start(), name))
    return [name for _, name in sorted(found)]


class GroupPolicy:
    """Decides turn by turn.

    Args:
        settings: when to answer.
    """

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = settings
        self._partners: frozenset[str] = frozenset()
        self._until = 0.0

    def answers(self, said: Sequence[Utterance], *, people: int, onset: float) -> bool:
        """Whether the agent answers a turn.

        Args:
            said: who said what.
            people: how many are present.
            onset: when the turn began, in seconds on the session's timeline.
        """
        s = self._settings
        speakers = frozenset(who for who, _ in said)
        follows = onset <= self._until and not speakers.isdisjoint(self._partners)
        addressed = {who for who, words in said if names_in(words, s.names)}
        if s.answer == "always" or people < 2:
            self._partners = speakers
            return True
        if addressed:
            self._partners = frozenset(addressed)
            return True
        return follows

    def replied(self, at: float) -> None:
        """The agent's reply ended at ``at``: its partners may go on without the name."""
        self._until = at + self._settings.follow_up
