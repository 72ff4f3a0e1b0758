"""What a plug-in must do: one Protocol per kind.

Shared rules: constructors do no I/O; ``start`` and ``open`` may, and have a deadline set by the caller;
``close`` is idempotent, never raises for being called twice, and leaves no task, thread or descriptor.
Failures are raised as `beluga_voice.errors.BackendError`; anything else is wrapped as ``pipeline_error``.
Audio is s16le PCM; times are seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from beluga_voice.frames import AudioFrame, SpeechChunk, SttEvent, ToolCall

__all__ = [
    "LLM",
    "STT",
    "TTS",
    "VAD",
    "Brain",
    "Capabilities",
    "ChatDelta",
    "ChatMessage",
    "Context",
    "HealthStatus",
    "NoiseFilter",
    "NoiseStream",
    "Participant",
    "Processor",
    "ProcessorContext",
    "SessionRecord",
    "SessionStore",
    "Stage",
    "SttStream",
    "ToolSpec",
    "Transport",
    "TurnDetector",
    "UserTurn",
    "VadStream",
]  # fmt: skip

Stage = Literal["pre_stt", "post_tts", "pre_s2s", "post_s2s"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do; asked for without creating it.

    Attributes:
        s2s: it runs speech-to-speech pipelines.
        multi_user: several users in one room.
        session_persistence: active sessions survive a restart (with a durable store).
        custom_auth: hooks are honoured.
        custom_rate_limiting: a limiter of ours is honoured.
        max_concurrent_sessions: the platform's own bound; 0 for none.
        min_latency: the platform's own share of the answer time, in seconds.
        supported_codecs: what it takes on the wire.
        own_brain: the platform brings its own agent, so none is required.
    """

    s2s: bool = False
    multi_user: bool = True
    session_persistence: bool = False
    custom_auth: bool = True
    custom_rate_limiting: bool = True
    max_concurrent_sessions: int = 0
    min_latency: float = 0.0
    supported_codecs: tuple[str, ...] = ("pcm",)
    own_brain: bool = False


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """Result of a health check.

    Attributes:
        status: ``healthy``, ``degraded`` (at 90 % of the session limit, or a part is slow) or ``unhealthy``.
        details: facts as plain values: active_sessions, max_sessions, reason …
        checked_at: seconds on the backend's clock.
    """

    status: Literal["healthy", "degraded", "unhealthy"]
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    checked_at: float = 0.0


# --- ears -------------------------------------------------------------------------------------------------


class VadStream(Protocol):
    """Voice activity of one speaker. Windows have ``VAD.window`` samples at ``VAD.sample_rate``."""

    def push(self, window: bytes, at: float) -> None:
        """Submits one window (exactly ``VAD.window`` samples) that ends at ``at``; never blocks."""
        ...

    def close(self) -> None:
        """Forgets the speaker; no result is delivered afterwards."""
        ...


class VAD(Protocol):
    """A voice activity detector, shared by all sessions of a process so that windows can be batched."""

    sample_rate: int
    window: int

    async def start(self) -> None:
        """Loads the model; later calls return at once."""
        ...

    def open(self, on_result: Callable[[float, float], None]) -> VadStream:
        """Begins a speaker; ``on_result(probability 0–1, at)`` is called on the event loop, in order."""
        ...

    async def close(self) -> None:
        """Ends the engine."""
        ...


class SttStream(Protocol):
    """One speaker's speech as text.

    The caller pushes all audio, speech or not, and tells where speech starts and ends; a recogniser with its
    own endpointing may ignore the hints. Each `finalize` is answered by exactly one final event (its text may
    be empty) for the segment that began at the last `speech_started`.
    """

    def push(self, pcm: bytes, at: float) -> None:
        """Feeds mono audio at the stream's rate, ending at ``at``; never blocks (bounded, oldest dropped)."""
        ...

    def speech_started(self, at: float) -> None:
        """The VAD heard speech begin at ``at``; audio up to 0.5 s before it belongs to the segment."""
        ...

    def finalize(self, at: float) -> None:
        """Asks for the final of the segment: the VAD heard the last voice at ``at``."""
        ...

    def events(self) -> AsyncIterator[SttEvent]:
        """Partials and finals, until `close`; a recognition failure is raised here."""
        ...

    async def close(self) -> None:
        """Ends the stream and frees the recogniser."""
        ...


