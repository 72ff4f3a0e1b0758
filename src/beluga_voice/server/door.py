"""Who may come in, and what those hear who may not."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from beluga_voice.errors import (
    AuthError,
    BackendError,
    CapacityError,
    ConnectError,
    FormatError,
    PipelineError,
)

__all__ = ["SecurityHeaders", "as_backend_error", "check_origin", "deny", "refusal"]

log = logging.getLogger(__name__)

_CSP = (
    "default-src 'self'; connect-src {connect}; img-src 'self' data:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS = (
    (b"permissions-policy", b"microphone=(self)"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_STATUS_OF_CODE = {
    "authorization_failed": 403,
    "connection_timeout": 408,
    "missing_extra": 501,
    "rate_limit_exceeded": 429,
}
_STATUS_OF_KIND = {AuthError: 401, CapacityError: 503, FormatError: 400, ConnectError: 502}


def check_origin(connection: HTTPConnection, allowed: Collection[str]) -> None:
    """A browser names the page's origin; only ours and the allowed ones may use a visitor's microphone.

    Raises:
        AuthError: ``authorization_failed``.
    """
    origin = connection.headers.get("origin")
    if origin is None or "*" in allowed or origin in allowed:
        return
    if urlsplit(origin).netloc == connection.headers.get("host"):
        return
    raise AuthError(
        "connect",
        "authorization_failed",
        f"origin {origin[:100]!r} is not allowed; add it to allowed_origins",
    )


def as_backend_error(error: Exception) -> BackendError:
    """What a client is told of a failure; one that is nobody's intention is logged and named in general only."""
    if isinstance(error, BackendError):
        return error
    if isinstance(error, ClientDisconnect):
        return ConnectError("connect", "connection_failed", "the client left before it was answered")
    log.error("a conversation could not begin", exc_info=error)
    return PipelineError(
        "connect", "pipeline_error", "the server could not begin the conversation; its log says why"
    )


def refusal(error: BackendError, beside: Mapping[str, Any] | None = None, status: int = 0) -> Response:
    """``{"error": {"code", "message"}}``, with other facts ``beside``; its own status unless another is given."""
    status = (
        status
        or _STATUS_OF_CODE.get(error.code)
        or next((status for kind, status in _STATUS_OF_KIND.items() if isinstance(error, kind)), 500)
    )
    headers: dict[str, str] = {}
    if "retry_after" in error.details:
        headers["retry-after"] = str(max(1, round(error.details["retry_after"])))
    body = {**(beside or {}), "error": {"code": error.code, "message": error.message}}
    return JSONResponse(body, status, headers=headers)


async def deny(socket: WebSocket, error: BackendError) -> None:
    """Refuses before the upgrade where the server can (an HTTP status), which costs neither side a connection."""
    with contextlib.suppress(RuntimeError):
        await socket.send_denial_response(refusal(error))
        return
    await socket.close(1013)


class SecurityHeaders:
    """Adds headers to every response that tell browsers to load and send nothing elsewhere.

    Args:
        app: what answers.
        connect: other servers the page may connect to.
    """

    def __init__(self, app: ASGIApp, connect: Sequence[str] = ()) -> None:
        self._app = app
        policy = _CSP.format(connect=" ".join(("'self'", *connect)))
        self._headers = ((b"content-security-policy", policy.encode()), *_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI call."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
