"""Joins a LiveKit room, and says in the library's words why it could not."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from livekit import rtc

from beluga_voice.errors import AuthError, BackendError, ConfigError, ConnectError
from beluga_voice.transports.livekit_settings import Credentials

__all__ = ["connect_error", "join", "leave"]

log = logging.getLogger(__name__)

_LEAVE_DEADLINE = 1.5
# A server's refusal quotes the token.
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


async def join(room: rtc.Room, credentials: Credentials, timeout: float, ready: Callable[[], None]) -> None:
    """Connects ``room`` within ``timeout`` seconds; tracks are subscribed to one by one.

    ``ready`` is called before the SDK tells anything that happens in the room.

    Raises:
        AuthError: ``authentication_failed`` if the server refuses the token.
        ConnectError: ``connection_failed`` or ``connection_timeout``.
    """
    abandoned = False

    async def connect() -> None:
        options = rtc.RoomOptions(auto_subscribe=False, connect_timeout=timeout)
        await room.connect(credentials.url, credentials.token(), options)
        if not abandoned:
            ready()

    connecting = asyncio.create_task(connect(), name="livekit-connect")
    try:
        # The SDK cannot be told to give up: cancelling it would leave a participant behind if it succeeds later.
        done, _ = await asyncio.wait([connecting], timeout=timeout)
    except asyncio.CancelledError:
        abandoned = True
        _abandon(connecting, room)
        raise
    if not done:
        abandoned = True
        _abandon(connecting, room)
        raise ConnectError(
            "livekit_connect",
            "connection_timeout",
            f"livekit: {credentials.peer} did not answer in {timeout:g} s; check that a LiveKit server runs there",
            {"peer": credentials.peer},
        )
    try:
        connecting.result()
    except Exception as error:  # the SDK tells everything by one exception and its text
        _forget(room)
        raise connect_error(error, credentials.peer) from error


async def leave(room: rtc.Room) -> None:
    """Leaves ``room``; bounded, and fine if it was left already."""
    try:
        async with asyncio.timeout(_LEAVE_DEADLINE):
            await room.disconnect()
    except TimeoutError:
        log.warning("a LiveKit room was not left in %.1f s and was abandoned", _LEAVE_DEADLINE)


def connect_error(error: Exception, peer: str) -> BackendError:
    """The coded error for what the SDK said; removes tokens from ``error``."""
    text = _JWT.sub("<token>", str(getattr(error, "message", "") or error)).strip()
    if isinstance(error, rtc.ConnectError):
        error.message = text
    error.args = (text,)
    details = {"peer": peer}
    low = text.lower()
    if "401" in low or "403" in low or "unauthorized" in low or "permission" in low:
        return AuthError("livekit_connect", "authentication_failed", _refused(low, peer), details)
    if "parse the url" in low:
        return ConfigError(
            "livekit_connect", "invalid_config", f"livekit: {peer} is no URL of a LiveKit server", details
        )
    if "timed out" in low or "timeout" in low:
        return ConnectError(
            "livekit_connect",
            "connection_timeout",
            f"livekit: {peer} did not answer in time; check that a LiveKit server runs there",
            details,
        )
    return ConnectError(
        "livekit_connect", "connection_failed", f"livekit: could not connect to {peer}: {_why(low)}", details
    )


def _refused(text: str, peer: str) -> str:
    if "expired" in text:
        why = "the token has expired; make a new one"
    elif "invalid api key" in text:
        why = "it does not know the API key of the token; use a key of this server"
    elif "signature" in text:
        why = "the token's signature is wrong; check api_secret, and that the token was copied whole"
    elif "permission" in text:
        why = "the token does not allow joining the room; grant roomJoin for it"
    else:
        why = "the token was refused; check api_key, api_secret and the token"
    return f"livekit: {peer} refused the token: {why}"


def _why(text: str) -> str:
    if "lookup" in text or "dns" in text:
        return "there is no such host; check the URL"
    if "refused" in text:
        return "nothing listens there; check host and port, and that the LiveKit server runs"
    if "404" in text:
        return "no LiveKit server at this path; use the server's root URL"
    if "contenttype" in text or "tls" in text or "certificate" in text:
        return "TLS failed; use ws:// for a server without TLS, or check its certificate"
    if "500" in text or "502" in text or "503" in text or "server error" in text:
        return "the server has a problem of its own; try again later"
    return text[:200]


def _abandon(connecting: asyncio.Task[None], room: rtc.Room) -> None:
    def done(task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            _forget(room)
        else:
            leaving = asyncio.get_running_loop().create_task(leave(room), name="livekit-leave")
            _leaving.add(leaving)
            leaving.add_done_callback(_leaving.discard)

    connecting.add_done_callback(done)


_leaving: set[asyncio.Task[None]] = set()


def _forget(room: rtc.Room) -> None:
    """A room that did not connect stays subscribed to the SDK's events until it is collected, and beyond."""
    queue = getattr(room, "_ffi_queue", None)
    if queue is not None:
        from livekit.rtc._ffi_client import FfiClient

        FfiClient.instance.queue.unsubscribe(queue)