class STT(Protocol):
    """A speech recogniser."""

    async def start(self) -> None:
        """Loads models or opens pools, so that `open` is fast; later calls return at once."""
        ...

    async def open(self, *, sample_rate: int, language: str = "en", phrases: Sequence[str] = ()) -> SttStream:
        """Begins a speaker.

        Args:
            sample_rate: of the audio that will be pushed, in Hz.
            language: ISO 639-1.
            phrases: what the agent expects to hear; a recogniser may use them as grammar or bias.
        """
        ...

    async def close(self) -> None:
        """Frees models and pools."""
        ...


class NoiseStream(Protocol):
    """One speaker's audio, cleaned; called on the event loop, so it must be quick."""

    def process(self, pcm: bytes, at: float) -> bytes:
        """Cleans mono audio at the stream's rate that ends at ``at``, in seconds on the session's timeline.

        Returns as much as came in, but for up to 10 ms that may wait for the next call.
        """
        ...

    def played(self, frame: AudioFrame, delay: float) -> None:
        """The agent's voice, which the microphone may hear: the reference of an echo canceller.

        Args:
            frame: mono, of one rate; ``pts`` says when it was to sound.
            delay: seconds from then to the microphone, as far as the transport knows.
        """
        ...

    def close(self) -> None:
        """Forgets the speaker; idempotent."""
        ...


class NoiseFilter(Protocol):
    """Removes noise, or the echo of the agent's own voice, before VAD and STT; shared by all sessions."""

    def open(self, sample_rate: int) -> NoiseStream:
        """Begins a speaker, whose audio comes at ``sample_rate`` Hz."""
        ...


class TurnDetector(Protocol):
    """Judges whether the user has finished."""

    async def complete(self, text: str, audio: bytes, sample_rate: int) -> float:
        """Probability (0–1) that the turn is complete, from the words so far and its last seconds of audio."""
        ...


# --- brain ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One entry of the history: only what was said and heard.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: the words.
        at: seconds on the session's timeline.
        interrupted: for ``assistant``: the user cut it short; ``content`` ends where the user stopped hearing.
        tool_calls: for ``assistant``: tools the model asked for.
        tool_call_id: for ``tool``: which call this answers.
        participant: who said it, in a room.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    at: float = 0.0
    interrupted: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    participant: str = ""


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the agent is asked to answer.

    Attributes:
        number: from 1.
        text: the words; ``Name: words`` lines, one for each utterance, where several people spoke.
        participant: identity of who spoke last, in a room.
        utterances: who said what, in order: identity (empty outside a room) and words.
    """

    number: int
    text: str
    participant: str = ""
    utterances: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in the room.

    Attributes:
        identity: unique in the room.
        name: to show; empty if there is none.
        agent: a program, not a person.
    """

    identity: str
    name: str = ""
    agent: bool = False


class Context(Protocol):
    """What an agent callback or a tool may know and do during a turn."""

    session_id: str
    user_id: str
    metadata: Mapping[str, Any]
    turn: UserTurn

    @property
    def participants(self) -> Sequence[Participant]:
        """Who is in the room, oldest first, the agent itself left out; empty outside a room."""
        ...

    def name_of(self, identity: str) -> str:
        """The name to show for somebody who is or was in the room; the identity where none is known."""
        ...

    @property
    def history(self) -> Sequence[ChatMessage]:
        """The conversation so far, oldest first; it ends with the utterances of the turn to answer."""
        ...

    async def say(self, text: str) -> None:
        """Speaks ``text`` before the rest of the reply ("One moment, I am looking that up")."""
        ...

    async def committed(self) -> None:
        """Returns when the turn was taken: at once, but where the brain works ahead (`Brain`)."""
        ...

    def end_session(self, reason: str = "agent_ended") -> None:
        """Ends the session once the reply has been heard."""
        ...


