"""What follows when a LiveKit room is left unasked: the end, or another try."""

from __future__ import annotations

import random
from collections.abc import Iterator

from livekit import rtc

from beluga_voice.errors import BackendError, ConnectError

__all__ = ["FINAL", "delays", "final_error", "reason_name"]

_R = rtc.DisconnectReason
# Somebody decided that it ends; coming back would be against their will.
FINAL = frozenset(
    {
        _R.CLIENT_INITIATED,
        _R.DUPLICATE_IDENTITY,
        _R.PARTICIPANT_REMOVED,
        _R.ROOM_DELETED,
        _R.ROOM_CLOSED,
    }
)
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0


def reason_name(reason: int) -> str:
    """``duplicate_identity``, ``participant_removed``, ``room_deleted``, ``server_shutdown`` …"""
    try:
        return rtc.DisconnectReason.Name(reason).lower()  # pyright: ignore[reportArgumentType]
    except ValueError:
        return f"reason_{reason}"


def final_error(reason: int, identity: str, room: str) -> BackendError | None:
    """What `recv` raises; None for a clean end, as when the room was deleted or we were removed from it."""
    if reason != _R.DUPLICATE_IDENTITY:
        return None
    return ConnectError(
        "recv",
        "connection_failed",
        f"livekit: another participant joined room {room!r} as {identity!r} and took our place; "
        "give every agent an identity of its own",
        {"reason": "duplicate_identity"},
        retryable=False,
    )


def delays(chance: random.Random) -> Iterator[float]:
    """Seconds to wait between tries: 0.1 doubled up to 5, each shortened at random by up to half."""
    longest = _FIRST_DELAY
    while True:
        yield longest * (1.0 - 0.5 * chance.random())
        longest = min(_LONGEST_DELAY, longest * 2)
