"""What the outside is shown of the user's words while they speak and when their turn is taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from beluga_voice.core.voices import Utterance, utterances
from beluga_voice.events import TranscriptEvent

__all__ = ["Transcript", "by_person"]


class Transcript:
    """Transcript events of one turn at a time: one for each person whose words changed."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self.turn = 0

    def begin(self, turn: int) -> None:
        """Another turn is open."""
        self.turn = turn
        self._told = {}

    def partial(self, turn: int, text: str, at: float) -> Iterator[TranscriptEvent]:
        """The words of the open turn so far, with their speakers."""
        for who, words in by_person(utterances(text)):
            if self._told.get(who) != words:
                self._told[who] = words
                yield TranscriptEvent(at=at, turn=turn, text=words, final=False, participant=who)

    def final(self, turn: int, said: Sequence[Utterance], at: float) -> Iterator[TranscriptEvent]:
        """The turn was taken with these words."""
        for who, words in by_person(said):
            yield TranscriptEvent(at=at, turn=turn, text=words, final=True, participant=who)

    def drop(self) -> None:
        """The words so far were no turn."""
        self._told = {}


def by_person(said: Sequence[Utterance]) -> list[Utterance]:
    """All that each person said, in order of their first words."""
    people: dict[str, list[str]] = {}
    for who, words in said:
        people.setdefault(who, []).append(words)
    return [(who, " ".join(words)) for who, words in people.items()]
