"""The code in docs/livekit.md runs as it is written, against a real server."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from livekit_people import Person, until

from beluga_voice.testing.livekit_program import find_livekit_server
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.redis_server import RedisServer

DOCS = (Path(__file__).parents[2] / "docs" / "livekit.md").read_text(encoding="utf-8")
SECTIONS = ("A server of your own", "An agent in a room", "Transport", "Tokens", "Server APIs", "Webhooks")
_PARTS = dict(part.split("\n", 1) for part in DOCS.split("\n## ")[1:])
CODE = [
    pytest.param(code, id=f"{section}-{number}")
    for section in SECTIONS
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", _PARTS[section], re.DOTALL))
]


@pytest.mark.parametrize("code", CODE)
async def test_the_code_runs(code: str) -> None:
    async with RedisServer() as redis, LiveKitServer(redis=redis.address) as server:
        environment = {
            **os.environ,
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.api_key,
            "LIVEKIT_API_SECRET": server.api_secret,
            "LIVEKIT_SERVER": str(find_livekit_server()),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-c",
            code,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with AsyncExitStack() as stack:
            if "wait_closed" in code:  # it waits for a visitor
                assert process.stdout is not None
                async with asyncio.timeout(30):
                    assert b"in room lobby as agent-" in await process.stdout.readline()
                ann = await stack.enter_async_context(Person(server, "ann", "lobby"))
                await until(lambda: ann.room.remote_participants)
        out, _ = await asyncio.wait_for(process.communicate(), 40)
        assert process.returncode == 0, out.decode()


def test_every_section_has_code() -> None:
    assert len(CODE) >= 5
