"""One reply: the agent's words become speech, clause by clause, while earlier clauses are heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from beluga_voice.audio.pcm import downmix
from beluga_voice.audio.resample import Resampler
from beluga_voice.core.clauses import ClauseSplitter
from beluga_voice.errors import AgentError, BackendError, PipelineError, first_error
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import TTS
from beluga_voice.pipeline.channel import Channel
from beluga_voice.pipeline.mouth import Mouth
from beluga_voice.pipeline.processors import ProcessorChain
from beluga_voice.pipeline.turn_times import ReplyTimes

__all__ = ["Reply", "ReplyEvents"]

# A reply longer than this is cut: about twenty minutes of speech, so only a generator that never ends.
MAX_CHARACTERS = 20_000
_CLAUSES_AHEAD = 8
# The voice is silent until the first clause is there: after this long its first phrase is enough.
_FIRST_WORDS_WITHIN = 0.025


@dataclass(slots=True)
class ReplyEvents:
    """Who is told how a reply goes; all are called on the event loop.

    Attributes:
        ended: nothing more will come; says whether there is audio to be heard.
        failed: it cannot go on.
        error: something went wrong, but the reply may go on (with the error reply).
    """

    ended: Callable[[int, bool], None]
    failed: Callable[[int], None]
    error: Callable[[BackendError, str], None]


@dataclass(slots=True)
class Reply:
    """Generates and synthesises one reply in two tasks.

    One that is `prepared` begins before its turn is decided: it is not heard, and tells nobody how it goes, before
    `release`. Until then it gets as far as the first chunk of the first clause, eight clauses of text and
    ``max_prepared`` pieces.

    Attributes:
        number: as the turn core counts; 0 until a prepared one is released.
        turn: the turn it answers, 0 for none.
        text: all text generated so far.
    """

    number: int
    turn: int
    pieces: AsyncIterator[Any]
    mouth: Mouth
    tts: TTS
    post_tts: ProcessorChain
    sample_rate: int
    now: Callable[[], float]
    events: ReplyEvents
    error_reply: str
    timeout: float
    times: ReplyTimes
    text: str = ""
    prepared: bool = False
    max_prepared: int = 400
    pieces_taken: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _clauses: Channel[str | AudioFrame] = field(
        default_factory=lambda: Channel[str | AudioFrame](_CLAUSES_AHEAD)
    )
    _splitter: ClauseSplitter = field(default_factory=ClauseSplitter)
    _flush: asyncio.TimerHandle | None = None
    _resampler: Resampler | None = None
    _resampled_from: int = 0

    async def run(self) -> None:
        """Speaks the reply; cancelling this stops the agent, the model and the voice behind it."""
        if not self.prepared:
            self.release(self.number)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._generate())
                group.create_task(self._synthesise())
        except* BackendError as failure:
            await self._released.wait()
            self.events.error(first_error(failure), "tts")
            self.events.failed(self.number)
        else:
            await self._released.wait()
            self.events.ended(self.number, self.mouth.end(self.number))
        finally:
            self._stop_flush()

    def release(self, number: int) -> None:
        """The turn was taken: the reply may be heard, as ``number``."""
        self.number = number
        self.mouth.begin(number)
        self._released.set()

    def say(self, text: str) -> None:
        """Adds ``text`` before what the agent says next."""
        for clause in [*self._splitter.flush(), text]:
            self._clauses.put_nowait(clause)

    # --- words --------------------------------------------------------------------------------------------

    async def _generate(self) -> None:
        try:
            await self._take_pieces()
        except BackendError as error:
            await self._apologise(error)
        except Exception as error:  # the agent is the user's code; it may fail in any way
            wrapped = AgentError("reply", "agent_error", f"the agent failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            await self._apologise(wrapped)
        finally:
            self._stop_flush()
        for clause in self._splitter.flush():
            await self._clauses.put(clause)
        self._clauses.close()

    async def _take_pieces(self) -> None:
        iterator = aiter(self.pieces)
        try:
            while True:
                if self.pieces_taken >= self.max_prepared:
                    await self._released.wait()
                try:
                    async with asyncio.timeout(self.timeout):
                        piece = await anext(iterator)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise AgentError(
                        "reply",
                        "timeout",
                        f"the agent gave no text for {self.timeout:g} s; answer sooner or raise Config.timeout",
                    ) from error
                await self._take(piece)
        finally:
            await _close(iterator)

    async def _take(self, piece: Any) -> None:
        if isinstance(piece, AudioFrame):
            for clause in self._splitter.flush():
                await self._clauses.put(clause)
            await self._clauses.put(piece)
            return
        if not isinstance(piece, str):
            raise AgentError(
                "reply",
                "agent_error",
                f"the agent yielded {type(piece).__name__}; yield pieces of text (str) or AudioFrame",
            )
        if not piece:
            return
        self.pieces_taken += 1
        if self.times.first_text is None:
            self.times.first_text = self.now()
        self.text += piece
        if len(self.text) > MAX_CHARACTERS:
            raise AgentError(
                "reply",
                "agent_error",
                f"the reply exceeds {MAX_CHARACTERS} characters and was cut; end it sooner",
            )
        for clause in self._splitter.feed(piece):
            await self._clauses.put(clause)
        if self.now() - self.times.first_text >= _FIRST_WORDS_WITHIN:
            for clause in self._splitter.release_first():
                await self._clauses.put(clause)
        self._stop_flush()
        wait = self._splitter.flush_after
        if wait is not None:
            self._flush = asyncio.get_running_loop().call_later(wait, self._release)

    def _release(self) -> None:
        """The model is slow: speak what there is, if the voice has nothing else to do."""
        if len(self._clauses) == 0:
            for clause in self._splitter.release():
                self._clauses.put_nowait(clause)

    def _stop_flush(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None

    async def _apologise(self, error: BackendError) -> None:
        await self._released.wait()
        self.events.error(error, "agent")
        if self.error_reply:
            for clause in [*self._splitter.flush(), self.error_reply]:
                await self._clauses.put(clause)

    # --- sound --------------------------------------------------------------------------------------------

    async def _synthesise(self) -> None:
        async for clause in self._clauses:
            if isinstance(clause, AudioFrame):
                await self._released.wait()
                await self._play(clause)
                continue
            if not clause.strip():
                continue
            try:
                await self._speak(clause)
            except BackendError:
                raise
            except Exception as error:  # a voice is a plug-in; it may fail in any way
                raise PipelineError(
                    "synthesize", "pipeline_error", f"the voice failed: {type(error).__name__}: {error}"
                ) from error
            self.mouth.end_piece(self.number)

    async def _play(self, frame: AudioFrame) -> None:
        """Audio the application made itself; it has no words to account for."""
        if self.times.first_speech is None:
            self.times.first_speech = self.now()
        self.mouth.begin_piece(self.number, "")
        await self._send(downmix(frame.data, frame.channels), frame.sample_rate, ())

    async def _speak(self, clause: str) -> None:
        chunks = aiter(self.tts.synthesize(clause))
        begun = False
        try:
            while True:
                try:
                    async with asyncio.timeout(self.timeout):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    break
                except TimeoutError as error:
                    raise PipelineError(
                        "synthesize", "timeout", f"the voice gave no audio for {self.timeout:g} s"
                    ) from error
                if self.times.first_speech is None:
                    self.times.first_speech = self.now()
                if not begun:
                    begun = True
                    await self._released.wait()
                    self.mouth.begin_piece(self.number, clause)
                ends = tuple(w.end for w in chunk.words)
                await self._send(chunk.data, chunk.sample_rate, ends)
        finally:
            await _close(chunks)
        if self._resampler is not None:
            tail, self._resampler = self._resampler.flush(), None
            await self.mouth.queue(self.number, tail)

    async def _send(self, pcm: bytes, rate: int, word_ends: tuple[float, ...]) -> None:
        if self.post_tts:
            frame = await self.post_tts.run(AudioFrame(pcm, rate))
            if frame is None:
                return
            pcm, rate = frame.data, frame.sample_rate
        if rate != self.sample_rate:
            if self._resampler is None or self._resampled_from != rate:
                self._resampler, self._resampled_from = Resampler(rate, self.sample_rate), rate
            pcm = self._resampler.process(pcm)
        if pcm:
            await self.mouth.queue(self.number, pcm, word_ends)


async def _close(iterator: AsyncIterator[Any]) -> None:
    """Ends an async generator promptly, so that the request behind it is cancelled now and not by the collector."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1.0):
                await aclose()
