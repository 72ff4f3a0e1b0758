"""One speaker of the recogniser: what waits to be decoded, the process that decodes it, and the words so far."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from beluga_voice.audio.resample import Resampler
from beluga_voice.errors import BackendError, FormatError, PipelineError
from beluga_voice.frames import SttEvent
from beluga_voice.providers.stt.pocketsphinx.phrases import PhraseBook
from beluga_voice.providers.stt.pocketsphinx.process import receive, send

__all__ = ["RATE", "SphinxStream", "clean"]

RATE = 16_000
# Audio before the VAD's onset that belongs to the first word.
PRE_ROLL_SECONDS = 0.35
# Decoded in steps of this length: short enough for live partials, long enough to keep the traffic low.
_STEP_BYTES = int(0.08 * RATE) * 2
_BACKLOG_BYTES = 10 * RATE * 2
_REQUEST_TIMEOUT = 10.0
_VARIANT = re.compile(r"\(\d+\)")
_FILLER = re.compile(r"<[^>]*>|\[[^\]]*\]|\+\+[^+]*\+\+")


class SphinxStream:
    """One speaker.

    Args:
        sock: to the decoding process.
        pid: its process id.
        sample_rate: of pushed audio, in Hz.
        executor: threads to wait in.
        phrases: what is expected.
        language: what the models are for, ISO 639-1.
    """

    def __init__(
        self,
        sock: socket.socket,
        pid: int,
        sample_rate: int,
        executor: Executor,
        phrases: PhraseBook,
        language: str,
    ) -> None:
        self.pid = pid
        self._sock = sock
        self._sock.settimeout(_REQUEST_TIMEOUT)
        self._language = language
        self._executor = executor
        self._phrases = phrases
        self._resampler = None if sample_rate == RATE else Resampler(sample_rate, RATE)
        self._pre_roll: deque[bytes] = deque()
        self._pre_roll_bytes = 0
        # What the process still has to do, in order: "B", audio, "E".
        self._work: deque[tuple[bytes, bytes]] = deque()
        self._work_bytes = 0
        self._open = False
        self._segment = 0
        self._said = ""
        self._events: deque[SttEvent] = deque()
        self._changed = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._failure: BackendError | None = None
        self._closed = False
        self.dropped_bytes = 0

    def push(self, pcm: bytes, at: float) -> None:
        """Feeds audio; outside of speech it only fills the pre-roll.

        Raises:
            FormatError: ``invalid_format`` for an odd number of bytes.
        """
        if len(pcm) % 2:
            raise FormatError(
                "push_audio", "invalid_format", f"{len(pcm)} bytes are not whole 16-bit samples"
            )
        if self._closed or self._failure is not None:
            return
        if self._resampler is not None:
            pcm = self._resampler.process(pcm)
        if self._open:
            self._add(b"A", pcm)
            return
        self._pre_roll.append(pcm)
        self._pre_roll_bytes += len(pcm)
        limit = int(PRE_ROLL_SECONDS * RATE) * 2
        while self._pre_roll and self._pre_roll_bytes - len(self._pre_roll[0]) >= limit:
            self._pre_roll_bytes -= len(self._pre_roll.popleft())

    def speech_started(self, at: float) -> None:
        """Begins a segment with the audio before it."""
        if self._open or self._closed or self._failure is not None:
            return
        self._open = True
        self._add(b"B", b"")
        self._add(b"A", b"".join(self._pre_roll))
        self._pre_roll.clear()
        self._pre_roll_bytes = 0

    def finalize(self, at: float) -> None:
        """Ends the segment; its final follows."""
        if self._closed or self._failure is not None:
            return
        if not self._open:
            self._add(b"B", b"")
        self._open = False
        self._add(b"E", b"")

    async def events(self) -> AsyncIterator[SttEvent]:
        """Partials and finals until `close`.

        Raises:
            PipelineError: ``pipeline_error`` if the process died, ``timeout`` if it does not answer.
        """
        while True:
            while self._events:
                yield self._events.popleft()
            if self._failure is not None:
                raise self._failure
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Ends the process; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._changed.set()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a reply
        try:
            if self._worker is not None and not self._worker.done():
                await asyncio.wait([self._worker], timeout=1.0)
        finally:
            self._sock.close()

    def _add(self, kind: bytes, body: bytes) -> None:
        self._work.append((kind, body))
        self._work_bytes += len(body)
        if self._work_bytes > _BACKLOG_BYTES:
            self._drop_oldest_audio(self._work_bytes - _BACKLOG_BYTES)
        idle = self._worker is None or self._worker.done()
        if idle and (self._work_bytes >= _STEP_BYTES or kind == b"E"):
            loop = asyncio.get_running_loop()
            self._worker = loop.create_task(self._decode(), name=f"pocketsphinx-{self.pid}")

    def _drop_oldest_audio(self, count: int) -> None:
        """Beginnings and ends stay: each end is owed a final."""
        self._work_bytes -= count
        self.dropped_bytes += count
        for index, (kind, body) in enumerate(self._work):
            if kind == b"A":
                self._work[index] = (kind, body[count:])
                count -= min(count, len(body))
                if not count:
                    return

    async def _decode(self) -> None:
        """Sends what is waiting, one request at a time, until there is less than a step of it."""
        loop = asyncio.get_running_loop()
        while not self._closed and self._failure is None:
            request = self._next_request()
            if request is None:
                return
            try:
                body = await loop.run_in_executor(self._executor, self._request, *request)
            except Exception as error:  # whatever it is, somebody waits for the event
                if not self._closed:
                    self._fail(error)
                return
            self._tell(request[0], body)

    def _next_request(self) -> tuple[bytes, bytes] | None:
        """The next message: a beginning, or as much audio as there is up to the next beginning or end."""
        if not self._work:
            return None
        if self._work[0][0] == b"B":
            self._work.popleft()
            return b"B", b""
        audio = bytearray()
        while self._work and self._work[0][0] == b"A":
            audio += self._work.popleft()[1]
        if self._work and self._work[0][0] == b"E":
            self._work.popleft()
            self._work_bytes -= len(audio)
            return b"E", bytes(audio)
        if len(audio) < _STEP_BYTES:
            self._work.appendleft((b"A", bytes(audio)))
            return None
        self._work_bytes -= len(audio)
        return b"A", bytes(audio)

    def _request(self, kind: bytes, body: bytes) -> bytes:
        send(self._sock, kind, body)
        return receive(self._sock)[1]

    def _tell(self, kind: bytes, body: bytes) -> None:
        if kind == b"B":
            self._said = ""
            return
        text = clean(body.decode(errors="replace"))
        if kind == b"E":
            self._events.append(
                SttEvent(
                    self._phrases.match(text), final=True, segment=self._segment, language=self._language
                )
            )
            self._segment += 1
        elif text != self._said:
            self._said = text
            if self._events and not self._events[-1].final:
                self._events.pop()  # nobody has read the partial before it: it is out of date
            self._events.append(SttEvent(text, segment=self._segment))
        self._changed.set()

    def _fail(self, error: Exception) -> None:
        self._work.clear()
        late = isinstance(error, TimeoutError)
        what = f"did not answer in {_REQUEST_TIMEOUT:g} s" if late else "ended"
        self._failure = PipelineError(
            "recognise",
            "timeout" if late else "pipeline_error",
            f"the recogniser's process {what}; open another stream",
            {"pid": self.pid},
        )
        self._failure.__cause__ = error
        self._changed.set()


def clean(hypothesis: str) -> str:
    """The words of a hypothesis without fillers and pronunciation marks: ``"<sil> a(2) [NOISE] b"`` → ``"a b"``."""
    return " ".join(_FILLER.sub(" ", _VARIANT.sub("", hypothesis)).split())
