"""One way to call the server: a shared connection, a deadline, and errors with our codes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
from google.protobuf.message import DecodeError

from beluga_voice.errors import BackendError, ConfigError, ConnectError, error_for_code
from beluga_voice.livekit.sdk import api
from beluga_voice.livekit.tokens import ApiKey

__all__ = ["Calls"]

T = TypeVar("T")

_CODES = {
    "invalid_argument": "invalid_config",
    "malformed": "invalid_config",
    "out_of_range": "invalid_config",
    "already_exists": "invalid_config",
    "failed_precondition": "invalid_config",
    "unimplemented": "invalid_config",
    "not_found": "not_found",
    "unauthenticated": "authentication_failed",
    "permission_denied": "authorization_failed",
    "resource_exhausted": "rate_limit_exceeded",
    "deadline_exceeded": "connection_timeout",
    "canceled": "context_canceled",
}
_STATUS = {401: "authentication_failed", 403: "authorization_failed", 429: "rate_limit_exceeded"}
# SIP answers after which the same call may go through later (RFC 3261, section 21).
_CALL_AGAIN = frozenset({408, 480, 486, 600})
_NOBODY = "no response from servers"


class Calls:
    """Calls one server; holds one HTTP session for all of its services.

    Args:
        url: ``ws://``, ``wss://``, ``http://`` or ``https://``.
        key: signs a token with just the grants a call needs; None if ``token`` is given.
        token: sent as it is.
        timeout: seconds for a call, retries on other regions of LiveKit Cloud included.

    Raises:
        ConfigError: ``invalid_config`` if the URL is none of these.
    """

    def __init__(self, url: str, key: ApiKey | None, token: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
            raise ConfigError(
                "livekit_api",
                "invalid_config",
                f"livekit: url={url!r} is no LiveKit address; write wss://HOST or ws://HOST:PORT, or set LIVEKIT_URL",
            )
        self._url, self._key, self._token, self._timeout = url, key, token, timeout
        self.peer = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        self._session: aiohttp.ClientSession | None = None
        self._sdk: api.LiveKitAPI | None = None
        self._closed = False

    @property
    def signs(self) -> bool:
        """Whether it has a key and makes tokens as they are needed."""
        return self._key is not None

    async def call(
        self,
        op: str,
        make: Callable[[api.LiveKitAPI], Awaitable[T]],
        *,
        room: str = "",
        identity: str = "",
        timeout: float | None = None,
    ) -> T:
        """What ``make`` answers.

        Args:
            op: for messages: ``livekit_create_room`` …
            make: calls one method of the SDK.
            room: the room it is about; if nobody answers, it is looked whether there is one.
            identity: the participant it is about, likewise.
            timeout: seconds, instead of the usual.

        Raises:
            BackendError: with one of our codes; ``details`` has ``status``, and of a phone call ``sip_status_code``.
        """
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                try:
                    return await make(self._connected(op))
                except api.ServerError as error:
                    missing = await self._missing(op, room, identity) if _NOBODY in error.message else None
                    raise missing or self._translated(op, error) from error
        except TimeoutError as error:
            raise ConnectError(
                op,
                "connection_timeout",
                f"livekit: {self.peer} did not answer in {seconds:g} s",
                {"peer": self.peer},
            ) from error
        except DecodeError as error:
            raise ConfigError(op, "invalid_config", f"livekit: {self.peer} is no LiveKit server") from error
        except aiohttp.ClientError as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise ConnectError(
                op,
                "connection_failed",
                f"livekit: {self.peer} cannot be reached ({why}); is the server running and the URL right?",
                {"peer": self.peer},
            ) from error

    async def close(self) -> None:
        """Closes the connection; idempotent. Further calls are errors."""
        self._closed = True
        session, self._session, self._sdk = self._session, None, None
        if session is not None:
            await session.close()

    def _connected(self, op: str) -> api.LiveKitAPI:
        if self._closed:
            raise ConnectError(op, "connection_failed", "livekit: the client is closed", retryable=False)
        if self._sdk is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
            key, secret = (self._key.key, self._key.secret) if self._key else ("", "")
            self._sdk = api.LiveKitAPI(
                self._url, key, secret, token=self._token or None, session=self._session
            )
        return self._sdk

    async def _missing(self, op: str, room: str, identity: str) -> BackendError | None:
        """``not_found`` if it is so: of what the server does not have, it only says that nobody responds."""
        if not room:
            return None
        sdk = self._connected(op)
        try:
            if not (await sdk.room.list_rooms(api.ListRoomsRequest(names=[room]))).rooms:
                return error_for_code(op, "not_found", f"livekit: there is no room {room!r}", peer=self.peer)
            if identity:
                await sdk.room.get_participant(api.RoomParticipantIdentity(room=room, identity=identity))
        except api.ServerError as error:
            return self._translated(op, error) if error.code == "not_found" else None
        return None

    def _translated(self, op: str, error: api.ServerError) -> BackendError:
        code, message = self._meaning(error)
        details = {"peer": self.peer, "status": error.status}
        if isinstance(error, api.SipCallError):
            details |= {"sip_status_code": error.sip_status_code, "sip_status": error.sip_status}
        translated = error_for_code(op, code, f"livekit: {message}", **details)
        if isinstance(error, api.SipCallError) and error.sip_status_code:
            number = error.sip_status_code
            translated.retryable = number in _CALL_AGAIN or 500 <= number < 600
        return translated

    def _meaning(self, error: api.ServerError) -> tuple[str, str]:
        """Our code and what to say of it; nothing the server says of a token is repeated, for it quotes it."""
        said = error.message.removeprefix("twirp error unknown: ")
        if isinstance(error, api.SipCallError):
            return (
                "connection_failed",
                f"the call failed: {error.sip_status or said} ({error.sip_status_code})",
            )
        if said == "permissions denied" or error.code == "permission_denied":
            return "authorization_failed", f"{self.peer} refused: the token lacks the grant for this"
        if error.status in (401, 403):
            what = (
                "the API key or secret is wrong" if self.signs else "the token is expired or of another key"
            )
            return _STATUS[error.status], f"{self.peer} refused the call: {what}"
        if "redis required" in said:
            return (
                "invalid_config",
                f"{self.peer} has no Redis, which SIP needs; configure redis in the server",
            )
        if error.code == "unknown" and error.status == 404:
            return "invalid_config", f"{self.peer} has no LiveKit API; is the URL that of a LiveKit server?"
        code = _CODES.get(error.code) or _STATUS.get(error.status, "connection_failed")
        return code, said or f"{self.peer} answered with status {error.status}"
