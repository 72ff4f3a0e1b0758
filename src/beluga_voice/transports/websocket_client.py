"""The calling side of the protocol ``beluga-voice.v1`` (docs/protocol.md), by ``websockets``.

Checked 2026-11 with websockets 17.4.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import websockets

from beluga_voice.audio.pcm import downmix
from beluga_voice.config import TransportConfig
from beluga_voice.errors import (
    CODES,
    AuthError,
    BackendError,
    CapacityError,
    ConfigError,
    ConnectError,
    FormatError,
    error_for_code,
)
from beluga_voice.frames import AudioFrame
from beluga_voice.transports.websocket_messages import SUBPROTOCOL, parse_control

__all__ = ["WebSocketTransport"]

_SEND_DEADLINE = 5.0
_CLOSE_DEADLINE = 1.0
_MAX_MESSAGE = 2**20
# The far side's own output is not our user's ear; only the network lies between.
_DELAY = 0.1


class WebSocketTransport:
    """Calls a server that speaks the protocol, and is then the server's user: `recv` is what its agent says.

    Args:
        config: ``url`` (ws:// or wss://), ``token``, ``sample_rate`` and ``channels`` of what the server is sent;
            ``extra`` goes into the ``start`` message, e.g. ``{"metadata": {…}}``.

    Raises:
        ConfigError: ``invalid_config`` if the URL is none.
    """

    output_delay = _DELAY

    def __init__(self, config: TransportConfig) -> None:
        if not config.url.startswith(("ws://", "wss://")):
            raise ConfigError(
                "websocket", "invalid_config", f"url={config.url!r} must begin with ws:// or wss://"
            )
        self._config = config
        self._host = urlsplit(config.url).netloc.rpartition("@")[2]
        self.output_sample_rate = config.sample_rate
        self.session_id = ""
        self._remote_rate = config.sample_rate
        self._socket: websockets.ClientConnection | None = None
        self._connecting = asyncio.Lock()
        self._handler: Callable[[Mapping[str, Any]], None] | None = None
        self._closed = False

    async def connect(self) -> None:
        """Connects, if that was not done; `recv` and `send` do it by themselves.

        Raises:
            ConnectError: ``connection_failed`` or ``connection_timeout``, naming the host.
            BackendError: what the server refused the call for, e.g. ``session_limit_exceeded``.
        """
        await self._connected("connect")

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """The agent's audio until the server hangs up; its JSON messages go to the control handler."""
        socket = await self._connected("recv")
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    yield AudioFrame(message, self._remote_rate)
                    continue
                told = parse_control(message, _MAX_MESSAGE)
                if self._handler is not None:
                    self._handler(told)
        except websockets.ConnectionClosed:
            return

    async def send(self, frame: AudioFrame) -> None:
        """Sends the user's audio at ``output_sample_rate``; mono or stereo becomes what the server was told.

        Raises:
            ConnectError: ``connection_failed`` if the server is gone or does not read, and after `close`.
            FormatError: ``invalid_format`` for another rate.
        """
        if frame.sample_rate != self.output_sample_rate:
            raise FormatError(
                "send",
                "invalid_format",
                f"the server was told {self.output_sample_rate} Hz, the frame has {frame.sample_rate} Hz",
            )
        pcm = frame.data
        if frame.channels > self._config.channels:
            pcm = downmix(pcm, frame.channels)
        elif frame.channels < self._config.channels:
            pcm = np.repeat(np.frombuffer(pcm, "<i2"), self._config.channels).tobytes()
        await self._send(pcm)

    async def clear(self) -> None:
        """The protocol has no such message from this side."""

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Sends a control message: ``text``, ``dtmf``, ``stop`` or ``playback``; others stay here."""
        if event.get("type") in ("text", "dtmf", "stop", "playback"):
            await self._send(json.dumps(event))

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Sets who is told the server's JSON messages."""
        self._handler = handler

    async def close(self) -> None:
        """Hangs up; idempotent."""
        self._closed = True
        async with self._connecting:  # a connection under way ends by its own deadline
            if self._socket is not None:
                await _hang_up(self._socket)

    async def _connected(self, op: str) -> websockets.ClientConnection:
        self._require_open(op)
        async with self._connecting:
            self._require_open(op)
            if self._socket is None:
                self._socket = await self._call()
            return self._socket

    async def _call(self) -> websockets.ClientConnection:
        socket: websockets.ClientConnection | None = None
        done = False
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                socket = await websockets.connect(
                    self._config.url,
                    subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
                    compression=None,
                    max_size=_MAX_MESSAGE,
                    open_timeout=None,
                )
                await socket.send(json.dumps(self._start_message()))
                self._on_first(await socket.recv())
            done = True
            return socket
        except TimeoutError as error:
            raise ConnectError(
                "websocket",
                "connection_timeout",
                f"{self._host} did not answer in {self._config.connect_timeout:g} s",
            ) from error
        except websockets.InvalidStatus as error:
            raise self._refused(error.response) from error
        except (OSError, websockets.WebSocketException, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ConnectError(
                "websocket", "connection_failed", f"no call to {self._host}: {reason}"
            ) from error
        finally:
            if socket is not None and not done:
                await _hang_up(socket)

    def _refused(self, response: websockets.Response) -> BackendError:
        """What an HTTP answer instead of the upgrade means."""
        message = f"{self._host} refused the call: HTTP {response.status_code} {response.reason_phrase}"
        if response.status_code in (401, 403):
            code = "authentication_failed" if response.status_code == 401 else "authorization_failed"
            return AuthError("websocket", code, message)
        if response.status_code in (429, 503):
            code = "rate_limit_exceeded" if response.status_code == 429 else "session_limit_exceeded"
            wait = response.headers.get("retry-after", "")
            return CapacityError(
                "websocket", code, message, {"retry_after": float(wait)} if wait.isdigit() else None
            )
        return ConnectError("websocket", "connection_failed", message)

    def _start_message(self) -> dict[str, Any]:
        c = self._config
        start: dict[str, Any] = {
            "type": "start",
            "sample_rate": c.sample_rate,
            "channels": c.channels,
            **c.extra,
        }
        if c.token.get_secret_value():
            start["token"] = c.token.get_secret_value()
        return start

    def _on_first(self, message: str | bytes) -> None:
        first = parse_control(message if isinstance(message, str) else "", _MAX_MESSAGE)
        if first["type"] == "error":
            code, text = str(first.get("code")), str(first.get("message"))
            if code in CODES:
                raise error_for_code("websocket", code, text)
            raise ConnectError("websocket", "connection_failed", f"{self._host} refused the call: {text}")
        rate = first.get("output_sample_rate")
        if first["type"] != "ready" or not isinstance(rate, int):
            raise FormatError(
                "websocket", "invalid_format", f"{self._host} does not speak {SUBPROTOCOL}: no ready message"
            )
        self.session_id, self._remote_rate = str(first.get("session_id", "")), rate

    async def _send(self, message: str | bytes) -> None:
        socket = await self._connected("send")
        try:
            async with asyncio.timeout(_SEND_DEADLINE):
                await socket.send(message)
        except (TimeoutError, websockets.ConnectionClosed) as error:
            raise ConnectError("send", "connection_failed", f"{self._host} is gone") from error

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "websocket: the transport is closed")


async def _hang_up(socket: websockets.ClientConnection) -> None:
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_CLOSE_DEADLINE):
            await socket.close()
