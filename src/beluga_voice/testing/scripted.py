"""Scripted providers: they behave like real ones, with delays you choose, and cost nothing.

Speech is stood for by a tone: a window that is not silent is speech. `ScriptedSTT` is told beforehand what each
utterance says and tells it word by word, as a real recogniser does.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from beluga_voice.errors import BackendError, PipelineError
from beluga_voice.frames import SpeechChunk, SttEvent
from beluga_voice.interfaces import ChatDelta, ChatMessage, SttStream, ToolSpec, VadStream
from beluga_voice.pipeline.channel import Channel

__all__ = ["ScriptedLLM", "ScriptedSTT", "ScriptedTTS", "ScriptedVAD", "silence", "tone"]


def tone(seconds: float, rate: int = 16_000, hertz: float = 220.0, level: float = 0.3) -> bytes:
    """Mono s16le sine: what the scripted VAD takes for speech."""
    n = int(seconds * rate)
    step = 2 * math.pi * hertz / rate
    return struct.pack(f"<{n}h", *(int(32767 * level * math.sin(step * i)) for i in range(n)))


def silence(seconds: float, rate: int = 16_000) -> bytes:
    """Mono s16le zeros."""
    return bytes(2 * int(seconds * rate))


def _pitch(pcm: bytes, rate: int) -> float:
    """Of a tone, in Hz: where it crosses zero."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    rising = [i for i, (a, b) in enumerate(itertools.pairwise(samples)) if a < 0 <= b]
    return rate * (len(rising) - 1) / (rising[-1] - rising[0]) if len(rising) > 1 else 0.0


# Seconds of a tone after which its pitch is known.
_TO_TELL = 0.1


class ScriptedVAD:
    """Hears speech wherever there is any sound."""

    sample_rate = 16_000
    window = 512

    async def start(self) -> None:
        """Nothing to load."""

    def open(self, on_result: Callable[[float, float], None]) -> VadStream:
        """Begins a speaker."""
        return _ScriptedVadStream(on_result)

    async def close(self) -> None:
        """Nothing to free."""


class _ScriptedVadStream:
    def __init__(self, on_result: Callable[[float, float], None]) -> None:
        self._on_result: Callable[[float, float], None] | None = on_result

    def push(self, window: bytes, at: float) -> None:
        if self._on_result is not None:
            self._on_result(0.99 if any(window) else 0.01, at)

    def close(self) -> None:
        self._on_result = None


@dataclass(slots=True)
class ScriptedSTT:
    """Recognises the utterances it was told, in order.

    Attributes:
        utterances: text of each segment of speech; further segments are empty.
        voices: for several speakers: the utterances of each by the pitch of their `tone` in Hz; who sounds nearest to
            a pitch is recognised by it.
        final_delay: seconds from `finalize` to the final.
        seconds_per_word: pace of partials while speech goes on.
        failures: errors raised by successive streams instead of recognising.
        open_delay: seconds until a stream is open.
        close_delay: seconds until a stream is closed.
    """

    utterances: Sequence[str] = ()
    voices: Mapping[float, Sequence[str]] = field(default_factory=dict[float, Sequence[str]])
    final_delay: float = 0.05
    seconds_per_word: float = 0.3
    failures: list[BackendError] = field(default_factory=list[BackendError])
    open_delay: float = 0.0
    close_delay: float = 0.0
    opened: int = 0
    closed: int = 0
    _queue: deque[str] = field(default_factory=deque[str])
    _queues: dict[float, deque[str]] = field(default_factory=dict[float, deque[str]])

    def __post_init__(self) -> None:
        self._queue = deque(self.utterances)
        self.give_voices(self.voices)

    def give_voices(self, voices: Mapping[float, Sequence[str]]) -> None:
        """Replaces ``voices``."""
        self.voices = voices
        self._queues = {pitch: deque(texts) for pitch, texts in voices.items()}

    async def start(self) -> None:
        """Nothing to load."""

    async def open(self, *, sample_rate: int, language: str = "en", phrases: Sequence[str] = ()) -> SttStream:
        """Begins a speaker."""
        self.opened += 1
        await asyncio.sleep(self.open_delay)
        return _ScriptedSttStream(self, sample_rate)

    def next_utterance(self, pitch: float = 0.0) -> str:
        """The words of the next segment, spoken at ``pitch`` Hz."""
        queue = self._queue
        if self._queues:
            queue = self._queues[min(self._queues, key=lambda p: abs(p - pitch))]
        return queue.popleft() if queue else ""

    async def close(self) -> None:
        """Nothing to free."""


