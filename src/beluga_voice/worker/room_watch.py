"""Ends jobs whose room is gone. A server tells only agents that have joined; an entry point may wait before it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from beluga_voice.errors import BackendError

if TYPE_CHECKING:
    from beluga_voice.livekit.client import LiveKitApi
    from beluga_voice.worker.running import RunningJob

__all__ = ["RoomWatch", "gone"]

log = logging.getLogger(__name__)

PERIOD = 10.0


class RoomWatch:
    """Asks the server now and then, only about jobs without a session: a session knows for itself.

    Args:
        api: the server's APIs, made when first asked for.
        jobs: those that run.
        period: seconds between two looks; a younger job is left alone.
    """

    def __init__(
        self, api: Callable[[], LiveKitApi], jobs: Callable[[], Iterable[RunningJob]], period: float = PERIOD
    ) -> None:
        self._api = api
        self._jobs = jobs
        self._period = period

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(self._period)
            now = asyncio.get_running_loop().time()
            waiting = [job for job in self._jobs() if job.idle and now - job.started_at >= self._period]
            if not waiting:
                continue
            try:
                rooms = await self._api().rooms.list(sorted({job.context.room for job in waiting}))
            except BackendError as error:
                log.debug("the rooms of waiting jobs are not known: %s", error.code)
                continue
            there = {room.name: room.sid for room in rooms}
            for job in waiting:
                if gone(job.context.room, job.context.job.room_sid, there):
                    job.end("room closed")


def gone(room: str, sid: str, there: Mapping[str, str]) -> bool:
    """Whether the room ``sid`` is closed, even if another of its name is ``there`` (names to sids).

    A simulated job's room has no id and need not exist before the agent joins.
    """
    return bool(sid) and there.get(room) != sid
