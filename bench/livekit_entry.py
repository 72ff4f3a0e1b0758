"""What the worker of `bench.livekit_worker` runs for each job; as a user's own file it imports only what it needs."""

from __future__ import annotations

import time

import beluga_voice as bv

__all__ = ["greet"]


async def greet(job: bv.JobContext) -> None:
    """Says hello."""
    job.log.info("called at %.6f", time.monotonic())
    session = await job.create_session(agent_callback=_answer, greeting="Hello! How can I help you?")
    await session.start()


async def _answer(transcript: str) -> str:
    return transcript
