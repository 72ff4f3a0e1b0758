"""Runs one job with one framework: reads it as JSON from stdin, writes what was measured as JSON to stdout.

A driver is a function that makes a `System`. It imports its framework inside that function, so that the import is
measured too. Progress goes to stderr.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import usage
from person import Person, load
from results import measured

__all__ = ["System", "main", "perform", "tone", "words_of"]

# After the window: time for the answers to what was said last.
_TAIL = 2.0


class System(Protocol):
    """A framework, set up with the job's fakes."""

    name: str
    version: str
    settings: str

    async def start(self) -> None:
        """Loads what all sessions share."""

    async def open(self, person: Person) -> None:
        """Makes a session for one person and returns when it listens."""


def main(make: Callable[[dict[str, Any]], System]) -> None:
    """The program of a driver; it does not return."""
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a framework prints is progress
    job = json.load(sys.stdin)
    before = usage.memory_mb()
    cpu, began = time.process_time(), time.perf_counter()
    system = make(job)
    loaded = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "modules": len(sys.modules),
        **usage.memory_mb(),
        "before": before,
    }
    result: dict[str, Any] = {"system": system.name, "version": system.version, "settings": system.settings}
    result["import"] = loaded
    with asyncio.Runner(loop_factory=_loop_factory(job["loop"])) as runner:
        result |= runner.run(perform(job, system))
        text = json.dumps(result)
        if "out" in job:
            Path(job["out"]).write_text(text, encoding="utf-8")
        with os.fdopen(out, "w") as stream:
            stream.write(text)
        os._exit(0)  # some frameworks do not end


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name == "asyncio":
        return None
    import uvloop

    return uvloop.new_event_loop


async def perform(job: dict[str, Any], system: System) -> dict[str, Any]:
    """The job, in the running event loop: everybody speaks, and what they noticed is measured."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    task.set_name(usage.OWN + "main")
    room = load(job["room"]).frames
    utterances = [load(u) for u in job["utterances"]]
    interruptions = [load(u) for u in job["interruptions"]]
    people = [Person(i, job, utterances, interruptions, room) for i in range(job["sessions"])]
    await system.start()
    first = 0.0
    lead = 0.5 + 0.03 * len(people)  # so that all are open before anybody speaks
    zero = loop.time() + lead
    for index, person in enumerate(people):
        person.start(zero + index * job["cycle"] / len(people))
        await system.open(person)
        first = first or usage.process_age()
    usage.settle()
    opened = usage.memory_mb()
    counts: list[int] = []
    counting = asyncio.create_task(_count(counts), name=usage.OWN + "count")
    await asyncio.sleep(max(0.0, zero - loop.time()) + job["warmup"])
    _say(system, job, "measuring")
    cpu, start = usage.cpu_seconds(), loop.time()
    for person in people:
        person.lag.clear()
        person.speaker.late.clear()
    await asyncio.sleep(job["seconds"])
    cpu, end = usage.cpu_seconds() - cpu, loop.time()
    lag = [list(p.lag) for p in people]
    late = [list(p.speaker.late) for p in people]
    await asyncio.sleep(_TAIL)
    counting.cancel()
    busy = usage.memory_mb()
    usage.settle()
    return {
        "sessions": len(people),
        "cpu_seconds": cpu,
        "wall_seconds": end - start,
        "tasks": max(counts) / len(people),
        "threads": usage.threads(),
        "first_session_seconds": first,
        "memory": {"opened": opened, "busy": busy, "settled": usage.memory_mb()},
        **measured(job, people, start, end, lag, late),
    }


async def _count(counts: list[int]) -> None:
    while True:
        counts.append(usage.framework_tasks())
        await asyncio.sleep(0.5)


def _say(system: System, job: dict[str, Any], text: str) -> None:
    print(f"{system.name}, {job['sessions']} sessions: {text}", file=sys.stderr, flush=True)


def tone(seconds: float, rate: int) -> bytes:
    """A steady sound for the agent's voice: mono s16le."""
    import numpy as np

    samples = 8000 * np.sin(2 * np.pi * 300 * np.arange(int(seconds * rate)) / rate)
    return samples.astype("<i2").tobytes()


def words_of(job: dict[str, Any]) -> list[str]:
    """The reply as the language model streams it."""
    return [word + " " for word in job["reply"].split()]
