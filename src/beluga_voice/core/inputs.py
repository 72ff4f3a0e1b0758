"""What the turn core is told. Plain values, so that a log of them replays a conversation.

Times (`at`) are seconds on the session's timeline, taken from the user's audio samples where audio is meant.
``reply`` numbers every piece of speech the agent starts, from 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "INPUTS",
    "FinalText",
    "Input",
    "PartialText",
    "PlayoutFinished",
    "PlayoutProgress",
    "PlayoutStarted",
    "PlayoutStopped",
    "ReplyEnded",
    "ReplyFailed",
    "SayRequested",
    "SpeechDismissed",
    "SpeechEnded",
    "SpeechPaused",
    "SpeechResumed",
    "SpeechStarted",
    "SpeechSuspected",
    "Stop",
    "ToolStarted",
    "TurnProbability",
    "TypedText",
    "WordsHeard",
    "input_from_dict",
    "input_to_dict",
]


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The VAD heard a voice begin at ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The VAD heard the last voice at ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The VAD hears no voice since ``at``: the first sign of an end, some 80 ms into the silence."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """… and hears it again at ``at``, before the silence was long enough for `SpeechEnded`."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechSuspected:
    """The VAD heard what may be the beginning of a voice at ``at``; `SpeechStarted` or `SpeechDismissed` follows."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechDismissed:
    """What was suspected was no voice; known at ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class PartialText:
    """The recogniser's words of the open segment so far."""

    segment: int
    text: str


@dataclass(frozen=True, slots=True)
class FinalText:
    """The recogniser's last word on a segment; one for each `AskFinal`."""

    segment: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnProbability:
    """A turn detector's judgement (0 to 1) that the words so far are complete."""

    probability: float


@dataclass(frozen=True, slots=True)
class TypedText:
    """The user typed: a complete turn at once."""

    text: str


@dataclass(frozen=True, slots=True)
class SayRequested:
    """The application wants ``text`` spoken (a greeting, a notice)."""

    text: str
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The reply began to act on the world; from now on it cannot be taken back."""

    reply: int


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first sample of the reply was sent."""

    reply: int


@dataclass(frozen=True, slots=True)
class PlayoutProgress:
    """The reply is alive: more of it was sent (about once a second)."""

    reply: int


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """More words of the reply were heard, up to ten times a second; the microphone may hear them too."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """No more of this reply will come; ``audio`` says whether any of it is or was to be heard."""

    reply: int
    audio: bool


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The reply cannot go on; what was queued of it is gone."""

    reply: int


@dataclass(frozen=True, slots=True)
class PlayoutFinished:
    """All of the reply was heard."""

    reply: int


@dataclass(frozen=True, slots=True)
class PlayoutStopped:
    """`StopPlayout` was carried out; ``heard`` is what the user had heard."""

    reply: int
    heard: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The session is to end: at once, or (``graceful``) when the present reply was heard."""

    reason: str
    graceful: bool = False


Input = (
    SpeechStarted
    | SpeechEnded
    | SpeechPaused
    | SpeechResumed
    | SpeechSuspected
    | SpeechDismissed
    | PartialText
    | FinalText
    | TurnProbability
    | TypedText
    | SayRequested
    | ToolStarted
    | PlayoutStarted
    | PlayoutProgress
    | WordsHeard
    | ReplyEnded
    | ReplyFailed
    | PlayoutFinished
    | PlayoutStopped
    | Stop
)

INPUTS: tuple[type[Input], ...] = (
    SpeechStarted, SpeechEnded, SpeechPaused, SpeechResumed, SpeechSuspected, SpeechDismissed, PartialText, FinalText,
    TurnProbability, TypedText, SayRequested, ToolStarted, PlayoutStarted, PlayoutProgress, WordsHeard, ReplyEnded,
    ReplyFailed, PlayoutFinished, PlayoutStopped, Stop,
)  # fmt: skip

_BY_NAME = {cls.__name__: cls for cls in INPUTS}


def input_to_dict(value: Input) -> dict[str, Any]:
    """JSON-ready: ``type`` and the fields."""
    return {"type": type(value).__name__, **asdict(value)}


def input_from_dict(values: dict[str, Any]) -> Input:
    """The reverse of `input_to_dict`.

    Raises:
        ValueError: if the type or a field is not known.
    """
    fields = {k: v for k, v in values.items() if k != "type"}
    try:
        return _BY_NAME[values["type"]](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an input of the turn core: {values!r}") from error
