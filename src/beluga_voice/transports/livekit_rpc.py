"""Remote procedure calls between the agent and others in a LiveKit room, both ways.

https://docs.livekit.io/home/client/data/rpc/ (payloads and answers are text of at most 15 KiB).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from livekit import rtc

from beluga_voice.errors import AgentError, BackendError, ConfigError, ConnectError
from beluga_voice.transports.livekit_feature import Tell

__all__ = ["MAX_PAYLOAD", "Rpc", "RpcHandler"]

log = logging.getLogger(__name__)

MAX_PAYLOAD = 15 * 1024
RpcHandler = Callable[[str, str], Awaitable[str]]
"""Takes the payload and the caller's identity, gives the answer."""

_Code = rtc.RpcError.ErrorCode


class Rpc:
    """A `RoomFeature`; methods stay registered when the room has to be joined afresh."""

    def __init__(self) -> None:
        self._room: rtc.Room | None = None
        self._handlers: dict[str, RpcHandler] = {}

    def attach(self, room: rtc.Room, tell: Tell) -> None:
        """Answers calls from ``room`` from now on."""
        del tell
        self._room = room
        for method in self._handlers:
            self._offer(room, method)

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Answers no more."""
        self._room = None

    def register(self, method: str, handler: RpcHandler) -> None:
        """Answers ``method`` with ``await handler(payload, caller_identity)``.

        A `BackendError` it raises is told to the caller with its message; any other error only by its type.

        Raises:
            ConfigError: ``invalid_config`` for an empty name or one that is taken.
        """
        if not method or method in self._handlers:
            raise ConfigError(
                "register_rpc", "invalid_config", f"livekit: RPC method {method!r} is empty or taken"
            )
        self._handlers[method] = handler
        if self._room is not None:
            self._offer(self._room, method)

    def unregister(self, method: str) -> None:
        """Answers ``method`` no more; unknown names are fine."""
        if self._handlers.pop(method, None) is not None and self._room is not None:
            self._room.local_participant.unregister_rpc_method(method)

    async def call(self, identity: str, method: str, payload: str = "", *, timeout: float = 10.0) -> str:
        """Calls ``method`` of a participant and returns the answer.

        Raises:
            ConnectError: ``connection_failed`` (nobody of that identity, or the room is not joined),
                ``connection_timeout``.
            ConfigError: ``invalid_config`` if it has no such method or the payload is over 15 KiB.
            AgentError: ``agent_error`` if the other side failed.
        """
        if len(payload.encode()) > MAX_PAYLOAD:
            raise ConfigError(
                "call_rpc", "invalid_config", f"livekit: the payload is over {MAX_PAYLOAD} bytes"
            )
        room = self._room
        if room is None or not room.isconnected():
            raise ConnectError("call_rpc", "connection_failed", "livekit: the room is not joined")
        if identity not in room.remote_participants:  # the server would only let the call time out
            raise _coded(identity, method, _Code.RECIPIENT_NOT_FOUND, "")
        try:
            async with asyncio.timeout(timeout + 1.0):
                return await room.local_participant.perform_rpc(
                    destination_identity=identity, method=method, payload=payload, response_timeout=timeout
                )
        except TimeoutError as error:
            raise _coded(identity, method, _Code.RESPONSE_TIMEOUT, "") from error
        except rtc.RpcError as error:
            raise _coded(identity, method, error.code, error.message) from error

    def _offer(self, room: rtc.Room, method: str) -> None:
        handler = self._handlers[method]

        async def answer(call: rtc.RpcInvocationData) -> str:
            try:
                return await handler(call.payload, call.caller_identity)
            except rtc.RpcError:
                raise
            except BackendError as error:
                raise rtc.RpcError(_Code.APPLICATION_ERROR, error.message) from error
            except Exception as error:
                log.exception("livekit: RPC method %s failed", method)
                raise rtc.RpcError(
                    _Code.APPLICATION_ERROR, f"{method} failed: {type(error).__name__}"
                ) from error

        room.local_participant.register_rpc_method(method, answer)


def _coded(identity: str, method: str, code: int, message: str) -> BackendError:
    where = f"livekit: RPC {method!r} of {identity!r}"
    match code:
        case _Code.RESPONSE_TIMEOUT | _Code.CONNECTION_TIMEOUT:
            return ConnectError("call_rpc", "connection_timeout", f"{where} did not answer in time")
        case _Code.RECIPIENT_NOT_FOUND | _Code.RECIPIENT_DISCONNECTED:
            return ConnectError(
                "call_rpc", "connection_failed", f"{where}: nobody of that identity is in the room"
            )
        case _Code.UNSUPPORTED_METHOD | _Code.REQUEST_PAYLOAD_TOO_LARGE | _Code.UNSUPPORTED_SERVER:
            return ConfigError("call_rpc", "invalid_config", f"{where}: {message or 'not supported'}")
        case _:
            return AgentError("call_rpc", "agent_error", f"{where} failed: {message}")
