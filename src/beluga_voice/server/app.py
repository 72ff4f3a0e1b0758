"""The server as an ASGI application: a page, WebRTC signalling, a WebSocket and health, mountable anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from beluga_voice.backends.base import Backend
from beluga_voice.config import SessionConfig, TransportConfig
from beluga_voice.errors import BackendError, ConnectError, FormatError
from beluga_voice.interfaces import Transport
from beluga_voice.registry import registry_for
from beluga_voice.server.door import SecurityHeaders, as_backend_error, check_origin, deny, refusal
from beluga_voice.server.limits import Gate, Limits
from beluga_voice.session.session import Session
from beluga_voice.transports.websocket import SUBPROTOCOL, WebSocketServerTransport

if TYPE_CHECKING:
    from beluga_voice.server.livekit import LiveKitDoor

__all__ = ["SessionFactory", "VoiceServer", "create_app"]

log = logging.getLogger(__name__)

SessionFactory = Callable[[Transport | None, str, Mapping[str, Any]], SessionConfig]
"""Makes a session's configuration from its transport (None where the backend makes it), the client's token and
metadata."""

_STATIC = Path(__file__).parent / "static"
_SHUTDOWN_DEADLINE = 4.0


class VoiceServer:
    """The conversations of one application.

    Args:
        backend: makes sessions; started with the application and stopped with it.
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
        self.livekit: LiveKitDoor | None = None
        if backend.name == "livekit":
            from beluga_voice.server.livekit import LiveKitDoor

            self.livekit = LiveKitDoor(cast("Any", backend), lambda wishes: self._begin(None, wishes))

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
                "output_sample_rate": WebSocketServerTransport.output_sample_rate,
                **self._ice,
                **(self.livekit.page_settings if self.livekit is not None else {}),
            }
        )

    async def healthz(self, _: Request) -> Response:
        """200 while the backend is healthy or degraded, else 503 with an error object, too."""
        health = await self.backend.health_check()
        body = {
            "status": health.status,
            "details": dict(health.details),
            "connections": self.gate.connections,
        }
        if health.status != "unhealthy":
            return JSONResponse(body)
        message = f"the backend is not healthy: {health.details.get('reason', 'no reason is known')}"
        return refusal(ConnectError("health", "connection_failed", message), body, 503)

    async def readyz(self, _: Request) -> Response:
        """200 while a new conversation would be accepted, else 503 with the error it would meet."""
        full = self.gate.full()
        return JSONResponse({"ready": True}) if full is None else refusal(full, {"ready": False})

    # --- conversations ------------------------------------------------------------------------------------

    async def offer(self, request: Request) -> Response:
        """Takes a WebRTC offer and begins a conversation."""
        try:
            self._enter(request)
        except BackendError as error:
            return refusal(error)
        try:
            session, transport, sdp = await self._answer(request)
        except Exception as error:  # the application's session_config may fail in any way
            self.gate.leave()
            return refusal(as_backend_error(error))
        except BaseException:
            self.gate.leave()
            raise
        self._hold(self._run(session, transport), session)
        return JSONResponse({"sdp": sdp, "type": "answer", "session_id": session.id})

    async def join_livekit(self, request: Request) -> Response:
        """Makes a LiveKit room with an agent in it and tells the visitor how to join it."""
        door = self.livekit
        assert door is not None
        try:
            self._enter(request)
        except BackendError as error:
            return refusal(error)
        try:
            session, visitor, answer = await door.invite(await self._read_object(request))
        except Exception as error:  # the application's session_config may fail in any way
            self.gate.leave()
            return refusal(as_backend_error(error))
        except BaseException:
            self.gate.leave()
            raise
        self._hold(self._run_livekit(door, session, visitor), session)
        return answer

    def _hold(self, conversation: Coroutine[Any, Any, None], session: Session) -> None:
        task = asyncio.create_task(conversation, name=f"{session.id}:server")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_livekit(self, door: LiveKitDoor, session: Session, visitor: str) -> None:
        try:
            await door.run(session, visitor)
        except BackendError as error:
            log.warning("session %s did not start: %s", session.id, error.code)
        finally:
            self.gate.leave()

    async def _answer(self, request: Request) -> tuple[Session, Any, str]:
        body = await self._read_offer(request)
        settings = TransportConfig(sample_rate=48_000, extra=self._ice)
        transport = registry_for("transport").create("webrtc", settings)
        try:
            sdp: str = await transport.answer(body["sdp"])
            return await self._begin(transport, body), transport, sdp
        except BaseException:
            await transport.close()
            raise

    async def _run(self, session: Session, transport: Any) -> None:
        """A WebRTC conversation; it begins when the browser hears, or the greeting would be lost."""
        try:
            await transport.connected()
            await session.start()
            await session.wait_closed()
        except BackendError as error:
            log.warning("session %s did not start: %s", session.id, error.code)
        finally:
            try:
                await session.stop("transport_lost")
            finally:
                self.gate.leave()

    async def websocket(self, socket: WebSocket) -> None:
        """Holds one conversation over a WebSocket."""
        try:
            self._enter(socket)
        except BackendError as error:
            await deny(socket, error)
            return
        transport = WebSocketServerTransport(
            socket,
            max_text=self.limits.max_text_bytes,
            max_binary=self.limits.max_binary_bytes,
            start_timeout=self.limits.start_timeout,
        )
        session: Session | None = None
        try:
            start = await transport.accept()
            session = await self._begin(transport, start)
            await transport.ready(session.id, session.output_sample_rate)
            await session.start()
            await session.wait_closed()
        except Exception as error:  # the application's session_config may fail in any way
            await transport.refuse(as_backend_error(error))
        finally:
            try:
                if session is not None:
                    await session.stop("transport_lost")
                await transport.close()
            finally:
                self.gate.leave()

    async def _begin(self, transport: Transport | None, wishes: Mapping[str, Any]) -> Session:
        token, metadata = wishes.get("token"), wishes.get("metadata")
        if not isinstance(token, str | None):
            raise FormatError("connect", "invalid_format", '"token" must be a string')
        if not isinstance(metadata, dict | None):
            raise FormatError("connect", "invalid_format", '"metadata" must be an object')
        facts = cast("dict[str, Any]", metadata or {})
        return await self.backend.create_session(self._session_config(transport, token or "", facts))

    # --- the door -----------------------------------------------------------------------------------------

    def _enter(self, connection: HTTPConnection) -> None:
        check_origin(connection, self._origins)
        address = connection.client.host if connection.client else ""
        self.gate.enter(address, asyncio.get_running_loop().time())

    async def _read_offer(self, request: Request) -> dict[str, Any]:
        offer = await self._read_object(request)
        if not isinstance(offer.get("sdp"), str) or offer.get("type", "offer") != "offer":
            raise FormatError("offer", "invalid_format", '"sdp" must be a string and "type" be "offer"')
        return offer

    async def _read_object(self, request: Request) -> dict[str, Any]:
        limit, deadline = self.limits.max_offer_bytes, self.limits.start_timeout
        body = bytearray()
        try:
            async with asyncio.timeout(deadline):
                async for piece in request.stream():
                    body += piece
                    if len(body) > limit:
                        raise FormatError("offer", "invalid_format", f"the body exceeds {limit} bytes")
        except TimeoutError as error:
            raise ConnectError(
                "offer", "connection_timeout", f"the body did not come within {deadline:g} s"
            ) from error
        try:
            value: Any = json.loads(bytes(body))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise FormatError("offer", "invalid_format", "the body must be a JSON object")
        return cast("dict[str, Any]", value)


