"""What the floor remembers: turns that agents want to answer, and commands on their way out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from beluga_voice.core.moderator import Candidate, FloorLine, FloorTurn

__all__ = [
    "AskModerator",
    "Claim",
    "Command",
    "Grant",
    "GrantSay",
    "Hold",
    "Invite",
    "Member",
    "Phase",
    "Refuse",
    "Revoke",
    "Round",
    "Tell",
]


@dataclass(frozen=True, slots=True)
class Grant:
    """``agent`` may answer what it claimed with ``token``."""

    agent: str
    token: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """``agent`` stays silent on what it claimed with ``token``."""

    agent: str
    token: int


@dataclass(frozen=True, slots=True)
class GrantSay:
    """``agent`` may say the next thing it wants to say by itself."""

    agent: str


@dataclass(frozen=True, slots=True)
class Invite:
    """``agent`` is to answer a turn that it does not claim: its claim for ``round`` is expected.

    It has not heard the turn, or (``heard``) has and was refused, before whoever was to answer failed.
    """

    agent: str
    round: int
    turn: FloorTurn
    heard: bool


@dataclass(frozen=True, slots=True)
class AskModerator:
    """Somebody is to be chosen for ``round``; answer with `FloorMachine.decided`."""

    round: int
    turn: FloorTurn
    candidates: tuple[Candidate, ...]
    history: tuple[FloorLine, ...]


@dataclass(frozen=True, slots=True)
class Revoke:
    """``agent`` missed its deadline: it must be silent now, and release the floor."""

    agent: str


@dataclass(frozen=True, slots=True)
class Tell:
    """``agent`` did not hear ``lines`` as turns of its own; they belong into its history."""

    agent: str
    lines: tuple[FloorLine, ...]


Command = Grant | Refuse | GrantSay | Invite | AskModerator | Revoke | Tell


@dataclass(slots=True)
class Member:
    """An agent of the room.

    Attributes:
        name: what it is called.
        since: when it last spoke, or came.
        aliases: what else it is called.
    """

    name: str
    since: float
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """An agent wants to answer a turn, or (not ``willing``) says that the turn is not for it."""

    agent: str
    token: int
    turn: FloorTurn
    willing: bool
    until: float


class Phase(Enum):
    """Where a round stands.

    ``open``: somebody is to be chosen, once it is wanted and the floor is free; ``deciding``: the moderator was asked;
    ``waiting``: for the chosen one's claim, and the floor; ``granted``; ``done``.
    """

    OPEN = "open"
    DECIDING = "deciding"
    WAITING = "waiting"
    GRANTED = "granted"
    DONE = "done"


@dataclass(slots=True)
class Round:
    """One turn as all agents heard it: each claims it in words and times of its own.

    Attributes:
        number: counts up.
        turn: as the first to claim it heard it, later as the one heard it who answers.
        onset: when it began, on the floor's clock.
        end: when its last voice was.
        phase: where it stands.
        wanted: somebody should answer it.
        claims: those not settled, by agent.
        heard: who has claimed it, so heard it itself.
        told: who was told of it.
        excluded: who cannot or will not answer it.
        candidates: what the moderator was given.
        chosen: by the moderator.
        invited: the chosen one was invited.
        deadline: of the present phase.
        speaker: for what an agent said: which.
        tries: how often that was put off because somebody was speaking.
    """

    number: int
    turn: FloorTurn
    onset: float
    end: float
    phase: Phase = Phase.OPEN
    wanted: bool = False
    claims: dict[str, Claim] = field(default_factory=dict[str, Claim])
    heard: set[str] = field(default_factory=set[str])
    told: set[str] = field(default_factory=set[str])
    excluded: set[str] = field(default_factory=set[str])
    candidates: tuple[Candidate, ...] = ()
    chosen: str = ""
    invited: bool = False
    deadline: float = 0.0
    speaker: str = ""
    tries: int = 0

    @property
    def willing(self) -> bool:
        """Whether anybody who claims it would answer."""
        return any(claim.willing for claim in self.claims.values())

    @property
    def ready(self) -> bool:
        """Whether the chosen one has claimed it."""
        claim = self.claims.get(self.chosen)
        return self.phase is Phase.WAITING and claim is not None and claim.willing

    def overlaps(self, onset: float, end: float, slack: float) -> bool:
        """Whether a turn from ``onset`` to ``end`` is this one."""
        return onset <= self.end + slack and end >= self.onset - slack

    def reopen(self, *, wanted: bool, deadline: float) -> None:
        """Nobody is chosen any more."""
        self.phase, self.chosen, self.invited = Phase.OPEN, "", False
        self.wanted, self.deadline = wanted, deadline


@dataclass(slots=True)
class Hold:
    """Who has the floor.

    Attributes:
        agent: its session's id.
        round: what it answers, or None for what it says by itself.
        token: of its claim; 0 for what it says by itself.
        deadline: when it is taken for dead.
        heard: it was audible.
        revoked: it missed the deadline and was told to be silent.
    """

    agent: str
    round: Round | None
    token: int
    deadline: float
    heard: bool = False
    revoked: bool = False
