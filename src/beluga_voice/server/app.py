"""The server as an ASGI application: a page, WebRTC signalling, a WebSocket and health, mountable anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from beluga_voice.backends.base import Backend
from beluga_voice.config import SessionConfig, TransportConfig
from beluga_voice.errors import AuthError, BackendError, CapacityError, ConfigError, ConnectError, FormatError
from beluga_voice.interfaces import Transport
from beluga_voice.registry import registry_for
from beluga_voice.server.limits import Gate, Limits
from beluga_voice.session.session import Session
from beluga_voice.transports.websocket import SUBPROTOCOL, WebSocketServerTransport

__all__ = ["SessionFactory", "VoiceServer", "create_app"]

log = logging.getLogger(__name__)

SessionFactory = Callable[[Transport, str, Mapping[str, Any]], SessionConfig]

_STATIC = Path(__file__).parent / "static"
_SHUTDOWN_DEADLINE = 4.0
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; media-src 'self' blob:; base-uri 'none'",
    ),
    (b"permissions-policy", b"microphone=(self)"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_STATUS = {AuthError: 401, CapacityError: 503, FormatError: 400, ConfigError: 400, ConnectError: 502}


class VoiceServer:
    """The conversations of one application.

    Args:
        backend: makes sessions; started and stopped with the application unless it already runs.
        session_config: makes a session's configuration from its transport, the client's token and metadata.
        limits: how many and how fast.
        allowed_origins: web origins besides the server's own that may connect; ``*`` for all.
        ice_servers: STUN and TURN servers, told to browsers and used here.
        ice_transport_policy: ``all`` or ``relay``.
        page: what the page shows: ``agent`` (name, description), ``suggestions``.
    """

    def __init__(
        self,
        backend: Backend,
        session_config: SessionFactory,
        *,
        limits: Limits | None = None,
        allowed_origins: Sequence[str] = (),
        ice_servers: Sequence[Mapping[str, Any]] = (),
        ice_transport_policy: str = "all",
        page: Mapping[str, Any] | None = None,
    ) -> None:
        self.backend = backend
        self.limits = limits or Limits()
        self.gate = Gate(self.limits)
        self._session_config = session_config
        self._origins = frozenset(allowed_origins)
        self._ice = {
            "ice_servers": [dict(s) for s in ice_servers],
            "ice_transport_policy": ice_transport_policy,
        }
        self._page = dict(page or {})
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        """Starts the backend, and at the end stops all conversations."""
        await self.backend.start()
        try:
            yield
        finally:
            await self.backend.stop()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_SHUTDOWN_DEADLINE)

    async def stop_sessions(self) -> None:
        """Ends all conversations, each client being told; new ones are refused from now on."""
        self.gate.close()
        stops = [asyncio.create_task(s.stop("server_stopped")) for s in self.backend.list_sessions()]
        if stops:
            await asyncio.wait(stops, timeout=_SHUTDOWN_DEADLINE)

    # --- pages --------------------------------------------------------------------------------------------

    async def index(self, _: Request) -> Response:
        """The page."""
        return FileResponse(_STATIC / "index.html")

    async def config(self, _: Request) -> Response:
        """What the page needs to know."""
        return JSONResponse(
            {
                "agent": {"name": "Voice agent", "description": ""},
                "suggestions": [],
                **self._page,
                "webrtc": find_spec("aiortc") is not None,
                "websocket": {"subprotocol": SUBPROTOCOL},
                **self._ice,
            }
        )

    async def healthz(self, _: Request) -> Response:
        """200 while the backend is healthy or degraded, else 503."""
        health = await self.backend.health_check()
        body = {
            "status": health.status,
            "details": dict(health.details),
            "connections": self.gate.connections,
        }
        return JSONResponse(body, 503 if health.status == "unhealthy" else 200)

    async def readyz(self, _: Request) -> Response:
        """200 while a new conversation would be accepted, else 503."""
        full = self.gate.connections >= self.limits.max_connections
        return JSONResponse({"ready": not full}, 503 if full else 200)

    # --- conversations ------------------------------------------------------------------------------------

    async def offer(self, request: Request) -> Response:
        """Takes a WebRTC offer and begins a conversation."""
        try:
            self._check_origin(request)
            body = await self._read_json(request)
            self._enter(request)
        except BackendError as error:
            return _refusal(error)
        try:
            settings = TransportConfig(sample_rate=48_000, extra=self._ice)
            transport = registry_for("transport").create("webrtc", settings)
            try:
                sdp = await transport.answer(str(body.get("sdp", "")))
                session = await self._begin(transport, str(body.get("token") or ""), body.get("metadata"))
            except BaseException:
                await transport.close()
                raise
        except BackendError as error:
            self.gate.leave()
            return _refusal(error)
        except BaseException:
            self.gate.leave()
            raise
        self._follow(session)
        return JSONResponse({"sdp": sdp, "type": "answer", "session_id": session.id})

    async def websocket(self, socket: WebSocket) -> None:
        """Holds one conversation over a WebSocket."""
        try:
            self._check_origin(socket)
            self._enter(socket)
        except BackendError as error:
            await _deny(socket, error)
            return
        transport = WebSocketServerTransport(
            socket,
            max_text=self.limits.max_text_bytes,
            max_binary=self.limits.max_binary_bytes,
            start_timeout=self.limits.start_timeout,
        )
        try:
            start = await transport.accept()
            session = await self._begin(transport, str(start.get("token") or ""), start.get("metadata"))
            await transport.ready(session.id, session.output_sample_rate)
            await session.start()
            await session.wait_closed()
        except BackendError as error:
            await transport.refuse(error)
        finally:
            await transport.close()
            self.gate.leave()

    async def _begin(self, transport: Transport, token: str, metadata: Any) -> Session:
        facts = cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else {}
        return await self.backend.create_session(self._session_config(transport, token, facts))

    def _follow(self, session: Session) -> None:
        task = asyncio.create_task(self._run(session), name=f"{session.id}:server")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, session: Session) -> None:
        try:
            await session.start()
            await session.wait_closed()
        except BackendError as error:
            log.warning("session %s did not start: %s", session.id, error.code)
        finally:
            self.gate.leave()

    # --- the door -----------------------------------------------------------------------------------------

    def _enter(self, connection: HTTPConnection) -> None:
        address = connection.client.host if connection.client else ""
        if not self.gate.enter(address, asyncio.get_running_loop().time()):
            raise CapacityError(
                "connect",
                "session_limit_exceeded",
                f"all {self.limits.max_connections} lines are busy, or you call too often; try again later",
                {"retry_after": self.limits.retry_after},
            )

    def _check_origin(self, connection: HTTPConnection) -> None:
        """A browser names the page's origin; only ours and the allowed ones may use a visitor's microphone."""
        origin = connection.headers.get("origin")
        if origin is None or "*" in self._origins or origin in self._origins:
            return
        if urlsplit(origin).netloc == connection.headers.get("host"):
            return
        raise AuthError(
            "connect",
            "authorization_failed",
            f"origin {origin[:100]!r} is not allowed; add it to allowed_origins",
        )

    async def _read_json(self, request: Request) -> dict[str, Any]:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > self.limits.max_offer_bytes:
                raise FormatError(
                    "offer", "invalid_format", f"the body exceeds {self.limits.max_offer_bytes} bytes"
                )
        try:
            value: Any = json.loads(bytes(body))
        except (ValueError, RecursionError) as error:
            raise FormatError(
                "offer", "invalid_format", "the body must be a JSON object with sdp and type"
            ) from error
        if not isinstance(value, dict) or "sdp" not in value:
            raise FormatError("offer", "invalid_format", "the body must be a JSON object with sdp and type")
        return cast("dict[str, Any]", value)


def create_app(
    backend: Backend,
    session_config: SessionFactory,
    *,
    static: bool = True,
    **options: Any,
) -> Starlette:
    """The application.

    Args:
        backend: makes sessions.
        session_config: makes a session's configuration from its transport, the client's token and metadata.
        static: serve the page.
        options: as `VoiceServer` takes them.
    """
    server = VoiceServer(backend, session_config, **options)
    routes: list[Any] = [
        Route("/config.json", server.config),
        Route("/rtc/offer", server.offer, methods=["POST"]),
        Route("/healthz", server.healthz),
        Route("/readyz", server.readyz),
        WebSocketRoute("/ws", server.websocket),
    ]
    if static:
        routes += [Route("/", server.index), Mount("/", StaticFiles(directory=_STATIC))]
    app = Starlette(routes=routes, lifespan=server.lifespan)
    app.state.voice = server
    app.add_middleware(_Headers)
    return app


class _Headers:
    """Security headers on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def _refusal(error: BackendError) -> Response:
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
    if error.code == "authorization_failed":
        status = 403
    headers = (
        {"retry-after": str(int(error.details["retry_after"]))} if "retry_after" in error.details else {}
    )
    return JSONResponse({"error": {"code": error.code, "message": error.message}}, status, headers=headers)


async def _deny(socket: WebSocket, error: BackendError) -> None:
    """Refuses before the upgrade where the server can (an HTTP status), which costs neither side a connection."""
    with contextlib.suppress(RuntimeError):
        await socket.send_denial_response(_refusal(error))
        return
    await socket.close(1013)
