"""The server's APIs in one object, over the vendor's own client.

Checked against livekit-api 1.2 and livekit-server 1.13.5, https://docs.livekit.io/reference/server/server-apis/.
"""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Self

from beluga_voice.errors import AuthError
from beluga_voice.livekit.calls import Calls
from beluga_voice.livekit.dispatch import Dispatches
from beluga_voice.livekit.participants import Participants
from beluga_voice.livekit.rooms import Rooms
from beluga_voice.livekit.sdk import api
from beluga_voice.livekit.sip import Sip
from beluga_voice.livekit.tokens import ApiKey

__all__ = ["LiveKitApi"]


class LiveKitApi:
    """Rooms, participants, agents and phone lines of a LiveKit server; an async context manager.

    Every call ends within ``timeout`` and raises errors of this library: ``authentication_failed`` (key or token),
    ``authorization_failed`` (a grant is missing), ``not_found``, ``invalid_config``, ``connection_failed``,
    ``connection_timeout``, ``rate_limit_exceeded``. No message has a key's secret or a token in it.

    Args:
        url: ``wss://…`` or ``ws://…``; ``LIVEKIT_URL`` if empty.
        api_key: ``LIVEKIT_API_KEY`` if empty, and no token is given.
        api_secret: ``LIVEKIT_API_SECRET`` likewise.
        token: instead of a key: it is sent as it is and must have the grants for what is called.
        timeout: seconds for a call.

    Attributes:
        rooms: make, list, change, end.
        participants: list, change, mute, remove, send data.
        dispatches: send agents to rooms.
        sip: trunks, dispatch rules and calls.

    Raises:
        ConfigError: ``invalid_config`` if URL, key or secret are missing or wrong; ``missing_extra``.
    """

    def __init__(
        self,
        url: str = "",
        api_key: str = "",
        api_secret: str = "",
        *,
        token: str = "",
        timeout: float = 10.0,
    ) -> None:
        key = None if token else ApiKey.from_environment(api_key, api_secret)
        self._calls = Calls(url or os.environ.get("LIVEKIT_URL", ""), key, token, timeout)
        self.rooms = Rooms(self._calls)
        self.participants = Participants(self._calls)
        self.dispatches = Dispatches(self._calls)
        self.sip = Sip(self._calls)

    async def ping(self) -> float:
        """Seconds the server takes to answer, when it is there and the key (or the token) is right.

        Raises:
            BackendError: ``authentication_failed``, ``connection_failed``, ``connection_timeout`` …
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        request = api.ListRoomsRequest(names=["-"])
        try:
            await self._calls.call("livekit_ping", lambda sdk: sdk.room.list_rooms(request))
        except AuthError as error:
            # A token for one room may not list rooms, but then it was found genuine first.
            if self._calls.signs or error.code != "authorization_failed":
                raise
        return loop.time() - began

    async def close(self) -> None:
        """Closes the connection; idempotent."""
        await self._calls.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
