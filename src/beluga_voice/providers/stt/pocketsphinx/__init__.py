"""CMU pocketsphinx: offline recognition of English, no keys, no download.

Checked 2026-11 with pocketsphinx 5.1.1 and the en-us models in its wheel: 3 to 4 % of words wrong on clear speech, weak
on noisy speech; 0.13 × real time on one core; the final words come about 50 ms after the end of speech. The second and
third pass (fwdflat, bestpath) stay on: without them twice as many words are wrong.

Decoding runs in a process for each speaker (see ``process``).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from beluga_voice.audio.resample import Resampler
from beluga_voice.config import Settings
from beluga_voice.errors import BackendError, ConfigError, FormatError, PipelineError
from beluga_voice.frames import SttEvent
from beluga_voice.providers.stt.pocketsphinx.phrases import PhraseBook
from beluga_voice.providers.stt.pocketsphinx.process import receive, send

__all__ = ["PocketsphinxSTT", "SettingsModel", "create"]

RATE = 16_000
# Run as a file, so that the process imports nothing of this package and is small.
_PROGRAM = Path(__file__).with_name("process.py")
# Audio before the VAD's onset that belongs to the first word.
PRE_ROLL_SECONDS = 0.35
# Decoded in steps of this length: short enough for live partials, long enough to keep the traffic low.
_STEP_BYTES = int(0.08 * RATE) * 2
_BACKLOG_BYTES = 10 * RATE * 2
_REQUEST_TIMEOUT = 10.0
_LOAD_TIMEOUT = 30.0
# Every request waits on a process, not on the interpreter, so threads are only places to wait.
_THREADS = 64
_VARIANT = re.compile(r"\(\d+\)")
_FILLER = re.compile(r"<[^>]*>|\[[^\]]*\]|\+\+[^+]*\+\+")


class SettingsModel(Settings):
    """Other models than the English ones in the wheel.

    Attributes:
        acoustic_model: folder of an acoustic model for 16 kHz.
        language_model: its language model file.
        dictionary: its pronunciation dictionary file.
        language: what they are for, ISO 639-1.
    """

    acoustic_model: str = ""
    language_model: str = ""
    dictionary: str = ""
    language: str = "en"


class PocketsphinxSTT:
    """The recogniser; one for all sessions.

    Args:
        settings: which models.
    """

    def __init__(self, settings: SettingsModel) -> None:
        self._settings = settings
        self._server: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Loads the models in a process of their own.

        Raises:
            PipelineError: ``pipeline_error`` if they cannot be loaded.
            ConfigError: ``invalid_config`` where processes cannot be forked (Windows).
        """
        async with self._lock:
            await self._ensure_server()

    async def open(
        self, *, sample_rate: int, language: str = "en", phrases: Sequence[str] = ()
    ) -> SphinxStream:
        """Begins a speaker; ready within milliseconds once started.

        Raises:
            ConfigError: ``invalid_config`` for a language the models do not know.
            PipelineError: ``pipeline_error`` if no process can be made.
        """
        if language.split("-")[0] != self._settings.language:
            raise ConfigError(
                "open_stt",
                "invalid_config",
                f"language={language!r}: there are models for {self._settings.language!r}; set "
                "stt_config={'acoustic_model': …, 'language_model': …, 'dictionary': …, 'language': …}",
            )
        async with self._lock:
            await self._ensure_server()
            child, pid = await self._run(self._fork)
        assert self._executor is not None
        return SphinxStream(child, pid, sample_rate, self._executor, PhraseBook(phrases))

    async def close(self) -> None:
        """Ends the processes; idempotent."""
        async with self._lock:
            server, sock = self._server, self._sock
            self._server = self._sock = None
            if sock is not None:
                sock.close()
            if server is not None:
                await self._run(_end, server)
            if self._executor is not None:
                self._executor.shutdown(wait=False)
                self._executor = None

    async def _run(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    async def _ensure_server(self) -> None:
        if self._server is not None and self._server.poll() is None:
            return
        if sys.platform == "win32":
            raise ConfigError(
                "start_stt",
                "invalid_config",
                "stt_provider='pocketsphinx' needs Linux or macOS; choose another one",
            )
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="pocketsphinx")
        if self._sock is not None:
            self._sock.close()
        self._server, self._sock = await self._run(self._spawn)

    def _spawn(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        given = self._settings
        paths = {"hmm": given.acoustic_model, "lm": given.language_model, "dict": given.dictionary}
        models = [word for name, path in paths.items() if path for word in (name, path)]
        command = [sys.executable, "-P", str(_PROGRAM), str(theirs.fileno()), *models]
        try:
            server = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        finally:
            theirs.close()
        ours.settimeout(_LOAD_TIMEOUT)
        try:
            receive(ours)
        except (EOFError, OSError) as error:
            ours.close()
            _end(server)
            which = " ".join(models) or "the ones in its wheel"
            raise PipelineError(
                "start_stt", "pipeline_error", f"pocketsphinx could not load its models ({which})"
            ) from error
        return server, ours

    def _fork(self) -> tuple[socket.socket, int]:
        assert self._sock is not None
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._sock, [b"F\0\0\0\0"], [theirs.fileno()])
            _, body = receive(self._sock)
        except (EOFError, OSError) as error:
            ours.close()
            raise PipelineError("open_stt", "pipeline_error", "the recogniser's process is gone") from error
        finally:
            theirs.close()
        ours.settimeout(_REQUEST_TIMEOUT)
        return ours, int.from_bytes(body, sys.byteorder)


