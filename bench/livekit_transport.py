"""What a LiveKit room costs in one process: ``python -m bench.livekit_transport``, plain SDK against the transport.

In each room a person (in another process) and an agent speak a second of three in turn and hear each other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from beluga_voice.testing.livekit_server import LiveKitServer
from bench.report import machine


async def start(kind: str, server: LiveKitServer, count: int, seconds: float) -> asyncio.subprocess.Process:
    tokens = [
        server.token(kind.partition("@")[0], f"room-{i}", kind="standard" if kind == "people" else "agent")
        for i in range(count)
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.livekit_rooms", kind, server.url, str(seconds), *tokens),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    return process


async def go(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    await process.stdin.drain()


async def measure(kind: str, count: int, seconds: float) -> dict[str, Any]:
    async with LiveKitServer() as server:
        people = await start("people", server, count, seconds)
        subject = await start(kind, server, count, seconds)
        await go(people)
        await go(subject)
        assert subject.stdout is not None
        figures = json.loads(await subject.stdout.readline())
        for process in (subject, people):
            await go(process)
            await process.wait()
        return figures


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", default="1,10,20")
    parser.add_argument("--seconds", type=float, default=9.0)
    parser.add_argument("--kinds", default="sdk,ours")
    options = parser.parse_args()
    print(json.dumps(machine()))
    for count in map(int, options.rooms.split(",")):
        for kind in options.kinds.split(","):
            f = await measure(kind, count, options.seconds)
            print(
                f"{count:3} rooms, {kind:10}: {f['cpu']:5.2f} % of a core per room ({f['python']:.2f} % on the event "
                f"loop's thread), {f['frames']:.1f} frames/s heard, {f['threads']} threads",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main())
