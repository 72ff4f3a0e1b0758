"""A worker of LiveKit: from its start to ready, and from a job to the agent's voice at the other participant.

The server, the worker (``beluga-voice worker``, embedded voice) and the listener (the plain SDK) are three processes on
loopback. `time.monotonic` is one clock for all of them on Linux. The entry point greets as soon as it is called; the
listener is in the room already, and hears the first 10 ms frame that is not silent through its own jitter buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from beluga_voice.livekit import LiveKitApi
from beluga_voice.testing.livekit_server import LiveKitServer
from bench.figures import Result, median

__all__ = ["measure"]

# RMS of a frame, of full scale, above which it is sound.
_LOUD = 0.005
_DEADLINE = 60.0


def measure(quick: bool) -> Result:
    found = asyncio.run(_measure(3 if quick else 10, 5 if quick else 30))
    result = Result(data=found)
    result.add_times("worker: program start → registered, takes jobs", found["ready_s"], 1000)
    result.add_times("worker: program start → models loaded", found["loaded_s"])
    cpu = found["ready_cpu_s"]
    result.add(
        "worker: processor time until registered", median(cpu) * 1000, "ms", note="whatever else runs here"
    )
    result.add_times("worker: job assigned → agent audible", found["audible_s"], 500)
    result.add_times("worker: the same for a job at the moment of registration", found["cold_s"])
    return result


async def _measure(starts: int, jobs: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {
        name: [] for name in ("ready_s", "ready_cpu_s", "loaded_s", "audible_s", "cold_s")
    }
    async with LiveKitServer() as server, LiveKitApi(server.url, server.api_key, server.api_secret) as lk:
        for number in range(starts):
            async with _worker(server) as (worker, began):
                found["ready_s"].append(time.monotonic() - began)
                found["ready_cpu_s"].append(_cpu(worker.pid))
                await _line(worker, "models loaded")
                found["loaded_s"].append(time.monotonic() - began)
            async with _worker(server) as (worker, _):
                took, _ = await _one_job(server, lk, worker, f"cold-{number}")
                found["cold_s"].append(took)
        async with _worker(server) as (worker, _):
            await _line(worker, "models loaded")
            for number in range(jobs + 1):
                room = f"warm-{number}"
                took, steps = await _one_job(server, lk, worker, room)
                if number:  # the first one warms up
                    found["audible_s"].append(took)
                    for name, seconds in steps.items():
                        found.setdefault(f"{name}_s", []).append(seconds)
                await lk.rooms.delete(room)
        return found


@contextlib.asynccontextmanager
async def _worker(
    server: LiveKitServer,
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, float]]:
    """The command as soon as it is registered, and when it was started."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "beluga_voice", "worker", "bench.livekit_entry:greet"),
        *("--agent-name", "bench", "--json", "--health-port", "0", "--drain-timeout", "0"),
        env={
            **os.environ,
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.api_key,
            "LIVEKIT_API_SECRET": server.api_secret,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await _line(process, "registered as")
        yield process, began
    finally:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 20)
        if process.returncode is None:
            process.kill()
            await process.wait()


def _cpu(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _line(process: asyncio.subprocess.Process, text: str) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(_DEADLINE):
        while line := await process.stdout.readline():
            if text.encode() in line:
                found: dict[str, Any] = json.loads(line)
                return found
    raise RuntimeError(f"the worker ended before it said {text!r}")


async def _one_job(
    server: LiveKitServer, lk: LiveKitApi, worker: asyncio.subprocess.Process, name: str
) -> tuple[float, dict[str, float]]:
    import numpy as np
    from livekit import rtc

    heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    steps: dict[str, float] = {}
    tasks: list[asyncio.Task[None]] = []

    async def listen(track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=48_000, num_channels=1, frame_size_ms=10)
        async for event in stream:
            samples = np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768
            if float(np.sqrt(np.mean(samples**2))) > _LOUD and not heard.done():
                heard.set_result(time.monotonic())
                break
        await stream.aclose()

    def on_track(track: rtc.Track, *_: Any) -> None:
        steps["subscribed"] = time.monotonic()
        tasks.append(asyncio.create_task(listen(track)))

    room = rtc.Room()
    room.on("participant_connected", lambda _: steps.setdefault("joined", time.monotonic()))
    room.on("track_subscribed", on_track)
    await room.connect(server.url, server.token("listener", name))
    await lk.dispatches.create(name, "bench")
    said = await _line(worker, "called at ")
    assigned = float(said["message"].rpartition(" ")[2])
    async with asyncio.timeout(_DEADLINE):
        at = await heard
    await asyncio.gather(*tasks)
    await room.disconnect()
    return at - assigned, {step: when - assigned for step, when in steps.items()}


if __name__ == "__main__":
    shown = measure("--quick" in sys.argv)
    for figure in shown.figures:
        print(f"{figure.name}: {figure.value:.0f} {figure.unit} ({figure.note})")
    print({name: [round(t * 1000) for t in times] for name, times in shown.data.items()})
