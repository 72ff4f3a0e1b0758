"""The server's door to LiveKit: a room with an agent in it, a token for the visitor, and LiveKit's client library."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from beluga_voice import events as ev
from beluga_voice.backends.livekit import LiveKitBackend
from beluga_voice.errors import BackendError
from beluga_voice.server.door import refusal
from beluga_voice.server.livekit_client import find_livekit_client
from beluga_voice.session.session import Session

__all__ = ["LiveKitDoor"]

CLIENT_PATH = "livekit-client.mjs"
_VISITOR_DEADLINE = 20.0
_TOKEN_SECONDS = 600.0


class LiveKitDoor:
    """``POST /livekit/join`` and the client library.

    Args:
        backend: joins rooms.
        begin: makes a session from a client's wishes (token, metadata); its room is in the metadata.
    """

    def __init__(
        self, backend: LiveKitBackend, begin: Callable[[Mapping[str, Any]], Awaitable[Session]]
    ) -> None:
        self._backend = backend
        self._begin = begin

    @property
    def page_settings(self) -> dict[str, Any]:
        """What the page is told."""
        return {"livekit": {"client": CLIENT_PATH}}

    @property
    def connect_sources(self) -> tuple[str, ...]:
        """Where the page may connect to besides here, for its content security policy."""
        url = self._backend.client_url
        scheme, _, rest = url.partition("://")
        host = rest.partition("/")[0]
        secure = scheme in ("wss", "https")
        return (f"{'wss' if secure else 'ws'}://{host}", f"{'https' if secure else 'http'}://{host}")

    def routes(self, join: Callable[[Request], Awaitable[Response]]) -> list[Route]:
        """``join`` is the door's own, behind the application's limits."""
        return [Route("/livekit/join", join, methods=["POST"]), Route(f"/{CLIENT_PATH}", self.client)]

    async def client(self, _: Request) -> Response:
        """LiveKit's browser library."""
        try:
            return FileResponse(await find_livekit_client(), media_type="text/javascript")
        except BackendError as error:
            return refusal(error)

    async def invite(self, wishes: Mapping[str, Any]) -> tuple[Session, str, Response]:
        """Makes a room and a session in it: the session, the visitor's identity, and what the visitor is told."""
        room, visitor = f"beluga-{uuid.uuid4().hex[:12]}", f"visitor-{uuid.uuid4().hex[:8]}"
        token = self._backend.join_token(room, visitor, name="Visitor", ttl=_TOKEN_SECONDS)
        metadata = {**cast("Mapping[str, Any]", wishes.get("metadata") or {}), "room": room}
        session = await self._begin({**wishes, "metadata": metadata})
        answer = {
            "url": self._backend.client_url,
            "token": token,
            "room": room,
            "identity": visitor,
            "session_id": session.id,
        }
        return session, visitor, JSONResponse(answer)

    async def run(self, session: Session, visitor: str) -> None:
        """Holds the conversation: it begins when the visitor is in the room and ends when they have left it."""
        transport = cast("Any", session.transport)
        try:
            await transport.wait_for_participant(visitor, timeout=_VISITOR_DEADLINE)
            await session.start()
            async for event in session.events():
                if (
                    isinstance(event, ev.ParticipantEvent)
                    and event.identity == visitor
                    and event.phase == "left"
                ):
                    await session.stop("participant_left")
            await session.wait_closed()
        finally:
            await asyncio.shield(session.stop("transport_lost"))
