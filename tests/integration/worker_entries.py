"""Entry points for workers with several processes, which import them from here."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import beluga_voice as bv


async def by_name(job: bv.JobContext) -> None:
    """What the room's name says."""
    match job.room.split("-")[0]:
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "block":
            time.sleep(1000)
        case "short":
            await asyncio.sleep(0.5)
        case "raise":
            raise ValueError("out of cheese")
        case _:
            await asyncio.Event().wait()
