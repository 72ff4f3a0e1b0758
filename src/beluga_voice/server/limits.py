"""How many may come in, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

from beluga_voice.core.resilience import TokenBucket

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
        start_timeout: seconds for a WebSocket client to say ``start``.
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

    def enter(self, address: str, now: float) -> bool:
        """Takes a place for ``address``; False if there is none. Give it back with `leave`."""
        if self._closed or self.connections >= self._limits.max_connections or not self._bucket(address, now).take(now):
            self.refused += 1
            return False
        self.connections += 1
        return True

    def close(self) -> None:
        """Lets nobody in any more."""
        self._closed = True

    def leave(self) -> None:
        """Gives a place back."""
        self.connections -= 1

    def _bucket(self, address: str, now: float) -> TokenBucket:
        bucket = self._buckets.pop(address, None)
        if bucket is None:
            bucket = TokenBucket(
                rate=self._limits.connects_per_second, burst=self._limits.connect_burst, now=now
            )
        self._buckets[address] = bucket  # most recent last
        if len(self._buckets) > _MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        return bucket
