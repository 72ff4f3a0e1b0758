"""A speech-to-speech model from a script: local, deterministic, at home in virtual time.

It behaves as real ones do: it hears the user (anything louder than a quiet room is speech), takes turns or leaves that
to us, speaks faster than real time, calls tools, stops when it is spoken to, and can be made to fail. Its voice is a
tone as long as the words would take. `Config(pipeline_type="s2s", s2s_provider="scripted")` uses it without a key and
without a network; ``s2s_config={"replies": ["Hello."]}`` tells it what to say.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from beluga_voice import speech_to_speech as s2s
from beluga_voice.config import Settings
from beluga_voice.errors import BackendError, ConnectError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ToolSpec
from beluga_voice.pipeline.channel import Channel
from beluga_voice.testing.scripted import tone

__all__ = ["ScriptedModel", "ScriptedReply", "ScriptedStream", "SettingsModel", "create"]

_CHUNK = 0.1
# Louder than a quiet room, at its loudest sample.
_LOUD = 500


class SettingsModel(Settings):
    """Settings of the scripted model.

    Attributes:
        utterances: what the user says, in order of the pieces of speech it is given.
        replies: what it answers, in order; the last one repeats.
        latency: seconds from being asked to the first audio.
        silence: seconds after which it thinks the user has finished, where it takes turns.
        transcript_delay: seconds from the end of a piece of speech to its transcript.
        seconds_per_character: length of its speech.
        speed: how many times faster than real time it speaks.
        session_limit: seconds after which it ends a connection; 0 is never.
    """

    utterances: Sequence[str] = ()
    replies: Sequence[str] = ("I heard you.",)
    latency: float = Field(default=0.15, ge=0.0)
    silence: float = Field(default=0.1, gt=0.0)
    transcript_delay: float = Field(default=0.1, ge=0.0)
    seconds_per_character: float = Field(default=0.06, gt=0.0)
    speed: float = Field(default=4.0, gt=0.0)
    session_limit: float = Field(default=0.0, ge=0.0)


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """An answer.

    Attributes:
        text: what is spoken.
        calls: tools that are called after the words: name and arguments of each.
        status: other than ``completed`` ends it so, without a sound.
    """

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    status: str = "completed"


Answer = ScriptedReply | str


class ScriptedModel:
    """A `beluga_voice.speech_to_speech.S2S`.

    Args:
        settings: the script.
        answer: what to answer, given the user's words so far and the results of tools; None goes by the script.
        capabilities: what it can do; by default everything.
        refusals: errors that the next connections meet instead of being opened.

    Attributes:
        streams: every connection so far.
    """

    def __init__(
        self,
        settings: SettingsModel | None = None,
        *,
        answer: Callable[[ScriptedStream], Answer] | None = None,
        capabilities: s2s.S2SCapabilities | None = None,
        refusals: Sequence[BackendError] = (),
    ) -> None:
        self.settings = settings or SettingsModel()
        self.capabilities = capabilities or s2s.S2SCapabilities(session_limit=self.settings.session_limit)
        self.refusals = list(refusals)
        self.streams: list[ScriptedStream] = []
        self._answer = answer
        self._utterances = list(self.settings.utterances)
        self._replies = list(self.settings.replies)
        self.open_delay = 0.05

    async def start(self) -> None:
        """Nothing to load."""

    async def open(self, setup: s2s.S2SSetup) -> ScriptedStream:
        """Connects."""
        await asyncio.sleep(self.open_delay)
        if self.refusals:
            raise self.refusals.pop(0)
        stream = ScriptedStream(self, setup)
        self.streams.append(stream)
        return stream

    async def close(self) -> None:
        """Nothing to free."""

    def next_utterance(self) -> str:
        """The words of the next piece of speech."""
        return self._utterances.pop(0) if self._utterances else ""

    def next_answer(self, stream: ScriptedStream) -> ScriptedReply:
        """What it says next."""
        made: Answer
        if self._answer is not None:
            made = self._answer(stream)
        else:
            made = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return made if isinstance(made, ScriptedReply) else ScriptedReply(made)


@dataclass(slots=True)
class _Active:
    """The response under way."""

    id: str
    item: str
    task: asyncio.Task[None] | None = None


@dataclass
class ScriptedStream:
    """A connection, and a record of what it was told.

    Attributes:
        heard: seconds of sound it was given.
        audio: all of the user's audio it was given.
        commits: how often its input was committed.
        said: the user's words so far, spoken and typed.
        asked: every text it was asked to speak, and "" for an answer of its own.
        truncated: items with the seconds that were heard.
        cancelled: responses that were cut.
        results: tool results by call id.
        instructions: the latest.
        tools: names of the latest.
        silence: seconds after which it thinks the user has finished.
    """

    model: ScriptedModel
    setup: s2s.S2SSetup
    heard: float = 0.0
    audio: bytearray = field(default_factory=bytearray)
    commits: int = 0
    said: list[str] = field(default_factory=list[str])
    asked: list[str] = field(default_factory=list[str])
    truncated: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    cancelled: list[str] = field(default_factory=list[str])
    results: dict[str, str] = field(default_factory=dict[str, str])
    instructions: str = ""
    tools: list[str] = field(default_factory=list[str])
    closed: bool = False
    silence: float = 0.0

    def __post_init__(self) -> None:
        self.silence = self.model.settings.silence
        self.instructions = self.setup.instructions
        self.tools = [tool.name for tool in self.setup.tools]
        self._events: Channel[s2s.S2SEvent | BackendError] = Channel(1 << 16)
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._active: _Active | None = None
        self._queue: list[str] = []
        self._speaking = False
        self._voiced = self._silent = 0.0
        self._items = self._calls = 0
        self._frozen = False
        if limit := self.model.settings.session_limit:
            over = ConnectError("s2s", "connection_failed", "scripted: the session has lasted too long")
            self._timers.add(asyncio.get_running_loop().call_later(limit, self.drop, over))

    # --- what it is told ----------------------------------------------------------------------------------

    def push(self, pcm: bytes) -> None:
        """Hears the user."""
        frame = self.model.capabilities.input_sample_rate // 50 * 2
        for at in range(0, len(pcm), frame):
            self._hear(pcm[at : at + frame])

    def _hear(self, pcm: bytes) -> None:
        if self.closed or self._frozen:
            return
        seconds = len(pcm) / (2 * self.model.capabilities.input_sample_rate)
        self.audio += pcm
        if _sounds(pcm):
            self.heard += seconds
            self._voiced += seconds
            self._silent = 0.0
        else:
            self._silent += seconds
        if self.setup.turns != "server":
            return
        if not self._speaking and self._voiced > 0.05:
            self._speaking = True
            if self.setup.interruptible:
                self._queue.clear()
                self._cut()
            if self.model.capabilities.voice_events:
                self._tell(s2s.InputSpeechStarted())
        elif self._speaking and self._silent >= self.silence - 1e-6:
            self._speaking = False
            if self.model.capabilities.voice_events:
                self._tell(s2s.InputSpeechEnded())
            self._take()
            if self.setup.answers:
                self.respond()

    def commit(self) -> None:
        """The user's turn is over."""
        if not self._frozen:
            self._take()

    def discard(self) -> None:
        """It was no turn."""
        self._voiced = self._silent = 0.0

    def respond(self, text: str = "") -> None:
        """Answers, or speaks ``text``."""
        if self._frozen:
            return
        self.asked.append(text)
        self._queue.append(text)
        self._next()

    def cancel(self) -> None:
        """Stops."""
        self._queue.clear()
        self._cut()

    def truncate(self, item: str, heard: float) -> None:
        """Notes what was heard."""
        self.truncated.append((item, round(heard, 3)))

    def send_text(self, text: str) -> None:
        """Notes typed words."""
        self.said.append(text)

    def send_result(self, call: ToolCall, result: str) -> None:
        """Notes a tool's result."""
        self.results[call.id] = result

    def update(self, instructions: str, tools: Sequence[ToolSpec]) -> None:
        """Takes other instructions."""
        self.instructions, self.tools = instructions, [tool.name for tool in tools]

    async def events(self) -> AsyncIterator[s2s.S2SEvent]:
        """What it says."""
        async for event in self._events:
            if isinstance(event, BackendError):
                raise event
            yield event

    async def close(self) -> None:
        """Leaves."""
        self.closed = True
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        self._events.close()

    # --- what can go wrong ----------------------------------------------------------------------------------

    def drop(self, error: BackendError | None = None) -> None:
        """Loses the connection."""
        self._frozen = True
        self._cut(tell=False)
        self._events.put_nowait(
            error or ConnectError("s2s", "connection_failed", "scripted: connection lost")
        )

    def freeze(self) -> None:
        """Goes silent, as a connection does whose other end has vanished."""
        self._frozen = True
        self._cut(tell=False)

    def expire(self, seconds: float) -> None:
        """Says that it will end."""
        self._tell(s2s.SessionExpiring(seconds))

    # --- speaking -------------------------------------------------------------------------------------------

    def _tell(self, event: s2s.S2SEvent) -> None:
        if not self.closed:
            self._events.put_nowait(event)

    def _take(self) -> None:
        """What was heard becomes an item."""
        spoken, self._voiced = self._voiced, 0.0
        self._items += 1
        self.commits += 1
        item = f"user-{self._items}"
        self._tell(s2s.InputCommitted(item))
        if not self.model.capabilities.transcripts:
            return
        text = self.model.next_utterance() if spoken else ""
        if text:
            self.said.append(text)
        timer = asyncio.get_running_loop().call_later(
            self.model.settings.transcript_delay, self._tell, s2s.UserWords(item, text, final=True)
        )
        self._timers.add(timer)

    def _next(self) -> None:
        if self._active is None and self._queue and not self.closed:
            text = self._queue.pop(0)
            self._items += 1
            active = _Active(f"response-{self._items}", f"agent-{self._items}")
            self._active = active
            reply = ScriptedReply(text) if text else self.model.next_answer(self)
            active.task = asyncio.create_task(self._speak(active, reply))
            self._tasks.add(active.task)
            active.task.add_done_callback(self._tasks.discard)

    def _cut(self, *, tell: bool = True) -> None:
        active, self._active = self._active, None
        if active is None or active.task is None:
            return
        active.task.cancel()
        self.cancelled.append(active.id)
        if tell:
            self._tell(s2s.ResponseEnded(active.id, "cancelled", "interrupted"))

    async def _speak(self, active: _Active, reply: ScriptedReply) -> None:
        settings = self.model.settings
        self._tell(s2s.ResponseStarted(active.id))
        await asyncio.sleep(settings.latency)
        if reply.status != "completed":
            self._over(active, reply.status)
            return
        rate = self.model.capabilities.output_sample_rate
        total = len(reply.text) * settings.seconds_per_character
        at, told = 0.0, 0
        while at < total - 1e-6:
            length = min(_CHUNK, total - at)
            at += length
            upto = len(reply.text) if at >= total - 1e-6 else int(at / settings.seconds_per_character)
            self._tell(s2s.AgentWords(active.id, active.item, reply.text[told:upto]))
            told = upto
            self._tell(s2s.AgentAudio(active.id, active.item, tone(length, rate, 440.0)))
            await asyncio.sleep(length / settings.speed)
        for name, arguments in reply.calls:
            self._calls += 1
            call = ToolCall(f"call-{id(self) % 9973}-{self._calls}", name, dict(arguments))
            self._tell(s2s.ToolCalled(active.id, call))
        self._over(active, "completed")

    def _over(self, active: _Active, status: Any) -> None:
        self._tell(s2s.Usage(active.id, input_tokens=10, output_tokens=20))
        self._tell(s2s.ResponseEnded(active.id, status, "" if status == "completed" else "scripted"))
        if self._active is active:
            self._active = None
        self._next()


def _sounds(pcm: bytes) -> bool:
    """Whether somebody speaks."""
    samples = array("h", pcm)
    return bool(samples) and max(max(samples), -min(samples)) > _LOUD


def create(settings: Mapping[str, Any]) -> ScriptedModel:
    """Makes the model; the registry calls this with what ``Config.s2s_config`` says of it."""
    return ScriptedModel(SettingsModel(**settings))