class SphinxStream:
    """One speaker.

    Args:
        sock: to the decoding process.
        pid: its process id.
        sample_rate: of pushed audio, in Hz.
        executor: threads to wait in.
        phrases: what is expected.
    """

    def __init__(
        self,
        sock: socket.socket,
        pid: int,
        sample_rate: int,
        executor: ThreadPoolExecutor,
        phrases: PhraseBook,
    ) -> None:
        self.pid = pid
        self._sock = sock
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
        if self._open or self._closed:
            return
        self._open = True
        self._add(b"B", b"")
        self._add(b"A", b"".join(self._pre_roll))
        self._pre_roll.clear()
        self._pre_roll_bytes = 0

    def finalize(self, at: float) -> None:
        """Ends the segment; its final follows."""
        if self._closed:
            return
        if not self._open:
            self._add(b"B", b"")
        self._open = False
        self._add(b"E", b"")

    async def events(self) -> AsyncIterator[SttEvent]:
        """Partials and finals until `close`.

        Raises:
            PipelineError: ``pipeline_error`` if the process died.
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
        if self._worker is not None and not self._worker.done():
            await asyncio.wait([self._worker], timeout=1.0)
        self._sock.close()

    def _add(self, kind: bytes, body: bytes) -> None:
        self._work.append((kind, body))
        self._work_bytes += len(body)
        while self._work_bytes > _BACKLOG_BYTES:
            self._drop_oldest_audio()
        idle = self._worker is None or self._worker.done()
        if idle and (self._work_bytes >= _STEP_BYTES or kind == b"E"):
            loop = asyncio.get_running_loop()
            self._worker = loop.create_task(self._decode(), name=f"pocketsphinx-{self.pid}")

    def _drop_oldest_audio(self) -> None:
        for index, (kind, body) in enumerate(self._work):
            if kind == b"A" and body:
                del self._work[index]
                self._work_bytes -= len(body)
                self.dropped_bytes += len(body)
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
            except (EOFError, OSError) as error:
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
                SttEvent(self._phrases.match(text), final=True, segment=self._segment, language="en")
            )
            self._segment += 1
        elif text != self._said:
            self._said = text
            self._events.append(SttEvent(text, segment=self._segment))
        self._changed.set()

    def _fail(self, error: Exception) -> None:
        self._failure = PipelineError(
            "recognise",
            "pipeline_error",
            "the recogniser's process ended; it is started again",
            {"pid": self.pid},
        )
        self._failure.__cause__ = error
        self._changed.set()


def clean(hypothesis: str) -> str:
    """The words of a hypothesis without fillers and pronunciation marks: ``"<sil> a(2) [NOISE] b"`` → ``"a b"``."""
    return " ".join(_FILLER.sub(" ", _VARIANT.sub("", hypothesis)).split())


def _end(server: subprocess.Popen[bytes]) -> None:
    """The server ends when its socket closes; one that does not is killed."""
    try:
        server.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(timeout=1.0)


def create(settings: Mapping[str, Any]) -> PocketsphinxSTT:
    """Makes the recogniser."""
    return PocketsphinxSTT(SettingsModel(**settings))
