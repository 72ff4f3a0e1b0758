"""Rooms, people and dispatches on a real LiveKit server, for the tests of the worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from livekit import api, rtc

from beluga_voice.testing.livekit_server import LiveKitServer


async def eventually(condition: Callable[[], Any], timeout: float = 20.0) -> None:
    """Waits until something is true."""
    due = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < due, "it did not become true"
        await asyncio.sleep(0.02)


async def logged(folder: Path, *texts: str) -> str:
    """A line of the server's log (of the fixture ``livekit_server``) that holds all ``texts``, once there is one."""
    lines: list[str] = []

    def found() -> bool:
        log = (folder / "livekit.log").read_text().splitlines()
        lines[:] = [line for line in log if all(text in line for text in texts)]
        return bool(lines)

    await eventually(found)
    return lines[0]


class Rooms:
    """The server's APIs and people in its rooms."""

    def __init__(self, server: LiveKitServer) -> None:
        self._server = server
        self.api = api.LiveKitAPI(server.url, server.api_key, server.api_secret)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.api.aclose()

    async def create(self, name: str, metadata: str = "") -> Any:
        return await self.api.room.create_room(api.CreateRoomRequest(name=name, metadata=metadata))

    async def delete(self, name: str) -> None:
        await self.api.room.delete_room(api.DeleteRoomRequest(room=name))

    async def dispatch(self, room: str, agent: str, metadata: str = "", **fields: Any) -> Any:
        request = api.CreateAgentDispatchRequest(room=room, agent_name=agent, metadata=metadata, **fields)
        return await self.api.agent_dispatch.create_dispatch(request)

    @asynccontextmanager
    async def person(
        self, identity: str, room: str, *, agents: Sequence[tuple[str, str]] = (), publish: bool = False
    ) -> AsyncGenerator[rtc.Room]:
        """Somebody in a room; ``agents`` are dispatched by their token."""
        token = api.AccessToken(self._server.api_key, self._server.api_secret).with_identity(identity)
        token = token.with_grants(api.VideoGrants(room_join=True, room=room))
        if agents:
            dispatches = [api.RoomAgentDispatch(agent_name=name, metadata=data) for name, data in agents]
            token = token.with_room_config(api.RoomConfiguration(agents=dispatches))
        joined = rtc.Room()
        await joined.connect(self._server.url, token.to_jwt())
        source = rtc.AudioSource(48_000, 1)
        try:
            if publish:
                track = rtc.LocalAudioTrack.create_audio_track("mic", source)
                await joined.local_participant.publish_track(track)
            yield joined
        finally:
            await joined.disconnect()
            await source.aclose()
