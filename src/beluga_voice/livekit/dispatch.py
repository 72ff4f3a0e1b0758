"""Agents sent to rooms by the server API."""

from __future__ import annotations

from collections.abc import Mapping

from beluga_voice.errors import ConfigError, SessionError
from beluga_voice.livekit.calls import Calls
from beluga_voice.livekit.records import DispatchInfo, dispatch_info
from beluga_voice.livekit.sdk import api

__all__ = ["Dispatches"]


class Dispatches:
    """Sends agents to rooms; ``LiveKitApi.dispatches``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(
        self, room: str, agent_name: str, *, metadata: str = "", attributes: Mapping[str, str] | None = None
    ) -> DispatchInfo:
        """Sends an agent to a room, which is made if it is not there.

        The server gives the job to a worker of this name as soon as there is one.

        Args:
            room: its name.
            agent_name: of the worker (`Worker(agent_name=…)`).
            metadata: free text for the job.
            attributes: of the agent's participant.

        Raises:
            ConfigError: ``invalid_config`` if a name is empty.
        """
        for field, value in (("room", room), ("agent_name", agent_name)):
            if not value:
                raise ConfigError(
                    "livekit_create_dispatch", "invalid_config", f"livekit: {field} is required"
                )
        request = api.CreateAgentDispatchRequest(
            room=room, agent_name=agent_name, metadata=metadata, attributes=dict(attributes or {})
        )
        return dispatch_info(
            await self._calls.call(
                "livekit_create_dispatch", lambda sdk: sdk.agent_dispatch.create_dispatch(request)
            )
        )

    async def list(self, room: str) -> tuple[DispatchInfo, ...]:
        """All of a room, the server's own for workers without a name included.

        Raises:
            SessionError: ``not_found`` if there is no such room.
        """
        found = await self._calls.call(
            "livekit_list_dispatch", lambda sdk: sdk.agent_dispatch.list_dispatch(room), room=room
        )
        return tuple(dispatch_info(one) for one in found)

    async def delete(self, room: str, dispatch_id: str) -> bool:
        """Takes the wish back, and the agent out of the room. False if there was none."""
        try:
            await self._calls.call(
                "livekit_delete_dispatch",
                lambda sdk: sdk.agent_dispatch.delete_dispatch(dispatch_id, room),
                room=room,
            )
        except SessionError:
            return False
        return True
