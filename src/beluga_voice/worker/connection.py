"""One WebSocket to the server's agent door, from connect to the end."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from beluga_voice.errors import FormatError
from beluga_voice.worker import messages as m
from beluga_voice.worker.wire import decode

__all__ = ["Connection"]

log = logging.getLogger(__name__)

_OPEN_DEADLINE = 10.0
_CLOSE_DEADLINE = 1.0
# A connection that is half open is noticed after these two together.
_KEEPALIVE, _KEEPALIVE_DEADLINE = 10.0, 10.0
# More than this waiting to be sent means that the server does not read; then the connection is given up.
_OUTBOX = 1000
_MAX_MESSAGE = 4 * 1024 * 1024
_TOKEN = re.compile(r"eyJ[\w.-]+")


class Connection:
    """Feeds what happens to ``feed``: `Connected`, the server's messages, at the end `Refused`, `Failed` or `Lost`.

    Args:
        url: of the agent door.
        token: authorises the worker.
        feed: told everything, on the event loop.
    """

    def __init__(self, url: str, token: str, feed: Callable[[m.Input], None]) -> None:
        self._url = url
        self._token = token
        self._feed_on = feed
        self._open = True
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(_OUTBOX)
        self._task = asyncio.create_task(self._run(), name="worker:connection")

    def send(self, data: bytes) -> None:
        """Sends in order, as soon as the socket takes it."""
        try:
            self._outbox.put_nowait(data)
        except asyncio.QueueFull:
            if self._open:  # told later: whoever sends is in the middle of something
                lost = m.Lost("the server reads no more", random.random())
                asyncio.get_running_loop().call_soon(self._feed_on, lost)
            self.abandon()

    def abandon(self) -> None:
        """Begins to close; nothing more is fed."""
        self._open = False
        self._task.cancel()

    async def close(self) -> None:
        """Sends what waits, closes and returns when nothing is left, in two seconds at most."""
        self._open = False
        for _ in range(20):
            if self._outbox.empty() or self._task.done():
                break
            await asyncio.sleep(0.01)
        self._task.cancel()
        await asyncio.wait([self._task], timeout=2 * _CLOSE_DEADLINE)

    def _feed(self, event: m.Input) -> None:
        if self._open:
            self._feed_on(event)

    async def _run(self) -> None:
        try:
            socket = await connect(
                self._url,
                additional_headers={"Authorization": f"Bearer {self._token}"},
                open_timeout=_OPEN_DEADLINE,
                close_timeout=_CLOSE_DEADLINE,
                ping_interval=_KEEPALIVE,
                ping_timeout=_KEEPALIVE_DEADLINE,
                max_size=_MAX_MESSAGE,
                compression=None,
            )
        except InvalidStatus as error:
            self._feed(m.Refused(error.response.status_code, _said(error.response.body), random.random()))
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
            self._feed(m.Failed(_reason(error), random.random()))
        else:
            try:
                await self._talk(socket)
            except Exception as error:
                log.exception("the worker's connection failed")
                self._feed(m.Lost(f"{type(error).__name__}: {error}", random.random()))
            finally:
                await socket.close()

    async def _talk(self, socket: ClientConnection) -> None:
        self._feed(m.Connected())
        reader = asyncio.create_task(self._read(socket), name="worker:read")
        writer = asyncio.create_task(self._write(socket), name="worker:write")
        try:
            done, _ = await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
            self._feed(m.Lost(_why_ended(next(iter(done))), random.random()))
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.wait([reader, writer], timeout=_CLOSE_DEADLINE)

    async def _read(self, socket: ClientConnection) -> None:
        async for data in socket:
            event = decode(data)
            if event is not None:
                self._feed(event)

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(await self._outbox.get())


def _said(body: bytes | bytearray | None) -> str:
    """What the server says about its refusal, without the token, which it repeats."""
    text = bytes(body or b"").decode("utf-8", "replace").strip()
    return _TOKEN.sub("<token>", text)[:200]


def _why_ended(task: asyncio.Task[None]) -> str:
    error = task.exception()
    match error:
        case None:
            return "the server closed the connection"
        case ConnectionClosed():
            return (
                "the connection to the server broke"
                if error.rcvd is None
                else "the server closed the connection"
            )
        case FormatError():
            return error.message
        case _:
            return f"{type(error).__name__}: {error}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"the server did not answer in {_OPEN_DEADLINE:g} s"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"
