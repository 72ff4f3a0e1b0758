"""How many may come in, and how fast."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from beluga_voice.core.resilience import TokenBucket
from beluga_voice.errors import CapacityError

__all__ = ["Gate", "Limits"]

_MAX_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one server.

    Attributes:
        max_connections: conversations at once; further ones are told to come back.
        connects_per_second: for one address, on average.
        connect_burst: for one address, at once.
        max_offer_bytes: of a WebRTC offer.
        max_text_bytes: of a WebSocket text message.
        max_binary_bytes: of a WebSocket binary message.
        start_timeout: seconds for a WebSocket client to say ``start``, and for a WebRTC offer to arrive whole.
        retry_after: seconds a refused client is told to wait.
    """

    max_connections: int = 100
    connects_per_second: float = 5.0
    connect_burst: float = 20.0
    max_offer_bytes: int = 256 * 1024
    max_text_bytes: int = 64 * 1024
    max_binary_bytes: int = 1024 * 1024
    start_timeout: float = 10.0
    retry_after: float = 5.0


class Gate:
    """Counts connections and holds addresses to their rate.

    Args:
        limits: the numbers.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[str, TokenBucket] = {}
        self.connections = 0
        self.refused = 0
        self._closed = False

    @property
    def open(self) -> bool:
        """Whether there is a place."""
        return self.full() is None

    def full(self) -> CapacityError | None:
        """Why nobody would be let in now: ``session_limit_exceeded``; None while there is a place."""
        if self._closed:
            message = "the server is ending"
        elif self.connections >= self._limits.max_connections:
            message = f"all {self._limits.max_connections} lines are busy; try again later"
        else:
            return None
        details = {"retry_after": self._limits.retry_after}
        return CapacityError("connect", "session_limit_exceeded", message, details)

    def enter(self, address: str, now: float) -> None:
        """Takes a place for ``address``; give it back with `leave`.

        Raises:
            CapacityError: ``session_limit_exceeded`` if all are taken or the server ends, ``rate_limit_exceeded`` if
                this address comes too often.
        """
        refusal = self.full()
        if refusal is None:
            bucket = self._bucket(address, now)
            if bucket.take(now):
                self.connections += 1
                return
            message, details = "you call too often; wait a moment", {"retry_after": bucket.wait()}
            refusal = CapacityError("connect", "rate_limit_exceeded", message, details)
        self.refused += 1
        raise refusal

    def close(self) -> None:
        """Lets nobody in any more."""
        self._closed = True

    def leave(self) -> None:
        """Gives a place back."""
        self.connections -= 1

    def _bucket(self, address: str, now: float) -> TokenBucket:
        owner = _owner(address)
        bucket = self._buckets.pop(owner, None)
        if bucket is None:
            bucket = TokenBucket(
                rate=self._limits.connects_per_second, burst=self._limits.connect_burst, now=now
            )
        self._buckets[owner] = bucket  # most recent last
        if len(self._buckets) > _MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        return bucket


def _owner(address: str) -> str:
    """Who shares a rate: an IPv4 address, or the /64 that one IPv6 subscriber has to himself (RFC 6177)."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
    return str(ip)
