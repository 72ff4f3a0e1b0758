"""The door that webhooks come in by, for any Starlette or FastAPI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from beluga_voice.errors import AuthError, BackendError, FormatError
from beluga_voice.livekit.webhook_events import WebhookEvent
from beluga_voice.livekit.webhooks import WebhookReceiver

__all__ = ["livekit_webhook_endpoint"]

log = logging.getLogger(__name__)

Handler = Callable[[WebhookEvent], Awaitable[None]]


def livekit_webhook_endpoint(
    receiver: WebhookReceiver,
    handler: Handler,
    *,
    max_bytes: int = 1024 * 1024,
    body_timeout: float = 10.0,
    handler_timeout: float = 10.0,
    now: Callable[[], float] = time.time,
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for ``starlette.routing.Route(path, endpoint, methods=["POST"])``.

    It answers 200 when the event is genuine, 401 when it is not or was here before, 413 when the body is too long and
    400 when it is no event or does not arrive in time. The server sends the events of a room one after another and
    waits for each answer, so a handler sees them in order and one at a time for each room.

    Args:
        receiver: decides what is genuine.
        handler: is given each event once. What it raises is logged and the answer is still 200: the server would
            only send what failed again. Past ``handler_timeout`` it is cancelled.
        max_bytes: of a body.
        body_timeout: seconds for the body to arrive.
        handler_timeout: seconds for the handler.
        now: Unix seconds.
    """
    abandoned: set[asyncio.Task[None]] = set()

    async def endpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(body_timeout):
                body = await _body(request, max_bytes)
        except TimeoutError:
            return _answer(400, "invalid_format", f"the body did not arrive in {body_timeout:g} s")
        except ClientDisconnect:
            return _answer(400, "invalid_format", "the body did not arrive")
        if body is None:
            return _answer(413, "invalid_format", f"the body has more than {max_bytes} bytes")
        try:
            event = receiver.receive(body, request.headers.get("authorization", ""), now())
        except (AuthError, FormatError) as error:
            log.warning("%s", error.message)
            return _answer(401 if isinstance(error, AuthError) else 400, error.code, error.message)
        task = asyncio.create_task(_handle(handler, event), name=f"livekit-webhook-{event.name}")
        try:
            done, _ = await asyncio.wait([task], timeout=handler_timeout)
            if not done:
                log.error("the handler of %s did not end in %g s", event.name, handler_timeout)
        finally:
            if not task.done():
                task.cancel()
                abandoned.add(task)
                task.add_done_callback(abandoned.discard)
        return JSONResponse({})

    return endpoint


async def _handle(handler: Handler, event: WebhookEvent) -> None:
    try:
        await handler(event)
    except Exception as error:
        # An error of ours says where it comes from; of anything else the traceback is wanted.
        known = isinstance(error, BackendError)
        log.error("the handler of %s failed: %s", event.name, error, exc_info=None if known else error)


async def _body(request: Request, limit: int) -> bytes | None:
    """The raw body, or None as soon as it is too long."""
    with contextlib.suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > limit:
            return None
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > limit:
            return None
    return bytes(parts)


def _answer(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
