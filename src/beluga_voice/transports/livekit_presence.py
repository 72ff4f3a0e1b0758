"""Whether anybody is in the room to talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from beluga_voice.errors import ConnectError

__all__ = ["Presence"]


class Presence:
    """Counts the people in a room and tells when they have all left it.

    Args:
        leave_after: seconds alone, after somebody had been there; somebody who comes back in time was never away.
        on_alone: called once they are over.
    """

    def __init__(self, leave_after: float, on_alone: Callable[[], None]) -> None:
        self._leave_after = leave_after
        self._on_alone = on_alone
        self._present: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    @property
    def people(self) -> frozenset[str]:
        """Identities of those who are there."""
        return frozenset(self._present)

    def follow(self, message: Mapping[str, Any]) -> None:
        """Takes a control message; those about participants who join and leave count."""
        if message.get("type") != "participant":
            return
        identity, phase = str(message["identity"]), message["phase"]
        if phase == "joined" and message["data"].get("kind") != "agent":
            self._present.add(identity)
            self._stop_timer()
            self._changed.set()
        elif phase == "left" and identity in self._present:
            self._present.discard(identity)
            if not self._present:
                self._stop_timer()
                self._timer = asyncio.get_running_loop().call_later(self._leave_after, self._on_alone)

    def forget(self) -> None:
        """The room is joined afresh: who is there will be told again, and counts as gone until then."""
        gone = bool(self._present)
        self._present.clear()
        if gone and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._leave_after, self._on_alone)

    async def wait(self, identity: str, timeout: float) -> str:
        """Returns when ``identity`` (or, if empty, anybody) is there, and who it is.

        Raises:
            ConnectError: ``connection_timeout``.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (found := [p for p in sorted(self._present) if not identity or p == identity]):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            who = repr(identity) if identity else "nobody"
            raise ConnectError(
                "wait_for_participant",
                "connection_timeout",
                f"livekit: {who} {'did not join' if identity else 'joined'} the room in {timeout:g} s",
            ) from error
        return found[0]

    def close(self) -> None:
        """Counts no more."""
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
