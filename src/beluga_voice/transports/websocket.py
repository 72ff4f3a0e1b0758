"""Audio over a WebSocket: binary messages are PCM, text messages are JSON (docs/protocol.md).

`WebSocketServerTransport` is the side that answers (Starlette), `WebSocketTransport` the side that calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import websockets
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from beluga_voice.config import TransportConfig
from beluga_voice.errors import AuthError, BackendError, CapacityError, ConfigError, ConnectError, FormatError
from beluga_voice.frames import AudioFrame
from beluga_voice.transports.websocket_messages import SUBPROTOCOL, parse_control, parse_start

__all__ = ["SUBPROTOCOL", "WebSocketServerTransport", "WebSocketTransport", "create"]

# A client that does not read for this long is gone.
_SEND_DEADLINE = 5.0
_CLOSE_DEADLINE = 1.0
# A client may send this many malformed messages before it is hung up on.
_MAX_MISTAKES = 20
_DEFAULT_DELAY = 0.1
_MAX_DELAY = 2.0

_CLOSE_CODES = {AuthError: 4401, CapacityError: 1013, FormatError: 1007}
_START_TIMEOUT_CODE = 4408


class WebSocketServerTransport:
    """One client that called us.

    Args:
        socket: not accepted yet.
        max_text: longest text message, in characters.
        max_binary: longest binary message, in bytes.
        start_timeout: seconds until the client must have said ``start``.
    """

    output_sample_rate = 24_000

    def __init__(
        self,
        socket: WebSocket,
        *,
        max_text: int = 65_536,
        max_binary: int = 1_048_576,
        start_timeout: float = 10.0,
    ) -> None:
        self._socket = socket
        self._max_text, self._max_binary = max_text, max_binary
        self._start_timeout = start_timeout
        self._rate, self._channels = 16_000, 1
        self._handler: Callable[[Mapping[str, Any]], None] | None = None
        self._sending = asyncio.Lock()
        self._mistakes = 0
        self._closed = False
        self.output_delay = _DEFAULT_DELAY

    async def accept(self) -> dict[str, Any]:
        """Accepts the connection and returns the client's ``start`` message.

        Raises:
            FormatError: ``invalid_format`` if the first message is something else.
            ConnectError: ``connection_timeout`` if none comes, ``connection_failed`` if the client leaves.
        """
        offered = self._socket.scope.get("subprotocols", [])
        await self._socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
        try:
            async with asyncio.timeout(self._start_timeout):
                message = await self._socket.receive()
        except TimeoutError as error:
            raise ConnectError(
                "websocket", "connection_timeout", f'no "start" message within {self._start_timeout:g} s'
            ) from error
        if message["type"] != "websocket.receive":
            raise ConnectError("websocket", "connection_failed", "the client left before it started")
        if message.get("text") is None:
            raise FormatError("websocket", "invalid_format", 'audio came before "start"')
        start = parse_control(message["text"], self._max_text)
        self._rate, self._channels = parse_start(start)
        return start

    async def ready(self, session_id: str, output_sample_rate: int) -> None:
        """Tells the client that it may speak."""
        await self.send_event(
            {
                "type": "ready",
                "session_id": session_id,
                "output_sample_rate": output_sample_rate,
                "channels": 1,
            }
        )

    async def refuse(self, error: BackendError) -> None:
        """Tells the client why there is no conversation, and closes with the code that belongs to it."""
        await self._tell_error(error)
        code = next((c for kind, c in _CLOSE_CODES.items() if isinstance(error, kind)), 1011)
        if error.code == "connection_timeout":
            code = _START_TIMEOUT_CODE
        await self._close(code, error.code)

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """The user's audio until they leave."""
        self._require_open("recv")
        while not self._closed:
            try:
                message = await self._socket.receive()
            except (WebSocketDisconnect, RuntimeError):
                return
            if message["type"] != "websocket.receive":
                return
            try:
                if message.get("bytes") is not None:
                    yield self._frame(message["bytes"])
                else:
                    self._control(message.get("text") or "")
            except FormatError as error:
                await self._tell_error(error)
                self._mistakes += 1
                if self._mistakes >= _MAX_MISTAKES:
                    await self._close(1007, "too many malformed messages")
                    return

    async def send(self, frame: AudioFrame) -> None:
        """Sends a frame.

        Raises:
            ConnectError: ``connection_failed`` if the client is gone or does not read.
        """
        self._require_open("send")
        await self._write({"type": "websocket.send", "bytes": frame.data})

    async def clear(self) -> None:
        """Tells the client to drop the audio it has not played."""
        await self.send_event({"type": "clear"})

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Sends a JSON message."""
        if not self._closed:
            await self._write({"type": "websocket.send", "text": json.dumps(event, ensure_ascii=False)})

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Sets who is told what is not audio."""
        self._handler = handler

    async def close(self) -> None:
        """Closes the connection; idempotent."""
        await self._close(1000, "")

    def _frame(self, data: bytes) -> AudioFrame:
        if len(data) > self._max_binary:
            raise FormatError(
                "websocket", "invalid_format", f"a binary message has at most {self._max_binary} bytes"
            )
        return AudioFrame(data, self._rate, self._channels)

    def _control(self, text: str) -> None:
        message = parse_control(text, self._max_text)
        if message["type"] == "playback":
            buffered = message.get("buffered")
            if isinstance(buffered, int | float):
                self.output_delay = min(_MAX_DELAY, max(0.0, float(buffered)) + 0.02)
        elif message["type"] == "start":
            raise FormatError("websocket", "invalid_format", '"start" is sent once')
        elif message["type"] not in ("text", "dtmf", "stop"):
            raise FormatError("websocket", "invalid_format", f"unknown message type {message['type'][:40]!r}")
        elif self._handler is not None:
            self._handler(message)

    async def _tell_error(self, error: BackendError) -> None:
        with contextlib.suppress(ConnectError):
            await self.send_event(
                {"type": "error", "code": error.code, "message": error.message, "stage": "transport"}
            )

    async def _write(self, message: dict[str, Any]) -> None:
        if self._socket.application_state is not WebSocketState.CONNECTED:
            raise ConnectError("send", "connection_failed", "websocket: the client is gone")
        try:
            async with asyncio.timeout(_SEND_DEADLINE), self._sending:
                await self._socket.send(message)
        except TimeoutError as error:
            raise ConnectError("send", "connection_failed", "websocket: the client does not read") from error
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise ConnectError("send", "connection_failed", "websocket: the client is gone") from error

    async def _close(self, code: int, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        if WebSocketState.DISCONNECTED in (self._socket.client_state, self._socket.application_state):
            return
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_DEADLINE):
                await self._socket.close(code, reason[:100])

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "websocket: the transport is closed")


