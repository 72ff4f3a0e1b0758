"""What the supervisor and its processes tell each other: a line of JSON each, over a socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from socket import socket
from typing import Any

__all__ = ["Line"]

# One status line: a thousand jobs of a hundred bytes and some.
_MAX_LINE = 1024 * 1024
# More than this unread on the other side and a status is left out: the next one says it all anyway.
_MAX_WAITING = 256 * 1024


class Line:
    """One end of the pair.

    Args:
        reader: of the other side's lines.
        writer: to the other side.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket) -> Line:
        """A line over one socket of a pair."""
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=_MAX_LINE))

    def say(self, what: str, /, **facts: Any) -> None:
        """Tells the other side; never waits, and is silent when it is gone or does not read."""
        waiting = self._writer.transport.get_write_buffer_size()
        if not self._writer.is_closing() and (waiting < _MAX_WAITING or what != "status"):
            self._writer.write(json.dumps({"is": what, **facts}).encode() + b"\n")

    async def hear(self) -> AsyncIterator[Mapping[str, Any]]:
        """What the other side tells, until it is gone."""
        while True:
            try:
                line = await self._reader.readline()
            except (OSError, ValueError):
                return
            if not line.endswith(b"\n"):
                return
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    async def flush(self) -> None:
        """Waits until everything is sent, a second at most."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.drain()

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()
