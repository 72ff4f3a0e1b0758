"""Servers of one's own: they start, come back on the same ports, and never outlive us."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from beluga_voice.errors import ConnectError
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.own_process import OwnProcess, free_port
from beluga_voice.testing.redis_server import RedisServer


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_livekit_server_listens_on_loopback_only_and_comes_back_on_its_port() -> None:
    server = LiveKitServer()
    assert server.pid is None
    async with server:
        first, url = server.pid, server.url
        assert first is not None
        await server.start()  # nothing to do
        assert server.pid == first
        heard = subprocess.run(
            ["ss", "-Hlnptu"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        local = [line.split()[4] for line in heard if f"pid={first}," in line]
        assert len(local) == 2
        assert all(address.startswith("127.0.0.1:") for address in local), local
        await server.restart(crash=True)
        assert server.url == url
        second = server.pid
        await server.restart()
        assert len({first, second, server.pid}) == 3
        assert not alive(first)
    assert server.pid is None
    await server.stop()


async def test_a_server_whose_people_are_still_there_stops_all_the_same() -> None:
    from livekit import rtc

    async with LiveKitServer() as server:
        room = rtc.Room()
        await room.connect(server.url, server.token("ann", "room"))
        began = time.monotonic()
        await server.stop()
        # livekit-server waits for everybody to leave at the first signal; at the deadline it would be killed.
        assert time.monotonic() - began < 4.0
        await room.disconnect()


async def test_a_port_in_use_is_named_and_a_free_one_is_kept() -> None:
    async with LiveKitServer() as one:
        with pytest.raises(ConnectError, match=str(one.port)):
            await LiveKitServer(port=one.port).start()
    port = free_port()
    async with LiveKitServer(port=port) as server:
        assert server.url == f"ws://127.0.0.1:{port}"


async def test_wait_returns_when_the_server_dies() -> None:
    async with LiveKitServer() as server:
        waiting = asyncio.create_task(server.wait())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert server.pid is not None
        os.kill(server.pid, 9)
        await asyncio.wait_for(waiting, 10)


async def test_a_server_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    broken = LiveKitServer(config={"rtc": {"port_range_start": "many"}}, log=log)
    with pytest.raises(ConnectError) as error:
        await broken.start()
    assert "livekit-server ended" in str(error.value)
    assert "many" in str(error.value)
    assert broken.api_secret not in str(error.value)
    assert broken.pid is None


async def test_a_program_that_never_answers_is_ended() -> None:
    async def never() -> bool:
        return False

    process = OwnProcess("sleep")
    with pytest.raises(ConnectError, match="did not answer in"):
        await process.start(["/bin/sleep", "60"], never, deadline=0.3)
    assert process.pid is None
    with pytest.raises(ConnectError, match=r"ended before it answered.*No such file"):
        await process.start(["/no/such/program"], never)


async def test_redis_answers_and_forgets() -> None:
    async with RedisServer() as server:
        pid = server.pid
        assert pid is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"SET name ann\r\nGET name\r\n")
        assert await reader.readline() == b"+OK\r\n"
        assert await reader.readline() == b"$3\r\n"
        writer.close()
    assert not alive(pid)


def test_servers_die_with_a_parent_that_is_killed_hard() -> None:
    code = (
        "import asyncio\n"
        "from beluga_voice.testing.livekit_server import LiveKitServer\n"
        "from beluga_voice.testing.redis_server import RedisServer\n"
        "async def main():\n"
        "    async with LiveKitServer() as one, RedisServer() as two:\n"
        "        print(one.pid, two.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        parent.kill()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)
