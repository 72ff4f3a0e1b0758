"""The example of a group room: who is addressed answers, and knows who is there."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from livekit_caller import caller, until

from beluga_voice.testing.livekit_server import LiveKitServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "07_group_room.py"


async def test_the_example_keeps_quiet_until_it_is_called(livekit_server: LiveKitServer) -> None:
    keys = {
        "LIVEKIT_URL": livekit_server.url,
        "LIVEKIT_API_KEY": livekit_server.api_key,
        "LIVEKIT_API_SECRET": livekit_server.api_secret,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLE, "team", env={**os.environ, **keys}, stdout=PIPE, stderr=PIPE
    )
    stdout = process.stdout
    assert stdout is not None
    lines: list[str] = []

    async def read() -> None:
        while line := await stdout.readline():
            lines.append(line.decode().strip())

    reading = asyncio.create_task(read())
    try:
        await until(lambda: "Bella is in room team" in lines, 30)
        async with (
            caller(livekit_server, "team", "ann", name="Ann") as ann,
            caller(livekit_server, "team", "bob", name="Bob") as bob,
        ):
            await until(lambda: {"ann joined", "bob joined"} <= set(lines), 20)
            await ann.room.local_participant.send_text("Let us begin, Bob.", topic="lk.chat")
            await until(lambda: "ann: Let us begin, Bob." in lines, 20)
            await bob.room.local_participant.send_text("Bella, who is here?", topic="lk.chat")
            await until(lambda: any(line.startswith("Bella: ") for line in lines), 20)
            await until(lambda: bob.levels and max(level for _, level in bob.levels) > 0.02, 20)
        await until(lambda: "bob left" in lines, 20)
    finally:
        process.terminate()
        assert process.stderr is not None
        complaints = await process.stderr.read()
        await reading
        await process.wait()
    answers = [line for line in lines if line.startswith("Bella: ")]
    assert answers == ["Bella: Ann and Bob. You are 2."]
    assert b"Task was destroyed" not in complaints
