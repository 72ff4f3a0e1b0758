"""Audio over a WebSocket: binary messages are PCM, text messages are JSON (docs/protocol.md).

`WebSocketServerTransport` is the side that answers (Starlette); `WebSocketTransport`, the side that calls, is in
`beluga_voice.transports.websocket_client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from beluga_voice.config import TransportConfig
from beluga_voice.errors import AuthError, BackendError, CapacityError, ConnectError, FormatError
from beluga_voice.frames import AudioFrame
from beluga_voice.transports.websocket_client import WebSocketTransport
from beluga_voice.transports.websocket_messages import (
    SUBPROTOCOL,
    parse_control,
    parse_in_call,
    parse_start,
)

__all__ = ["SUBPROTOCOL", "WebSocketServerTransport", "WebSocketTransport", "create"]

# A client that does not read for this long is gone.
_SEND_DEADLINE = 5.0
_CLOSE_DEADLINE = 1.0
# A client may send this many malformed messages before it is hung up on.
_MAX_MISTAKES = 20
_DEFAULT_DELAY = 0.1
# From our socket to the client's buffer, which the client cannot see.
_PATH_DELAY = 0.02
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
    output_lead = 0.02  # the client has a buffer of its own

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
        message = parse_in_call(text, self._max_text)
        if message["type"] == "playback":
            self.output_delay = min(_MAX_DELAY, message["buffered"] + _PATH_DELAY)
        elif self._handler is not None:
            self._handler(message)

    async def _tell_error(self, error: BackendError) -> None:
        told = {"type": "error", "code": error.code, "message": error.message, "stage": "transport"}
        if "retry_after" in error.details:
            told["retry_after"] = error.details["retry_after"]
        with contextlib.suppress(ConnectError):
            await self.send_event(told)

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


def create(config: TransportConfig) -> WebSocketTransport:
    """Makes a transport that calls ``config.url``."""
    return WebSocketTransport(config)
