"""A server of your own as a child process: started, awaited, ended, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from beluga_voice.errors import ConnectError

__all__ = ["OwnProcess", "free_port"]

# Runs first in the child: asks Linux to kill it when the thread that started it ends (prctl 1 is PR_SET_PDEATHSIG,
# 9 is SIGKILL), looks whether it has ended already, and becomes the program. A preexec_fn would do it too, but is
# not safe in a process with threads.
_BOUND = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OwnProcess:
    """Runs one program. On Linux it dies with the thread that started it, even if that is killed.

    Args:
        name: for messages.
        log: where the program's output goes, appended; a file that nobody sees if None.
    """

    def __init__(self, name: str, log: Path | None = None) -> None:
        self._name = name
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._output = ""

    @property
    def pid(self) -> int | None:
        """The process, or None when none runs."""
        return None if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the program that was started has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    async def start(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], Awaitable[bool]],
        *,
        environment: Mapping[str, str] | None = None,
        deadline: float = 20.0,
    ) -> None:
        """Starts ``command`` and waits until ``answers`` says that it does.

        Raises:
            ConnectError: ``connection_failed`` if the program cannot be run, ends, or does not answer in time; the
                message has the last line of its output.
        """
        words = [str(word) for word in command]
        if sys.platform == "linux":
            words = [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *words]
        path = self._log or Path(tempfile.mkstemp(prefix=f"{self._name}-", suffix=".log")[1])
        try:
            with path.open("ab") as output:
                # Its own session, so that Ctrl-C in a terminal reaches only us.
                self._process = subprocess.Popen(  # noqa: ASYNC220 - it takes a millisecond
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
            await self._answer(answers, deadline, path)
        except OSError as error:
            raise self._failed(f"cannot be run ({error.strerror})", path) from error
        except BaseException:
            await self.kill()
            raise
        finally:
            if self._log is None:
                path.unlink(missing_ok=True)

    async def _answer(self, answers: Callable[[], Awaitable[bool]], deadline: float, log: Path) -> None:
        try:
            async with asyncio.timeout(deadline):
                while not await answers():
                    if self.ended:
                        raise self._failed("ended before it answered", log)
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise self._failed(f"did not answer in {deadline:g} s", log) from error

    async def stop(self, *, patience: float = 0.3, deadline: float = 5.0) -> None:
        """Ends the program with SIGTERM, again after ``patience`` seconds, and with SIGKILL at the ``deadline``.

        Some servers take the first signal as a wish to end when their last client has left. Idempotent.
        """
        process, self._process = self._process, None
        if process is None:
            return
        for seconds in (patience, deadline - patience):
            process.terminate()
            if await _ended(process, seconds):
                return
        process.kill()
        await _ended(process, None)

    async def kill(self) -> None:
        """Ends the program as a crash would (SIGKILL)."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await _ended(process, None)

    def _failed(self, what: str, log: Path) -> ConnectError:
        last = ""
        with contextlib.suppress(OSError):
            lines = log.read_text(errors="replace").strip().splitlines()
            last = f": {lines[-1][:300]}" if lines else ""
        return ConnectError("start_server", "connection_failed", f"{self._name} {what}{last}")


async def _ended(process: subprocess.Popen[bytes], seconds: float | None) -> bool:
    """Whether it ended within ``seconds``; a zombie is collected."""
    try:
        await asyncio.to_thread(process.wait, seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
