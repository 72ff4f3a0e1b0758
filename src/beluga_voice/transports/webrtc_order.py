"""Puts the user's voice packets in order without holding back those that are.

aiortc (1.16) keeps four packets (80 ms) back at all times, and up to sixteen after one was lost, which makes every
answer and every interruption that much later. A voice packet is a whole frame, so it can go on at once; only behind
a gap there is something to wait for.
"""

from __future__ import annotations

import logging
from typing import Any

from aiortc.jitterbuffer import JitterFrame

__all__ = ["PacketOrder", "put_in_order"]

log = logging.getLogger(__name__)

# Packets that wait behind a gap (60 ms); then the missing one counts as lost.
_DEPTH = 3
# A sequence number further away than this is a sender that started anew (RFC 3550, appendix A.1).
_MAX_MISORDER = 100
_FIELD = "_RTCRtpReceiver__jitter_buffer"


class PacketOrder:
    """A jitter buffer for aiortc's receiver, of which it uses `add` only.

    Args:
        depth: packets that may wait behind a gap.
    """

    def __init__(self, depth: int = _DEPTH) -> None:
        self._depth = depth
        self._next: int | None = None
        self._held: dict[int, Any] = {}

    def add(self, packet: Any) -> tuple[bool, JitterFrame | None]:
        """Takes an RTP packet; returns False (no key frame is wanted) and the next frame, if its turn has come."""
        number: int = packet.sequence_number
        if self._next is None:
            self._next = number
        ahead = self._distance(number)
        if not -_MAX_MISORDER <= ahead <= _MAX_MISORDER:
            self._held.clear()
            self._next, ahead = number, 0
        if ahead < 0:  # a copy, or it was given up
            return False, None
        self._held[number] = packet
        if self._next not in self._held and len(self._held) > self._depth:
            self._next = min(self._held, key=self._distance)
        if self._next not in self._held:
            return False, None
        first = self._held.pop(self._next)
        self._next = (self._next + 1) & 0xFFFF
        return False, JitterFrame(data=first._data, timestamp=first.timestamp) if first._data else None

    def _distance(self, number: int) -> int:
        """How far ``number`` is ahead of the next one, on the circle of 16 bits."""
        assert self._next is not None
        return (number - self._next + 0x8000 & 0xFFFF) - 0x8000


def put_in_order(receiver: Any) -> bool:
    """Gives an aiortc receiver a `PacketOrder`; False if this version of aiortc keeps its buffer elsewhere."""
    if not hasattr(receiver, _FIELD):
        log.warning("this aiortc keeps its jitter buffer elsewhere; the user is heard about 80 ms later")
        return False
    setattr(receiver, _FIELD, PacketOrder())
    return True
