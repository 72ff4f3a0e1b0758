"""From ``create_session`` to a session that listens, once the models are warm."""

from __future__ import annotations

import asyncio
import time

import beluga_voice as bv
from bench.figures import Result

__all__ = ["measure"]


def measure(quick: bool) -> Result:
    times, stops = asyncio.run(_measure(5 if quick else 20))
    result = Result(data={"start_s": times, "stop_s": stops})
    result.add_times("create_session + start, warm", times, 50)
    result.add_times("stop", stops)
    return result


async def _measure(count: int) -> tuple[list[float], list[float]]:
    times: list[float] = []
    stops: list[float] = []
    async with bv.new_backend("embedded", bv.Config(provider="embedded")) as backend:
        for _ in range(count + 1):
            began = time.perf_counter()
            session = await backend.create_session(bv.SessionConfig(user_id="bench", agent_callback=_answer))
            await session.start()
            ready = time.perf_counter()
            assert session.state == "listening"
            await session.stop()
            times.append(ready - began)
            stops.append(time.perf_counter() - ready)
    return times[1:], stops[1:]  # the first one warms up


async def _answer(transcript: str) -> str:
    return transcript
