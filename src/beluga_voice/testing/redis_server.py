"""A real Redis server of your own on loopback, with nothing kept on disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from beluga_voice.errors import ConfigError
from beluga_voice.testing.own_process import OwnProcess, free_port

__all__ = ["RedisServer"]


class RedisServer:
    """Runs ``redis-server`` (or ``valkey-server``) from `start` to `stop`; also an async context manager.

    Args:
        log: file for the server's output; not kept if None.

    Attributes:
        port: a port of 127.0.0.1; stays the same.
        address: ``127.0.0.1:PORT``, as LiveKit wants it.
        url: ``redis://127.0.0.1:PORT/0``.

    Raises:
        ConfigError: ``invalid_config`` with what to install, if there is no such program; ``REDIS_SERVER`` may name it.
    """

    def __init__(self, *, log: Path | None = None) -> None:
        program = (
            os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
        )
        if program is None:
            raise ConfigError(
                "redis_server",
                "invalid_config",
                "no redis-server found: install it (apt-get install redis-server), or set REDIS_SERVER to its path",
            )
        self._program = program
        self._process = OwnProcess("redis-server", log)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"redis://{self.address}/0"

    @property
    def pid(self) -> int | None:
        """The server's process, or None when it is not running."""
        return self._process.pid

    async def start(self) -> None:
        """Starts the server and waits until it answers; does nothing while it runs.

        Raises:
            ConnectError: ``connection_failed`` if it ends or does not answer in 20 s.
        """
        if self._process.pid is None:
            settings = {"port": self.port, "bind": "127.0.0.1", "dir": tempfile.gettempdir()}
            words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
            await self._process.start(
                [self._program, *words, "--save", "", "--appendonly", "no"], self._answers
            )

    async def stop(self) -> None:
        """Ends the server, and what it held is gone; idempotent."""
        await self._process.stop()

    async def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL); `start` brings an empty one back on the same port."""
        await self._process.kill()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(b"PING\r\n")
                    return await reader.readline() == b"+PONG\r\n"
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
