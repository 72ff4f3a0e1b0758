"""What the turn core wants done. The shell carries each out at once, in order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = [
    "Abandon",
    "AskFinal",
    "CancelReply",
    "Close",
    "Command",
    "CommitTurn",
    "DiscardSpeech",
    "Duck",
    "Fault",
    "Hold",
    "Interrupted",
    "MoveTo",
    "Resume",
    "RetractTurn",
    "Speculate",
    "StartReply",
    "StartSay",
    "StopPlayout",
    "UserAway",
    "command_to_dict",
]


@dataclass(frozen=True, slots=True)
class MoveTo:
    """Tell the owner: the conversation is now in ``state``."""

    state: str
    previous: str


@dataclass(frozen=True, slots=True)
class AskFinal:
    """Make the recogniser finish the open segment; the last voice was at ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The user's turn is over and becomes history; ``reason`` says what decided it.

    ``probability`` is how complete it was judged, ``evidence`` what that rests on.
    """

    turn: int
    text: str
    speech_end: float
    reason: str
    probability: float = field(default=1.0, compare=False)
    evidence: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RetractTurn:
    """The user went on before anything was heard or done: take ``turn`` out of the history again."""

    turn: int


@dataclass(frozen=True, slots=True)
class StartReply:
    """Ask the agent for an answer to ``turn`` and speak it; a ``guess`` that is not 0 is that answer, already begun."""

    reply: int
    turn: int
    text: str
    guess: int = 0


@dataclass(frozen=True, slots=True)
class Speculate:
    """Prepare an answer to ``text`` as ``turn``; it must not be heard, act or be told before `StartReply` names it."""

    guess: int
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """Give up the answer ``guess``: the words it was for are not the turn."""

    guess: int


@dataclass(frozen=True, slots=True)
class StartSay:
    """Speak ``text``; ``turn`` is 0 unless it belongs to one."""

    reply: int
    text: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop generating and synthesising ``reply``; none of its audio may be sent any more."""

    reply: int
    reason: str


@dataclass(frozen=True, slots=True)
class Duck:
    """Lower the agent's voice: somebody speaks."""

    reply: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop sending audio, but keep all of it."""

    reply: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on at full voice, with no audio lost."""

    reply: int


@dataclass(frozen=True, slots=True)
class StopPlayout:
    """Throw away what was not heard and answer with `PlayoutStopped`."""

    reply: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Tell the owner: the reply to ``turn`` was cut by speech that began at ``onset``."""

    reply: int
    turn: int
    onset: float


@dataclass(frozen=True, slots=True)
class DiscardSpeech:
    """Tell the owner: a sound that began at ``onset`` was no turn (``reason``: backchannel, no_words or echo)."""

    onset: float
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class UserAway:
    """Tell the owner: both sides have been silent for long."""

    silent_for: float


@dataclass(frozen=True, slots=True)
class Fault:
    """Tell the owner: a stage missed its deadline; the conversation goes on."""

    stage: str
    message: str


@dataclass(frozen=True, slots=True)
class Close:
    """The conversation is over; always the last command."""

    reason: str


Command = (
    MoveTo
    | AskFinal
    | CommitTurn
    | RetractTurn
    | StartReply
    | Speculate
    | Abandon
    | StartSay
    | CancelReply
    | Duck
    | Hold
    | Resume
    | StopPlayout
    | Interrupted
    | DiscardSpeech
    | UserAway
    | Fault
    | Close
)


def command_to_dict(value: Command) -> dict[str, Any]:
    """JSON-ready: ``type`` and the fields."""
    return {"type": type(value).__name__, **asdict(value)}