class _ScriptedSttStream:
    def __init__(self, stt: ScriptedSTT, rate: int) -> None:
        self._stt = stt
        self._rate = rate
        self._events: Channel[SttEvent | BackendError] = Channel(256, "drop_oldest")
        self._segment = 0
        self._text: list[str] | None = None
        self._spoken = 0.0
        self._told = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._pitch = self._loudest = 0.0
        self._listening = False

    def push(self, pcm: bytes, at: float) -> None:
        if not any(pcm):
            return
        if self._stt.voices:
            self._note_pitch(pcm)
        if self._text is None:
            return
        self._spoken += len(pcm) / (2 * self._rate)
        count = min(len(self._text), int(self._spoken / self._stt.seconds_per_word))
        if count > self._told:
            self._told = count
            self._events.put_nowait(SttEvent(" ".join(self._text[:count]), segment=self._segment))

    def speech_started(self, at: float) -> None:
        if self._stt.failures:
            self._events.put_nowait(self._stt.failures.pop(0))
            return
        if self._text is not None or self._listening:
            return
        if self._stt.voices:
            self._listening, self._loudest = True, 0.0
        else:
            self._choose()

    def _note_pitch(self, pcm: bytes) -> None:
        """A codec distorts the beginning of a tone, so its loudest frame tells whose it is, a while later."""
        level = max(abs(v) for v in struct.unpack(f"<{len(pcm) // 2}h", pcm))
        if level > self._loudest:
            self._loudest, self._pitch = level, _pitch(pcm, self._rate)
        if self._listening:
            self._spoken += len(pcm) / (2 * self._rate)
            if self._spoken >= _TO_TELL:
                self._choose()

    def _choose(self) -> None:
        self._text, self._spoken, self._told = self._stt.next_utterance(self._pitch).split(), 0.0, 0
        self._listening = False

    def finalize(self, at: float) -> None:
        if self._listening:
            self._choose()
        self._loudest = self._spoken = 0.0
        text = " ".join(self._text or ())
        event = SttEvent(text, final=True, segment=self._segment)
        self._segment += 1
        self._text = None
        loop = asyncio.get_running_loop()
        handle = loop.call_later(self._stt.final_delay, self._events.put_nowait, event)
        self._timers.add(handle)

    async def events(self) -> AsyncIterator[SttEvent]:
        async for event in self._events:
            if isinstance(event, BackendError):
                raise event
            yield event

    async def close(self) -> None:
        await asyncio.sleep(self._stt.close_delay)
        self._stt.closed += 1
        for timer in self._timers:
            timer.cancel()
        self._events.close()


@dataclass(slots=True)
class ScriptedTTS:
    """Speaks a tone as long as the words would take.

    Attributes:
        first_audio: seconds to the first chunk.
        seconds_per_character: length of the audio.
        chunk: seconds of audio in a chunk.
        failures: errors raised by successive calls instead of speaking.
        spoken: every text it was asked for.
    """

    sample_rate: int = 24_000
    first_audio: float = 0.03
    seconds_per_character: float = 0.06
    chunk: float = 0.2
    failures: list[BackendError] = field(default_factory=list[BackendError])
    spoken: list[str] = field(default_factory=list[str])

    async def start(self) -> None:
        """Nothing to load."""

    async def synthesize(self, text: str) -> AsyncIterator[SpeechChunk]:
        """Yields the tone in chunks."""
        self.spoken.append(text)
        await asyncio.sleep(self.first_audio)
        if self.failures:
            raise self.failures.pop(0)
        left = len(text) * self.seconds_per_character
        while left > 0.0005:
            length = min(self.chunk, left)
            yield SpeechChunk(tone(length, self.sample_rate, 440.0), self.sample_rate)
            left -= length

    async def close(self) -> None:
        """Nothing to free."""


@dataclass(slots=True)
class ScriptedLLM:
    """Answers with the given replies in order, piece by piece.

    Attributes:
        replies: text, `ChatDelta` (for tool calls) or an error to raise; the last one repeats.
        first_token: seconds to the first piece.
        per_token: seconds between pieces (words).
        calls: the messages of every request.
    """

    replies: Sequence[str | ChatDelta | BackendError] = ("Hello.",)
    first_token: float = 0.1
    per_token: float = 0.01
    calls: list[list[ChatMessage]] = field(default_factory=list[list[ChatMessage]])

    async def chat(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[ChatDelta]:
        """Streams the next reply."""
        if not self.replies:
            raise PipelineError("chat", "pipeline_error", "the script has no reply")
        reply: Any = self.replies[min(len(self.calls), len(self.replies) - 1)]
        self.calls.append(list(messages))
        await asyncio.sleep(self.first_token)
        if isinstance(reply, BackendError):
            raise reply
        if isinstance(reply, ChatDelta):
            yield reply
            return
        for word in str(reply).split(" "):
            yield ChatDelta(text=word + " ")
            await asyncio.sleep(self.per_token)

    async def close(self) -> None:
        """Nothing to close."""