def create_app(
    backend: Backend,
    session_config: SessionFactory,
    *,
    limits: Limits | None = None,
    allowed_origins: Sequence[str] = (),
    ice_servers: Sequence[Mapping[str, Any]] = (),
    ice_transport_policy: str = "all",
    page: Mapping[str, Any] | None = None,
    static: bool = True,
) -> Starlette:
    """The application. Mounted into another one, its lifespan is not run: start and stop the backend yourself.

    Args:
        backend: makes sessions; started with the application and stopped with it.
        session_config: makes a session's configuration from its transport, the client's token and metadata.
        limits: how many and how fast.
        allowed_origins: web origins besides the server's own that may connect; ``*`` for all.
        ice_servers: STUN and TURN servers, told to browsers and used here.
        ice_transport_policy: ``all`` or ``relay``.
        page: what the page shows: ``agent`` (name, description), ``suggestions``.
        static: serve the page.
    """
    server = VoiceServer(
        backend,
        session_config,
        limits=limits,
        allowed_origins=allowed_origins,
        ice_servers=ice_servers,
        ice_transport_policy=ice_transport_policy,
        page=page,
    )
    routes: list[Any] = [
        Route("/config.json", server.config),
        Route("/rtc/offer", server.offer, methods=["POST"]),
        Route("/healthz", server.healthz),
        Route("/readyz", server.readyz),
        WebSocketRoute("/ws", server.websocket),
    ]
    if server.livekit is not None:
        routes += server.livekit.routes(server.join_livekit)
    if static:
        routes += [Route("/", server.index), Mount("/", StaticFiles(directory=_STATIC))]
    app = Starlette(routes=routes, lifespan=server.lifespan)
    app.state.voice = server
    app.add_middleware(
        SecurityHeaders, connect=server.livekit.connect_sources if server.livekit is not None else ()
    )
    return app
