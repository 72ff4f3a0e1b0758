"""The example of a worker talks, and the code in docs/worker.md runs as it is written."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from livekit_caller import caller, until
from worker_helpers import Rooms

from beluga_voice.livekit import RoomSettings
from beluga_voice.testing.livekit_server import LiveKitServer

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "worker.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


def environment(server: LiveKitServer) -> dict[str, str]:
    return {
        **os.environ,
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.api_key,
        "LIVEKIT_API_SECRET": server.api_secret,
    }


async def test_the_example_takes_a_room_and_answers(livekit_server: LiveKitServer) -> None:
    example = ROOT / "examples" / "05_livekit_worker.py"
    assert len(example.read_text().splitlines()) <= 60
    process = await asyncio.create_subprocess_exec(
        sys.executable, example, env=environment(livekit_server), stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(40):
            while b"registered as" not in await process.stdout.readline():
                pass
        comes_along = RoomSettings(agents=["desk"])
        async with caller(livekit_server, "lobby", room_settings=comes_along) as ann:
            agent = await until(lambda: next(iter(ann.room.remote_participants.values()), None))
            assert (agent.name, agent.attributes["language"]) == ("Desk", "en")
            await ann.event("turn", phase="agent_ended", turn=0)
            await ann.say("What time do you open on Saturday?")
            said = await ann.event("agent_text", final=True, turn=1)
            assert "from ten to two" in said["text"]
        process.terminate()
        async with Rooms(livekit_server) as rooms:
            await rooms.delete("lobby")
        async with asyncio.timeout(20):
            rest = await process.stdout.read()
            assert await process.wait() == 0
        assert b"messages, ended by" in rest
    finally:
        if process.returncode is None:
            process.kill()
        _, complaints = await process.communicate()
    assert b"Task was destroyed" not in complaints


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.splitlines()[0][:30])
async def test_the_code_runs(livekit_server: LiveKitServer, code: str, tmp_path: Path) -> None:
    """Each block is a program that works until it is told to end, or ends by itself."""
    (tmp_path / "my_agent.py").write_text(code)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "my_agent.py"),
        env=environment(livekit_server),
        cwd=tmp_path,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(40):
            if "worker.run" in code or ").run(" in code:
                while b"registered" not in (line := await process.stdout.readline()):
                    assert line, await process.communicate()
                process.terminate()
            out, complaints = await process.communicate()
        assert process.returncode == 0, (out.decode(), complaints.decode())
        assert b"Traceback" not in complaints
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_there_is_code() -> None:
    assert len(CODE) >= 3
