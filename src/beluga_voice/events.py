"""What a session tells its owner: the typed events of ``session.events()``.

Every event is a frozen dataclass with a constant ``type`` and ``at``, seconds on the session's timeline.
`to_dict` gives the JSON form used by the WebSocket protocol, the data channel and the event log.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

__all__ = [
    "AgentTextEvent",
    "BackchannelEvent",
    "ClosedEvent",
    "DtmfEvent",
    "ErrorEvent",
    "Event",
    "InterruptionEvent",
    "LevelEvent",
    "MetricsEvent",
    "ModelEvent",
    "ParticipantEvent",
    "SessionEvent",
    "SpeculationEvent",
    "StateEvent",
    "ToolEvent",
    "TranscriptEvent",
    "TransportEvent",
    "TurnEvent",
    "UsageEvent",
    "UserAwayEvent",
    "to_dict",
]

AgentState = Literal["starting", "listening", "user_speaking", "deciding", "thinking", "speaking",
                     "interrupted", "draining", "closed"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """Base of all events.

    Attributes:
        at: seconds on the session's timeline.
    """

    type: ClassVar[str] = "event"
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEvent(SessionEvent):
    """The conversation moved to another state."""

    type: ClassVar[str] = "state"
    state: AgentState
    previous: AgentState


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent(SessionEvent):
    """What somebody has said in the current turn; a partial replaces the one before it by the same participant.

    Attributes:
        turn: number of the user's turn, from 1.
        text: all their words of the turn so far.
        final: True when the turn was committed: this is what the agent is given.
        participant: who said it, in a room; otherwise empty.
    """

    type: ClassVar[str] = "transcript"
    turn: int
    text: str
    final: bool
    participant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvent(SessionEvent):
    """A user's turn began, ended, or an agent's reply to it ended.

    Attributes:
        turn: number of the turn, from 1 (0 for speech the agent starts by itself, such as a greeting).
        phase: ``user_started``, ``user_ended``, ``agent_started`` or ``agent_ended``.
        text: for ``user_ended`` what was said; for ``agent_ended`` what was heard of the reply.
        interrupted: for ``agent_ended``: the user cut it short.
    """

    type: ClassVar[str] = "turn"
    turn: int
    phase: Literal["user_started", "user_ended", "agent_started", "agent_ended"]
    text: str = ""
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTextEvent(SessionEvent):
    """Words of the agent, sent when they are heard, not when they are generated.

    Attributes:
        turn: the user's turn that is answered; 0 for speech the agent started by itself.
        text: the words heard since the previous event of this reply.
        final: True with the last one; ``text`` is then the whole reply as it was heard.
    """

    type: ClassVar[str] = "agent_text"
    turn: int
    text: str
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionEvent(SessionEvent):
    """The user spoke over the agent and the agent stopped.

    Attributes:
        turn: the turn whose reply was cut.
        onset: when the user began to speak, on the session's timeline.
        silenced: when the agent's voice fell silent (it may have been held before the decision).
        heard: what the user had heard of the reply.
    """

    type: ClassVar[str] = "interruption"
    turn: int
    onset: float
    silenced: float
    heard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelEvent(SessionEvent):
    """The user made a sound over the agent that was no interruption ("mm-hmm", a cough); the agent goes on.

    Attributes:
        onset: when it began.
        text: what was recognised, often empty.
    """

    type: ClassVar[str] = "backchannel"
    onset: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEvent(SessionEvent):
    """A tool of the agent was started or has ended.

    Attributes:
        turn: the turn that is being answered.
        call_id: joins the two events of one call.
        name: the tool.
        phase: ``started``, ``ended`` or ``failed``.
        arguments: as the model gave them.
        result: for ``ended`` what the model is told; for ``failed`` the reason.
    """

    type: ClassVar[str] = "tool"
    turn: int
    call_id: str
    name: str
    phase: Literal["started", "ended", "failed"]
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsEvent(SessionEvent):
    """Where a turn's time went, told when its answer is first heard.

    All values in seconds; None where the stage did not happen. ``endpointing``, ``llm``, ``tts`` and ``playout`` are
    what the user waited for, one after the other: they add up to ``total``. What was done before the turn was decided
    counts 0; when it was done, the moments say. ``at`` is when the first agent audio was sent.

    Attributes:
        turn: number of the turn.
        speech_end: when the user's last voiced sample was, on the session's timeline.
        decided: when the turn was decided, likewise.
        asked: when the agent (speech to speech: the model) was asked; before ``decided`` where it worked ahead.
        first_text: when its first words came.
        first_audio: when their first synthesised sample (speech to speech: the model's first audio) came.
        endpointing: from ``speech_end`` until the turn was decided.
        transcription: from ``speech_end`` until the final transcript was in hand (runs beside endpointing).
        llm: from the decision to the agent's first words; for speech to speech to the model's first audio.
        tts: from the first words to the first synthesised sample.
        playout: from that sample to its being sent.
        delivery: from there to the user's ear, as far as the transport knows; not part of ``total``.
        ahead: how long the agent had been working when the turn was decided; 0 where it did not work ahead.
        total: from the end of speech to the first agent audio sent.
        target: the configured ``latency_target``.
        evidence: what the decision that the turn was over rested on: the words' and the sound's probability, and why.
        slowest: the stage at fault, named when ``total`` exceeds ``target``: the longest of the four, or
            ``transcription`` where endpointing waited for the final words; otherwise empty.
    """

    type: ClassVar[str] = "metrics"
    turn: int
    speech_end: float
    decided: float | None = None
    asked: float | None = None
    first_text: float | None = None
    first_audio: float | None = None
    endpointing: float | None = None
    transcription: float | None = None
    llm: float | None = None
    tts: float | None = None
    playout: float | None = None
    delivery: float | None = None
    ahead: float = 0.0
    total: float | None = None
    target: float = 0.5
    evidence: str = ""
    slowest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeculationEvent(SessionEvent):
    """An answer that was prepared before the turn was decided became its reply, or was given up.

    Attributes:
        turn: number of the turn it was for.
        outcome: ``used`` or ``abandoned``.
        pieces: pieces of text (a model's tokens, roughly) it had come to; abandoned ones were paid for in vain.
        characters: likewise.
    """

    type: ClassVar[str] = "speculation"
    turn: int
    outcome: Literal["used", "abandoned"]
    pieces: int
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent(SessionEvent):
    """Something failed; the session goes on unless a `ClosedEvent` follows.

    Attributes:
        code: one of `beluga_voice.errors.CODES`.
        message: what happened and what to do.
        stage: ``stt``, ``agent``, ``tts``, ``vad``, ``transport``, ``s2s``, ``hook`` or ``session``.
        retryable: whether it may succeed later.
    """

    type: ClassVar[str] = "error"
    code: str
    message: str
    stage: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportEvent(SessionEvent):
    """The connection to the user changed: ``connected``, ``reconnecting``, ``reconnected`` or ``lost``."""

    type: ClassVar[str] = "transport"
    state: Literal["connected", "reconnecting", "reconnected", "lost"]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvent(SessionEvent):
    """The connection to a speech-to-speech model changed: ``connected``, ``reconnecting`` or ``renewed``."""

    type: ClassVar[str] = "model"
    state: Literal["connected", "reconnecting", "renewed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent(SessionEvent):
    """What a response of a speech-to-speech model cost.

    Attributes:
        turn: the turn it answers; 0 for none.
        input_tokens: audio, text and cached ones together.
        output_tokens: audio and text together.
        details: single counts, under the vendor's names.
        wasted: it was cancelled before its end, or for speech that went on.
    """

    type: ClassVar[str] = "usage"
    turn: int
    input_tokens: int = 0
    output_tokens: int = 0
    details: dict[str, int] = field(default_factory=dict[str, int])
    wasted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantEvent(SessionEvent):
    """Somebody joined or left the room, or changed.

    Attributes:
        identity: the participant's identity in the room.
        phase: ``joined``, ``left``, ``track_published``, ``track_unpublished``, ``muted``, ``unmuted``,
            ``attributes`` or ``data``.
        data: what belongs to the phase, as plain values.
    """

    type: ClassVar[str] = "participant"
    identity: str
    phase: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfEvent(SessionEvent):
    """The user pressed a key: ``digit`` is one of ``0-9 * # A-D``."""

    type: ClassVar[str] = "dtmf"
    digit: str
    participant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEvent(SessionEvent):
    """How loud the user is, about ten times a second; sent only to subscribers that asked for it.

    Attributes:
        dbfs: RMS level, −96 (silence) to 0 (full scale).
        speech: the VAD's probability of speech, 0 to 1.
        participant: who it is, in a room; otherwise empty.
    """

    type: ClassVar[str] = "level"
    dbfs: float
    speech: float
    participant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAwayEvent(SessionEvent):
    """Both sides have been silent for ``user_away_timeout`` seconds."""

    type: ClassVar[str] = "user_away"
    silent_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedEvent(SessionEvent):
    """The session has ended; always the last event, exactly once.

    Attributes:
        reason: ``stopped``, ``transport_lost``, ``drained``, ``error`` or what the caller gave.
        code: an error code if it ended by a failure; otherwise empty.
    """

    type: ClassVar[str] = "closed"
    reason: str
    code: str = ""


Event = (
    StateEvent
    | TranscriptEvent
    | TurnEvent
    | AgentTextEvent
    | InterruptionEvent
    | BackchannelEvent
    | ToolEvent
    | MetricsEvent
    | SpeculationEvent
    | ErrorEvent
    | TransportEvent
    | ModelEvent
    | UsageEvent
    | ParticipantEvent
    | DtmfEvent
    | LevelEvent
    | UserAwayEvent
    | ClosedEvent
)


def to_dict(event: SessionEvent) -> dict[str, Any]:
    """The event as a JSON-ready dict: ``type`` first, then its fields; floats rounded to 0.1 ms."""
    out: dict[str, Any] = {"type": event.type}
    for f in fields(event):
        value: Any = getattr(event, f.name)
        out[f.name] = round(value, 4) if isinstance(value, float) else value
    return out
