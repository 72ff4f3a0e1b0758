"""The recogniser of one speaker, opened again when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from beluga_voice.errors import BackendError, PipelineError
from beluga_voice.frames import SttEvent
from beluga_voice.interfaces import STT, SttStream
from beluga_voice.pipeline.ear import EAR_RATE

__all__ = ["Recogniser"]

log = logging.getLogger(__name__)

_CLOSE_DEADLINE = 1.5
_LONGEST_WAIT = 5.0
# What is kept for a stream that is not open yet; then the oldest audio goes.
_BACKLOG_BYTES = 10 * EAR_RATE * 2

# An operation on a stream that has to wait for it.
_Step = Callable[[SttStream], None]


class Recogniser:
    """Feeds one stream at a time and numbers segments through, whatever happens to it.

    When a stream fails, the finals it owes are answered with its last partial, and another one is opened; only the
    words of the open segment so far are lost. Until a stream is open, the audio waits for it (the last ten seconds).

    Args:
        stt: makes streams.
        language: ISO 639-1.
        phrases: what is expected.
        timeout: seconds a stream may take to open.
        max_retries: how often in a row to open another one.
        retry_delay: seconds before the second time, doubled each further time.
        on_event: told partials and finals.
        on_error: told failures.
        on_gone: told when it was given up.
    """

    def __init__(
        self,
        stt: STT,
        *,
        language: str,
        phrases: Sequence[str],
        timeout: float,
        max_retries: int,
        retry_delay: float,
        on_event: Callable[[SttEvent], None],
        on_error: Callable[[BackendError], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._stt = stt
        self._language = language
        self._phrases = phrases
        self._timeout = timeout
        self._max_retries = max_retries
        self._retry_delay = retry_delay
        self._on_event = on_event
        self._on_error = on_error
        self._on_gone = on_gone
        self._stream: SttStream | None = None
        self._backlog: deque[tuple[int, _Step]] = deque()
        self._backlog_bytes = 0
        self._asked = self._answered = self._offset = self._base = 0
        self._partial = ""
        self._speech_since: float | None = None
        self._answer = asyncio.Event()

    async def open(self) -> None:
        """Opens a stream and gives it what has waited.

        Raises:
            BackendError: if it cannot be opened in time.
        """
        try:
            async with asyncio.timeout(self._timeout):
                stream = await self._stt.open(
                    sample_rate=EAR_RATE, language=self._language, phrases=self._phrases
                )
        except TimeoutError as error:
            raise PipelineError(
                "open_stt", "timeout", f"the recogniser did not open in {self._timeout:g} s"
            ) from error
        self._stream = stream
        self._offset = self._base
        backlog, self._backlog, self._backlog_bytes = self._backlog, deque(), 0
        for _, step in backlog:
            step(stream)

    def push(self, pcm: bytes, at: float) -> None:
        """Feeds mono s16le audio at 16 kHz."""
        if self._stream is not None:
            self._stream.push(pcm, at)
        else:
            self._wait(lambda stream: stream.push(pcm, at), len(pcm))

    def speech_started(self, at: float) -> None:
        """The user began to speak."""
        self._speech_since = at
        self._do(lambda stream: stream.speech_started(at))

    def finalize(self, at: float, *, goes_on: bool) -> None:
        """Asks for the final of the open segment; ``goes_on`` if the user is still speaking."""
        self._asked += 1
        self._speech_since = at if goes_on else None
        self._do(lambda stream: stream.finalize(at))
        if goes_on:
            self._do(lambda stream: stream.speech_started(at))

    async def settled(self, timeout: float) -> None:
        """Returns when all finals that were asked for are in, or after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self._answered < self._asked:
                    self._answer.clear()
                    await self._answer.wait()
        except TimeoutError:
            log.debug("a recogniser owed its last words")

    async def run(self) -> None:
        """Opens a stream if there is none and reads its events until it is closed; another one when it fails."""
        failures = 0
        while True:
            while self._stream is None:
                if failures > self._max_retries:
                    self._on_gone()
                    return
                try:
                    await self._open_again(failures)
                except BackendError as error:
                    self._on_error(error)
                    failures += 1
            stream = self._stream
            try:
                async for event in stream.events():
                    failures = 0
                    self._tell(event)
                return
            except BackendError as error:
                self._on_error(error)
            failures += 1
            self._stream = None
            self._answer_what_is_owed()
            self._base = self._asked
            if self._speech_since is not None:
                self.speech_started(self._speech_since)
            await _close(stream)

    async def close(self) -> None:
        """Closes the stream, within a deadline."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await _close(stream)

    async def _open_again(self, failures: int) -> None:
        if failures > 1:
            await asyncio.sleep(min(_LONGEST_WAIT, self._retry_delay * 2 ** (failures - 2)))
        await self.open()

    def _do(self, step: _Step) -> None:
        if self._stream is not None:
            step(self._stream)
        else:
            self._wait(step, 0)

    def _wait(self, step: _Step, size: int) -> None:
        self._backlog.append((size, step))
        self._backlog_bytes += size
        while self._backlog_bytes > _BACKLOG_BYTES:
            index = next(i for i, (bytes_, _) in enumerate(self._backlog) if bytes_)
            self._backlog_bytes -= self._backlog[index][0]
            del self._backlog[index]

    def _tell(self, event: SttEvent) -> None:
        if self._offset:
            event = replace(event, segment=event.segment + self._offset)
        self._partial = "" if event.final else event.text
        if event.final:
            self._answered = event.segment + 1
            self._answer.set()
        self._on_event(event)

    def _answer_what_is_owed(self) -> None:
        for segment in range(self._answered, self._asked):
            self._tell(SttEvent(self._partial, final=True, segment=segment - self._offset))


async def _close(stream: SttStream) -> None:
    try:
        async with asyncio.timeout(_CLOSE_DEADLINE):
            await stream.close()
    except Exception as error:  # closing must go on whatever a plug-in does
        log.warning("recogniser did not close: %s", type(error).__name__)
