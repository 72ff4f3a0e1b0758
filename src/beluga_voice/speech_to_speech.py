"""What a speech-to-speech model must do, and what it says: the plug-in contract of the kind ``s2s``.

A model hears the user's audio and answers with audio of its own. Rules are those of `beluga_voice.interfaces`; besides,
what a stream is told (`S2SStream.push`, `S2SStream.respond` …) never blocks: it is queued in order. When the queue is
full the oldest audio is dropped, never a command.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatMessage, ToolSpec

__all__ = [
    "S2S",
    "AgentAudio",
    "AgentWords",
    "InputCommitted",
    "InputSpeechEnded",
    "InputSpeechStarted",
    "ModelError",
    "ResponseEnded",
    "ResponseStarted",
    "S2SCapabilities",
    "S2SEvent",
    "S2SSetup",
    "S2SStream",
    "SessionExpiring",
    "ToolCalled",
    "Usage",
    "UserWords",
]


@dataclass(frozen=True, slots=True)
class S2SCapabilities:
    """What a model can do.

    Attributes:
        input_sample_rate: of what `S2SStream.push` takes, in Hz.
        output_sample_rate: of `AgentAudio`, in Hz.
        server_turns: it can take turns by itself.
        local_turns: it can leave turn-taking to us (`S2SStream.commit` and `S2SStream.respond`).
        voice_events: it tells where the user's speech starts and ends.
        transcripts: it tells what the user said.
        speaks_text: it can be asked to speak given words.
        defers: it can be kept from answering by itself (`S2SSetup.answers`), so that an agent of ours decides.
        truncation: it can be told how much of an item was heard.
        session_limit: seconds after which the vendor ends a connection; 0 if it does not.
    """

    input_sample_rate: int = 24_000
    output_sample_rate: int = 24_000
    server_turns: bool = True
    local_turns: bool = True
    voice_events: bool = True
    transcripts: bool = True
    speaks_text: bool = True
    defers: bool = True
    truncation: bool = True
    session_limit: float = 0.0


@dataclass(frozen=True, slots=True)
class S2SSetup:
    """How a connection begins.

    Attributes:
        instructions: what the model is told first.
        tools: what it may call.
        turns: who takes turns: the ``server`` (the model's own detection) or we (``local``).
        answers: False if the model must not answer by itself, because an agent of ours decides what is said.
        interruptible: False if the model must not cut its own answer when the user speaks.
        history: of an earlier connection, oldest first.
        language: of the user, ISO 639-1.
    """

    instructions: str = ""
    tools: Sequence[ToolSpec] = ()
    turns: Literal["server", "local"] = "server"
    answers: bool = True
    interruptible: bool = True
    history: Sequence[ChatMessage] = ()
    language: str = "en"


# --- what the model says ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InputSpeechStarted:
    """The model hears the user; where it is ``interruptible`` it has stopped, and forgotten what it was asked for."""


@dataclass(frozen=True, slots=True)
class InputSpeechEnded:
    """The model thinks the user has finished."""


@dataclass(frozen=True, slots=True)
class InputCommitted:
    """The user's audio so far became the item ``item``."""

    item: str


@dataclass(frozen=True, slots=True)
class UserWords:
    """What the user said in ``item``: all words so far; with ``final`` they will not change any more.

    A final may be empty: nothing was understood, or transcription failed.
    """

    item: str
    text: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The model begins to answer; one response at a time."""

    response: str


@dataclass(frozen=True, slots=True)
class AgentAudio:
    """A piece of the answer: mono s16le at the model's output rate. It may come faster than real time."""

    response: str
    item: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AgentWords:
    """The next words of the answer, as text; about in step with its audio."""

    response: str
    item: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model wants a tool to be run; `S2SStream.send_result` answers."""

    response: str
    call: ToolCall


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """Nothing more of the answer will come.

    Attributes:
        response: which.
        status: ``cancelled`` by us or because the user spoke; ``failed`` and ``incomplete`` have a ``reason``.
        reason: in the vendor's words, without secrets.
    """

    response: str
    status: Literal["completed", "cancelled", "failed", "incomplete"] = "completed"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a response cost, in tokens."""

    response: str
    input_tokens: int = 0
    output_tokens: int = 0
    details: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class ModelError:
    """The model complains about something; the connection goes on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SessionExpiring:
    """The vendor will end this connection in ``seconds``."""

    seconds: float


S2SEvent = (
    InputSpeechStarted
    | InputSpeechEnded
    | InputCommitted
    | UserWords
    | ResponseStarted
    | AgentAudio
    | AgentWords
    | ToolCalled
    | ResponseEnded
    | Usage
    | ModelError
    | SessionExpiring
)


# --- what it is told ----------------------------------------------------------------------------------------


class S2SStream(Protocol):
    """One connection of one session."""

    def push(self, pcm: bytes) -> None:
        """Adds the user's audio: mono s16le at the model's input rate."""
        ...

    def commit(self) -> None:
        """The user's turn is over (``local`` turns); it is answered only when `respond` is called."""
        ...

    def discard(self) -> None:
        """Forgets the user's audio since the last commit."""
        ...

    def respond(self, text: str = "") -> None:
        """Asks for an answer; with ``text``, to speak these words and no others.

        A response that is still under way is waited for.
        """
        ...

    def cancel(self) -> None:
        """Ends the response under way, and forgets those that were asked for: none of those is told any more."""
        ...

    def truncate(self, item: str, heard: float) -> None:
        """Tells how many seconds of the answer ``item`` the user heard; the model forgets the rest."""
        ...

    def send_text(self, text: str) -> None:
        """Adds typed words of the user; answered only when `respond` is called."""
        ...

    def send_result(self, call: ToolCall, result: str) -> None:
        """Adds what a tool gave; the model goes on only when `respond` is called.

        ``call`` may be of an earlier connection.
        """
        ...

    def update(self, instructions: str, tools: Sequence[ToolSpec]) -> None:
        """Gives the model other instructions and tools, where it can take them."""
        ...

    def events(self) -> AsyncIterator[S2SEvent]:
        """What the model says, until `close`.

        Raises:
            BackendError: when the connection is lost or refused; ``retryable`` says whether another may work.
        """
        ...

    async def close(self) -> None:
        """Leaves; idempotent and bounded."""
        ...


class S2S(Protocol):
    """A speech-to-speech model, shared by all sessions of a backend."""

    capabilities: S2SCapabilities

    async def start(self) -> None:
        """Prepares what sessions share; later calls return at once."""
        ...

    async def open(self, setup: S2SSetup) -> S2SStream:
        """Connects one session.

        Raises:
            AuthError: ``authentication_failed`` or ``authorization_failed``.
            CapacityError: ``rate_limit_exceeded``, with ``details["retry_after"]`` if the vendor says.
            ConnectError: ``connection_failed`` or ``connection_timeout``.
        """
        ...

    async def close(self) -> None:
        """Frees what sessions share."""
        ...
