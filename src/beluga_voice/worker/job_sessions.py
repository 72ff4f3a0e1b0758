"""The sessions of one job: how many are open, and how they ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from beluga_voice.events import ClosedEvent

if TYPE_CHECKING:
    from beluga_voice.session.session import Session

__all__ = ["JobSessions"]

_STOP_DEADLINE = 3.0


class JobSessions:
    """Follows sessions from `add` to their end.

    Args:
        changed: called when a session has closed.

    Attributes:
        opened: sessions so far.
        error: of a session that ended by an error; empty if none did.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._followers: dict[Session, asyncio.Task[None]] = {}
        self.opened = 0
        self.error = ""

    @property
    def open(self) -> int:
        """Sessions that have not ended."""
        return sum(not task.done() for task in self._followers.values())

    @property
    def all(self) -> tuple[Session, ...]:
        """The sessions, oldest first."""
        return tuple(self._followers)

    @property
    def starting(self) -> bool:
        """Whether one has not begun to listen."""
        return any(s.state == "starting" for s, task in self._followers.items() if not task.done())

    def add(self, session: Session) -> None:
        """Follows ``session``."""
        self.opened += 1
        task = asyncio.create_task(self._follow(session), name=f"{session.id}:job")
        self._followers[session] = task
        task.add_done_callback(lambda _: self._changed())

    async def stop(self, reason: str) -> None:
        """Ends all, each within its deadline."""
        if not self._followers:
            return
        stops = [asyncio.create_task(session.stop(reason)) for session in self._followers]
        _, late = await asyncio.wait(stops, timeout=_STOP_DEADLINE)
        for task in (*late, *self._followers.values()):
            task.cancel()
        await asyncio.wait([*stops, *self._followers.values()], timeout=1.0)

    async def _follow(self, session: Session) -> None:
        # The event comes before the transport leaves the room, so that the job's outcome is told in time.
        async for event in session.events():
            if isinstance(event, ClosedEvent) and event.code:
                self.error = self.error or f"session ended by {event.code}"
