"""What a LiveKit transport does in its room besides audio, one object each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from livekit import rtc

__all__ = ["RoomFeature", "Tell"]

Tell = Callable[[Mapping[str, Any]], None]
"""Passes a control message on; see `beluga_voice.interfaces.Transport.on_control`."""


class RoomFeature(Protocol):
    """Captions, chat, remote procedure calls …"""

    def attach(self, room: rtc.Room, tell: Tell) -> None:
        """The transport is in ``room`` now; called again with a new room after it had to join afresh."""
        ...

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """A session event (see `beluga_voice.events.to_dict`); most features ignore most."""
        ...

    async def close(self) -> None:
        """Ends all tasks, within a second."""
        ...
