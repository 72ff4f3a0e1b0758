"""The rounds of a floor: which are under way, and which turn a claim is for."""

from __future__ import annotations

from collections.abc import Iterator

from beluga_voice.core.floor_rounds import Phase, Round
from beluga_voice.core.moderator import FloorTurn

__all__ = ["Rounds"]

_REMEMBERED = 32


class Rounds:
    """All rounds under way and the latest that are over, oldest first.

    Args:
        slack: by how many seconds the times differ at which two agents hear the same speech.
        unwanted_for: how long a turn that nobody wants to answer is remembered for one who does.
    """

    def __init__(self, slack: float, unwanted_for: float) -> None:
        self._slack = slack
        self._unwanted_for = unwanted_for
        self._rounds: list[Round] = []
        self._count = 0

    def __iter__(self) -> Iterator[Round]:
        return iter(self._rounds)

    @property
    def busy(self) -> bool:
        """Whether anybody is being chosen or waited for."""
        return any(r.phase in (Phase.DECIDING, Phase.WAITING) for r in self._rounds)

    @property
    def ready(self) -> Round | None:
        """The oldest round whose chosen one has claimed it."""
        return next((r for r in self._rounds if r.ready), None)

    def begin(self, turn: FloorTurn, onset: float, end: float, now: float) -> Round:
        """A turn that nobody has claimed before."""
        self._count += 1
        r = Round(self._count, turn, onset, end, deadline=now + self._unwanted_for)
        self._rounds.append(r)
        over = [old for old in self._rounds if old.phase is Phase.DONE][:-_REMEMBERED]
        self._rounds = [old for old in self._rounds if old not in over]
        return r

    def find(self, number: int, phase: Phase) -> Round | None:
        """The round with this number, if it stands so."""
        return next((r for r in self._rounds if r.number == number and r.phase is phase), None)

    def of(self, agent: str, onset: float, end: float, invitation: int) -> Round | None:
        """The newest round that ``agent`` may be claiming now, or None for a turn nobody has claimed before.

        Args:
            agent: who claims.
            onset: when the turn began, as it heard it.
            end: when its last voice was.
            invitation: the round it was invited to, or 0.
        """
        for r in reversed(self._rounds):
            if invitation:
                if r.number == invitation:
                    return r
                continue
            if r.turn.by_agent or agent in r.claims or not r.overlaps(onset, end, self._slack):
                continue
            if agent not in r.heard or r.phase in (Phase.OPEN, Phase.DECIDING, Phase.WAITING):
                return r
        return None
