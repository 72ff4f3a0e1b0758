"""Rooms by the server API."""

from __future__ import annotations

from collections.abc import Sequence

from beluga_voice.errors import ConfigError, SessionError
from beluga_voice.livekit.calls import Calls
from beluga_voice.livekit.records import AgentRequest, RoomInfo, room_info
from beluga_voice.livekit.sdk import api

__all__ = ["Rooms"]


class Rooms:
    """Makes, lists, changes and ends rooms; ``LiveKitApi.rooms``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(
        self,
        name: str,
        *,
        metadata: str = "",
        empty_timeout: float = 300.0,
        departure_timeout: float = 20.0,
        max_participants: int = 0,
        agents: Sequence[str | AgentRequest] = (),
    ) -> RoomInfo:
        """Makes a room, or returns the one that has this name, unchanged.

        Args:
            name: not empty.
            metadata: free text everybody in the room can read.
            empty_timeout: whole seconds until it closes if nobody comes.
            departure_timeout: whole seconds until it closes when the last has left.
            max_participants: 0 is no limit.
            agents: workers to send there, by name.

        Raises:
            BackendError: ``invalid_config``, ``authentication_failed``, ``connection_failed``, ``connection_timeout``.
        """
        if not name:
            raise ConfigError("livekit_create_room", "invalid_config", "livekit: room is required")
        request = api.CreateRoomRequest(
            name=name,
            metadata=metadata,
            empty_timeout=round(empty_timeout),
            departure_timeout=round(departure_timeout),
            max_participants=max_participants,
            agents=[agent_request(agent).message() for agent in agents],
        )
        return room_info(
            await self._calls.call("livekit_create_room", lambda sdk: sdk.room.create_room(request))
        )

    async def list(self, names: Sequence[str] = ()) -> tuple[RoomInfo, ...]:
        """The rooms there are, or those of them that have one of these names."""
        request = api.ListRoomsRequest(names=names)
        found = await self._calls.call("livekit_list_rooms", lambda sdk: sdk.room.list_rooms(request))
        return tuple(room_info(room) for room in found.rooms)

    async def get(self, name: str) -> RoomInfo:
        """One room.

        Raises:
            SessionError: ``not_found``.
        """
        for room in await self.list([name]):
            return room
        raise SessionError("livekit_get_room", "not_found", f"livekit: there is no room {name!r}")

    async def delete(self, name: str) -> bool:
        """Ends a room: everybody in it is disconnected. False if there was none."""
        request = api.DeleteRoomRequest(room=name)
        try:
            await self._calls.call("livekit_delete_room", lambda sdk: sdk.room.delete_room(request))
        except SessionError:
            return False
        return True

    async def update_metadata(self, name: str, metadata: str) -> RoomInfo:
        """Replaces the metadata; everybody in the room is told.

        Raises:
            SessionError: ``not_found``.
        """
        request = api.UpdateRoomMetadataRequest(room=name, metadata=metadata)
        return room_info(
            await self._calls.call(
                "livekit_update_room", lambda sdk: sdk.room.update_room_metadata(request), room=name
            )
        )


def agent_request(agent: str | AgentRequest) -> AgentRequest:
    """An agent by its name alone, or with what belongs to it."""
    return AgentRequest(agent) if isinstance(agent, str) else agent