class Brain(Protocol):
    """Turns a user's turn into words; what `agent_callback` and `Agent` both become.

    It may also have ``async start()``, awaited before the session begins to listen, and ``async close()``. One whose
    ``speculable`` is true works ahead: `reply` is also called with words that may not become the turn, and must do
    nothing but yield text before ``context.committed()`` returns; it is closed if they do not.
    """

    @property
    def phrases(self) -> Sequence[str]:
        """What users are expected to say."""
        ...

    def reply(self, turn: UserTurn, context: Context) -> AsyncIterator[str]:
        """Yields pieces of text; closing the iterator (barge-in) must stop all work behind it."""
        ...

    def greeting(self) -> str:
        """What to say first, or empty to let the user begin."""
        ...


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told of it.

    Attributes:
        name: letters, digits, ``_`` and ``-``.
        description: when to use it.
        parameters: JSON Schema of an object.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """A piece of a model's reply: text, or complete tool calls."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class LLM(Protocol):
    """A language model."""

    def chat(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[ChatDelta]:
        """Streams the reply; closing the iterator cancels the request."""
        ...

    async def close(self) -> None:
        """Closes connections."""
        ...


# --- mouth ------------------------------------------------------------------------------------------------


class TTS(Protocol):
    """A voice."""

    sample_rate: int

    async def start(self) -> None:
        """Loads the voice or opens the connection; later calls return at once."""
        ...

    def synthesize(self, text: str) -> AsyncIterator[SpeechChunk]:
        """Speaks one sentence or clause; closing the iterator cancels the request."""
        ...

    async def close(self) -> None:
        """Frees the voice."""
        ...


# --- platforms --------------------------------------------------------------------------------------------


class Transport(Protocol):
    """Carries audio between a person and a session.

    ``recv`` ends when the peer leaves; ``recv`` and ``send`` after ``close`` raise ``connection_failed``.

    Attributes:
        output_sample_rate: what `send` takes, in Hz.
        output_delay: from `send` to the user's ear in seconds, as far as the transport knows (jitter buffer).

    One whose peer buffers what comes, so that it needs little ahead, may have ``output_lead``: how much beside the
    frame that is sent, in seconds. It is 0.04 where none is told; less makes barge-in quicker. One whose microphone
    hears its speaker, with nobody cancelling the echo, has ``echoes = True``.
    """

    output_sample_rate: int
    output_delay: float

    def recv(self) -> AsyncIterator[AudioFrame]:
        """The user's audio, in order."""
        ...

    async def send(self, frame: AudioFrame) -> None:
        """Sends agent audio; may wait for backpressure. Frames come paced in real time, a little ahead."""
        ...

    async def clear(self) -> None:
        """Throws away agent audio that was sent but not played yet (barge-in)."""
        ...

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Tells the client a session event, if the transport has a way; else does nothing."""
        ...

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Sets who is told what is not audio, as plain values with a ``type``.

        Types: ``text`` (``text``: typed words of the user), ``dtmf`` (``digit``), ``stop``, ``transport``
        (``state``, ``reason``; see `TransportEvent`), ``participant`` (``identity``, ``phase``, ``data``).
        """
        ...

    async def close(self) -> None:
        """Leaves; idempotent."""
        ...


@runtime_checkable
class ProcessorContext(Protocol):
    """What a custom processor may know."""

    @property
    def session_id(self) -> str:
        """Which session the frame belongs to."""
        ...

    @property
    def stage(self) -> Stage:
        """Where on the path it is."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The session's metadata."""
        ...


@runtime_checkable
class Processor(Protocol):
    """A custom step on the audio path, run in order of ``order`` (lower first).

    It may also have ``stage`` (default ``pre_stt``). Returning None drops the frame. One that raises is
    reported and skipped for that frame.
    """

    name: str
    order: int

    async def process(self, frame: AudioFrame, context: ProcessorContext) -> AudioFrame | None:
        """Returns the frame to pass on."""
        ...


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as a store keeps it: plain data, no callbacks.

    Attributes:
        id: the session's id.
        user_id: whose it is.
        backend: provider name.
        status: ``active`` or ``completed``.
        created_at: seconds since the epoch.
        updated_at: seconds since the epoch.
        metadata: the session's metadata.
        history: messages, oldest first.
        state: snapshot of the turn core.
        revision: counts up with every write; a write with an old revision is refused.
    """

    id: str
    user_id: str
    backend: str
    status: Literal["active", "completed"]
    created_at: float
    updated_at: float
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    history: tuple[ChatMessage, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    revision: int = 0


class SessionStore(Protocol):
    """Remembers active sessions."""

    async def save(self, record: SessionRecord) -> None:
        """Writes the record; one with a revision not above the stored one is refused."""
        ...

    async def load(self, session_id: str) -> SessionRecord | None:
        """Reads a record, or None."""
        ...

    async def list_active(self) -> Sequence[SessionRecord]:
        """All records with status ``active``."""
        ...

    async def delete(self, session_id: str) -> None:
        """Forgets a record; unknown ids are fine."""
        ...

    async def close(self) -> None:
        """Closes connections."""
        ...
