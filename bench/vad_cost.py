"""What voice activity detection costs, in real time: at 1, 16 and 100 speakers, with and without the gate.

The speakers do not speak in step: their windows are spread evenly over 32 ms, the worst case for batches, and each is
silent half of the time. What the loop itself needs to keep the pace is measured with a detector that does nothing,
and taken off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from beluga_voice.providers.vad import silero
from bench.figures import Result
from bench.speech import RATE, speak

__all__ = ["SPEAKERS", "measure"]

SPEAKERS = (1, 16, 100)
_WINDOW = 512
_STEP = _WINDOW / RATE


@dataclass(frozen=True, slots=True)
class _Run:
    cpu: float
    wall: float
    windows: int


class _Nothing:
    def push(self, window: bytes, at: float) -> None:
        pass

    def close(self) -> None:
        pass


def measure(quick: bool) -> Result:
    return asyncio.run(_measure(4.0 if quick else 5.0))


async def _measure(seconds: float) -> Result:
    speech = (await speak("How much does a cleaning cost, and when are you open on Saturday, please?"))[0]
    half = int(seconds / 2 / _STEP)  # so that each speaker goes through speech and silence once
    windows = [speech.pcm[i * 2 * _WINDOW :][: 2 * _WINDOW] for i in range(half)]
    assert len(windows[-1]) == 2 * _WINDOW, "the speech is too short"
    windows += [bytes(2 * _WINDOW)] * half
    result = Result(data={"runs": []})
    for gate in (True, False):
        engine = silero.create({"gate": gate})
        await engine.start()
        await _run(engine.open, windows, 1, 0.5)  # warms up
        for speakers in SPEAKERS:
            idle = await _run(lambda _: _Nothing(), windows, speakers, min(seconds, 2.0))
            run = await _run(engine.open, windows, speakers, seconds)
            own = max(0.0, run.cpu / run.wall - idle.cpu / idle.wall)
            share, micros = 100 * own / speakers, 1e6 * own * run.wall / run.windows
            name = f"VAD, {speakers} session{'s' * (speakers > 1)}, gate {'on' if gate else 'off'}"
            result.add(name, share, "% of a core per session", note=f"{micros:.0f} µs a window")
            result.data["runs"].append(
                {"speakers": speakers, "gate": gate, "percent": share, "micros": micros, "total": own}
            )
        await engine.close()
    return result


async def _run(
    open_stream: Callable[[Any], Any], windows: list[bytes], speakers: int, seconds: float
) -> _Run:
    """Pushes each speaker's windows when they are due; CPU time is that of all threads."""
    loop = asyncio.get_running_loop()
    judged = 0

    def on_result(probability: float, at: float) -> None:
        nonlocal judged
        judged += 1

    streams = [open_stream(on_result) for _ in range(speakers)]
    rounds = int(seconds / _STEP)
    pushed = 0
    cpu, began = time.process_time(), loop.time()
    for number in range(rounds):
        for index, stream in enumerate(streams):
            due = began + (number + index / speakers) * _STEP
            if due - loop.time() > 0.0005:
                await asyncio.sleep(due - loop.time())
            at = (number + index * len(windows) // speakers) % len(windows)
            stream.push(windows[at], number * _STEP)
            pushed += 1
    await asyncio.sleep(0.05)
    run = _Run(time.process_time() - cpu, loop.time() - began, pushed)
    for stream in streams:
        stream.close()
    assert judged in (0, pushed), f"{pushed} windows, {judged} results"
    return run
