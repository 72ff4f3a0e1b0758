"""What the realtime core is told and what it decides, beyond what it shares with the turn core.

It shares `beluga_voice.core.inputs`: SpeechStarted, SpeechEnded, TurnProbability, TypedText, SayRequested, ToolStarted,
PlayoutStarted, PlayoutProgress, PlayoutFinished, ReplyEnded, ReplyFailed, Stop; and `beluga_voice.core.commands`:
MoveTo, CommitTurn, RetractTurn, StartReply, StartSay, CancelReply, Duck, Hold, Resume, StopPlayout, Interrupted,
DiscardSpeech, UserAway, Fault, Close.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AskModel",
    "CommitInput",
    "DiscardInput",
    "DropSpare",
    "EndReply",
    "Expiring",
    "LinkLost",
    "Linked",
    "ModelHeard",
    "ModelPaused",
    "OpenReply",
    "PieceAsked",
    "Relink",
    "Renew",
    "RenewFailed",
    "Renewed",
    "ResponseBegan",
    "ResponseOver",
    "ResponseProgress",
    "RunTools",
    "SendFrom",
    "SendText",
    "SourceEnded",
    "SpeechPaused",
    "SpeechResumed",
    "StopSending",
    "SwitchOver",
    "ToolAsked",
    "ToolsDone",
    "Words",
]

# --- inputs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The voice has been silent for a moment since ``at``: it may have ended, and may go on."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """It goes on at ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class ModelHeard:
    """The model hears the user, and has stopped its own answer if it had one."""


@dataclass(frozen=True, slots=True)
class ModelPaused:
    """The model thinks the user has finished."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the user said in the present turn (or over the agent); ``final`` when nothing of it is missing."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class ResponseBegan:
    """The model begins the response ``response``."""

    response: str


@dataclass(frozen=True, slots=True)
class ResponseProgress:
    """Audio of it came."""

    response: str


@dataclass(frozen=True, slots=True)
class ToolAsked:
    """It wants a tool to be run."""

    response: str


@dataclass(frozen=True, slots=True)
class ResponseOver:
    """Nothing more of it will come; ``failed`` if the model could not finish it."""

    response: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ToolsDone:
    """All tools of the reply have ended, and the model was told the results."""

    reply: int


@dataclass(frozen=True, slots=True)
class PieceAsked:
    """The shell asks the model to speak a piece of the agent's own text."""

    reply: int


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """The agent has no more text."""

    reply: int


@dataclass(frozen=True, slots=True)
class Linked:
    """A connection to the model stands; the vendor ends it after ``limit`` seconds (0 for never)."""

    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkLost:
    """It is gone; the shell is opening another."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """The connection that `Renew` asked for stands beside the present one."""

    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class RenewFailed:
    """… or could not be opened."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """The vendor ends the present connection in ``seconds``."""

    seconds: float


# --- commands -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendFrom:
    """Send the user's audio to the model from ``at`` on, as far as it was not sent yet."""

    at: float


@dataclass(frozen=True, slots=True)
class StopSending:
    """Send none until `SendFrom`."""


@dataclass(frozen=True, slots=True)
class CommitInput:
    """What was sent is one utterance."""


@dataclass(frozen=True, slots=True)
class DiscardInput:
    """What was sent since the last commit was no utterance."""


@dataclass(frozen=True, slots=True)
class OpenReply:
    """Make room for the answer to ``turn``; ``held`` until `Resume`, because the turn is not decided."""

    reply: int
    turn: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class AskModel:
    """Ask the model to answer."""

    reply: int


@dataclass(frozen=True, slots=True)
class RunTools:
    """Run the tools that were asked for, and those that will be."""

    reply: int


@dataclass(frozen=True, slots=True)
class EndReply:
    """No more audio will come: answer with ReplyEnded once what came is on its way."""

    reply: int


@dataclass(frozen=True, slots=True)
class SendText:
    """Give the model typed words of the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Relink:
    """The connection looks dead: drop it and open another."""

    reason: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Open another connection beside the present one, which the vendor will soon end."""


@dataclass(frozen=True, slots=True)
class SwitchOver:
    """From now on talk to the new connection, and close the old one."""


@dataclass(frozen=True, slots=True)
class DropSpare:
    """Close the new connection: what was said meanwhile is missing in it."""
