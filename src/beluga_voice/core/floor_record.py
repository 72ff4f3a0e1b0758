"""What was said on the floor: a moderator's history, who talked with whom, and what each agent has still to be told."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from beluga_voice.core.floor_rounds import Round, Tell
from beluga_voice.core.moderator import FloorLine

__all__ = ["FloorRecord"]

_MAX_PARTNERS = 1000
_DISMISSED_FOR = 10.0


class FloorRecord:
    """The memory of one floor.

    Args:
        limit: lines to keep.
        slack: by how many seconds the times differ at which two agents hear the same speech.
    """

    def __init__(self, limit: int, slack: float) -> None:
        self.lines: deque[FloorLine] = deque(maxlen=limit)
        self._slack = slack
        self._partners: dict[str, str] = {}
        self._dismissed: deque[tuple[float, float]] = deque(maxlen=100)

    def partner_of(self, speaker: str) -> str:
        """The agent that answered ``speaker`` last."""
        return self._partners.get(speaker, "")

    def answered(self, r: Round, agent: str) -> None:
        """``agent`` is about to answer a round."""
        if r.turn.by_agent:
            return
        self.lines.extend(_lines(r))
        for who, _ in r.turn.said:
            self._partners.pop(who, None)
            self._partners[who] = agent
        while len(self._partners) > _MAX_PARTNERS:
            del self._partners[next(iter(self._partners))]

    def unanswered(self, r: Round, members: Iterable[str]) -> Iterator[Tell]:
        """Nobody answers a round; who did not hear it is told."""
        if not r.turn.by_agent:
            self.lines.extend(_lines(r))
            yield from self._tell(r, members, ())

    def taken_back(self, r: Round) -> None:
        """The turn was not over: it will come back longer."""
        for line in reversed(_lines(r)):
            if not r.turn.by_agent and self.lines and self.lines[-1] == line:
                self.lines.pop()

    def spoke(
        self, r: Round | None, agent: str, name: str, heard: str, members: Iterable[str]
    ) -> Iterator[Tell]:
        """``agent`` was heard; everybody else is told, and of the turn it answered if they did not hear that."""
        line = FloorLine(name, heard, agent=True)
        self.lines.append(line)
        others = [m for m in members if m != agent]
        if r is None or r.turn.by_agent:
            yield from (Tell(m, (line,)) for m in others)
        else:
            yield from self._tell(r, others, (line,))

    def _tell(self, r: Round, members: Iterable[str], more: tuple[FloorLine, ...]) -> Iterator[Tell]:
        for member in members:
            lines = more if member in r.heard | r.told else (*_lines(r), *more)
            r.told.add(member)
            if lines:
                yield Tell(member, lines)

    # --- sounds that were no turn -------------------------------------------------------------------------------

    def dismiss(self, onset: float, now: float) -> None:
        """What began at ``onset`` and is over ``now`` was no turn."""
        self._dismissed.append((onset, now))

    def was_dismissed(self, onset: float, end: float, now: float) -> bool:
        """Whether a turn is such a sound."""
        while self._dismissed and self._dismissed[0][1] < now - _DISMISSED_FOR:
            self._dismissed.popleft()
        return any(begin - self._slack <= onset and end <= at + self._slack for begin, at in self._dismissed)


def _lines(r: Round) -> tuple[FloorLine, ...]:
    return tuple(FloorLine(who, words) for who, words in r.turn.said)
