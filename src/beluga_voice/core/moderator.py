"""Which of several agents answers: what a moderator is told, and the choice that is made where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from beluga_voice.core.group import names_in
from beluga_voice.core.voices import Utterance, rendered

__all__ = ["Candidate", "FloorLine", "FloorTurn", "choose"]


@dataclass(frozen=True, slots=True)
class FloorTurn:
    """A turn that somebody is to answer.

    Attributes:
        said: who said what, in order; identities of people, or the name of an agent.
        by_agent: an agent said it.
    """

    said: tuple[Utterance, ...]
    by_agent: bool = False

    @property
    def text(self) -> str:
        """All words; ``Name: words`` lines where several spoke."""
        return rendered(self.said)

    @property
    def speaker(self) -> str:
        """Who spoke last."""
        return self.said[-1][0] if self.said else ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that may answer.

    Attributes:
        agent: its session's id.
        name: what it is called.
        silent_for: seconds since it last spoke, or since it came.
        last_with_speaker: it was the last to answer whoever speaks now.
        aliases: what else it is called, e.g. spellings of its name that recognisers make.
    """

    agent: str
    name: str
    silent_for: float
    last_with_speaker: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FloorLine:
    """One entry of what was said in the room.

    Attributes:
        speaker: identity of a person or name of an agent.
        text: the words; of an agent those that were heard.
        agent: an agent said it.
    """

    speaker: str
    text: str
    agent: bool = False


def choose(turn: FloorTurn, candidates: Sequence[Candidate]) -> str | None:
    """The agent that is addressed by name; else the last in conversation with the speaker; else the longest silent."""
    if not candidates:
        return None
    by_name = {name: c.agent for c in reversed(candidates) for name in (c.name, *c.aliases) if name}
    addressed = names_in(" ".join(words for _, words in turn.said), list(by_name))
    if addressed:
        return by_name[addressed[0]]
    partner = next((c for c in candidates if c.last_with_speaker), None)
    return (partner or max(candidates, key=lambda c: c.silent_for)).agent
