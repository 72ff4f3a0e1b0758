"""CMU pocketsphinx: offline recognition of English, no keys, no download.

Checked 2026-11 with pocketsphinx 5.1.1 and the en-us models in its wheel: 3 to 4 % of words wrong on clear speech, weak
on noisy speech; 0.13 × real time on one core; the final words come about 50 ms after the end of speech. The second and
third pass (fwdflat, bestpath) stay on: without them twice as many words are wrong.

Decoding runs in a process for each speaker (see ``process``).
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar
from weakref import WeakSet

from pydantic import model_validator

from beluga_voice.config import Settings
from beluga_voice.errors import ConfigError, PipelineError
from beluga_voice.providers.stt.pocketsphinx.phrases import PhraseBook
from beluga_voice.providers.stt.pocketsphinx.process import FORK, receive
from beluga_voice.providers.stt.pocketsphinx.stream import SphinxStream, clean

__all__ = ["PocketsphinxSTT", "SettingsModel", "SphinxStream", "clean", "create"]

T = TypeVar("T")

# Run as a file, so that the process imports nothing of this package and is small.
_PROGRAM = Path(__file__).with_name("process.py")
_LOAD_TIMEOUT = 30.0
_FORK_TIMEOUT = 5.0
# Every request waits on a process, not on the interpreter, so threads are only places to wait.
_THREADS = 64


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

    @model_validator(mode="after")
    def _has_models(self) -> Self:
        if self.language.split("-")[0] != "en" and not (
            self.acoustic_model and self.language_model and self.dictionary
        ):
            raise ValueError(
                f"language={self.language!r} needs acoustic_model, language_model and dictionary: "
                "the models in the wheel are for English"
            )
        return self


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
        self._streams: WeakSet[SphinxStream] = WeakSet()
        self._lock = asyncio.Lock()
        self._closed = False

    async def start(self) -> None:
        """Loads the models in a process of their own.

        Raises:
            PipelineError: ``pipeline_error`` if they cannot be loaded.
            ConfigError: ``invalid_config`` where processes cannot be forked (Windows).
        """
        async with self._lock:
            self._closed = False
            await self._ensure_server()

    async def open(
        self, *, sample_rate: int, language: str = "en", phrases: Sequence[str] = ()
    ) -> SphinxStream:
        """Begins a speaker; ready within milliseconds once started.

        Raises:
            ConfigError: ``invalid_config`` for a language the models do not know.
            PipelineError: ``pipeline_error`` if no process can be made, or after `close`.
        """
        known = self._settings.language.split("-")[0]
        if language.split("-")[0] != known:
            raise ConfigError(
                "open_stt",
                "invalid_config",
                f"language={language!r}: there are models for {known!r}; set "
                "stt_config={'acoustic_model': …, 'language_model': …, 'dictionary': …, 'language': …}",
            )
        async with self._lock:
            if self._closed:
                raise PipelineError(
                    "open_stt", "pipeline_error", "the recogniser is closed; await start() first"
                )
            executor = await self._ensure_server()
            child, pid = await self._run(executor, self._fork, _forget_child)
            stream = SphinxStream(child, pid, sample_rate, executor, PhraseBook(phrases), known)
            self._streams.add(stream)
            return stream

    async def close(self) -> None:
        """Ends the processes and the streams that are still open; idempotent."""
        async with self._lock:
            self._closed = True
            server, sock, executor = self._server, self._sock, self._executor
            self._server = self._sock = self._executor = None
            try:
                await asyncio.gather(*(stream.close() for stream in list(self._streams)))
                if sock is not None:
                    sock.close()
                if server is not None and executor is not None:
                    await self._run(executor, lambda: _end(server))
            finally:
                if executor is not None:
                    executor.shutdown(wait=False)

    async def _run(
        self,
        executor: ThreadPoolExecutor,
        function: Callable[[], T],
        undo: Callable[[T], object] = lambda _: None,
    ) -> T:
        """Runs a function in a thread; when cancelled, waits for it all the same and undoes what it made."""
        job = asyncio.get_running_loop().run_in_executor(executor, function)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            # The lock is still held: nobody else may talk to the server in the middle of this.
            await asyncio.wait([job])
            if not job.cancelled() and job.exception() is None:
                undo(job.result())
            raise

    async def _ensure_server(self) -> ThreadPoolExecutor:
        if self._executor is not None and self._server is not None and self._server.poll() is None:
            return self._executor
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
            self._sock = None
        self._server, self._sock = await self._run(self._executor, self._spawn, _forget_server)
        return self._executor

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
        ours.settimeout(_FORK_TIMEOUT)
        return server, ours

    def _fork(self) -> tuple[socket.socket, int]:
        assert self._sock is not None
        assert self._server is not None
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._sock, [FORK], [theirs.fileno()])
            kind, body = receive(self._sock)
        except (EOFError, OSError) as error:
            ours.close()
            self._server.kill()  # a late answer would be taken for the next one's
            self._server.wait()
            raise PipelineError(
                "open_stt", "pipeline_error", "the recogniser's process is gone; open again to start another"
            ) from error
        finally:
            theirs.close()
        if kind != b"R":
            ours.close()
            reason = body.decode(errors="replace")
            raise PipelineError("open_stt", "pipeline_error", f"no process for one more speaker: {reason}")
        return ours, int.from_bytes(body, sys.byteorder)


def _end(server: subprocess.Popen[bytes]) -> None:
    """The server ends when its socket closes; one that does not is killed."""
    try:
        server.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _forget_child(made: tuple[socket.socket, int]) -> None:
    made[0].close()  # the process ends with its socket


def _forget_server(made: tuple[subprocess.Popen[bytes], socket.socket]) -> None:
    server, sock = made
    sock.close()
    server.kill()
    server.wait()


def create(settings: Mapping[str, Any]) -> PocketsphinxSTT:
    """Makes the recogniser."""
    return PocketsphinxSTT(SettingsModel(**settings))