class WebSocketTransport:
    """Calls a server that speaks the protocol, and is then the server's user: `recv` is what its agent says.

    Args:
        config: ``url`` (ws:// or wss://), ``token``, ``sample_rate`` and ``channels`` of what `send` takes.
    """

    output_delay = _DEFAULT_DELAY

    def __init__(self, config: TransportConfig) -> None:
        if not config.url.startswith(("ws://", "wss://")):
            raise ConfigError(
                "websocket", "invalid_config", f"url={config.url!r} must begin with ws:// or wss://"
            )
        self._config = config
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
            ConnectError: ``connection_failed`` or ``connection_timeout``, naming the URL's host.
            BackendError: what the server refused the call for.
        """
        self._require_open("connect")
        async with self._connecting:
            if self._socket is not None:
                return
            try:
                async with asyncio.timeout(self._config.connect_timeout):
                    socket = await websockets.connect(
                        self._config.url,
                        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
                        compression=None,
                        max_size=2**20,
                    )
                    await socket.send(json.dumps(self._start_message()))
                    self._on_first(json.loads(await socket.recv()))
            except TimeoutError as error:
                raise ConnectError(
                    "websocket", "connection_timeout", f"no answer in {self._config.connect_timeout:g} s"
                ) from error
            except (OSError, websockets.WebSocketException, ValueError) as error:
                raise ConnectError("websocket", "connection_failed", f"websocket: {error}") from error
            self._socket = socket

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """The agent's audio until the server hangs up; its JSON messages go to the control handler."""
        await self.connect()
        assert self._socket is not None
        try:
            async for message in self._socket:
                if isinstance(message, bytes):
                    yield AudioFrame(message, self._remote_rate)
                elif self._handler is not None:
                    self._handler(json.loads(message))
        except websockets.ConnectionClosed:
            return

    async def send(self, frame: AudioFrame) -> None:
        """Sends a frame of the user's audio."""
        await self._send(frame.data)

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
        if self._socket is not None:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_CLOSE_DEADLINE):
                    await self._socket.close()

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

    def _on_first(self, message: dict[str, Any]) -> None:
        if message.get("type") == "error":
            raise BackendError("websocket", str(message.get("code")), str(message.get("message")))
        self.session_id = str(message.get("session_id", ""))
        self._remote_rate = int(message.get("output_sample_rate", self._remote_rate))

    async def _send(self, message: str | bytes) -> None:
        await self.connect()
        assert self._socket is not None
        try:
            async with asyncio.timeout(_SEND_DEADLINE):
                await self._socket.send(message)
        except (TimeoutError, websockets.ConnectionClosed) as error:
            raise ConnectError("send", "connection_failed", "websocket: the server is gone") from error

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "websocket: the transport is closed")


def create(config: TransportConfig) -> WebSocketTransport:
    """Makes a transport that calls ``config.url``."""
    return WebSocketTransport(config)
