"""``livekit dev`` and ``livekit token`` as processes, and what `doctor` says of the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc
from test_command_line import STOPPED, Command, free_port

from beluga_voice.cli.app import run
from beluga_voice.cli.livekit_check import livekit
from beluga_voice.livekit import ApiKey, LiveKitApi, check_token
from beluga_voice.testing.livekit_program import find_livekit_server
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.redis_server import RedisServer


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Command]]:
    """A command with a cache of its own."""
    monkeypatch.setenv("LIVEKIT_SERVER", str(find_livekit_server()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made: list[Command] = []

    def start(*words: str) -> Command:
        made.append(Command(tmp_path, *words))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(STOPPED)


def facts(command: Command) -> dict[str, Any]:
    command.wait_for(lambda: command.output.endswith("\n"))
    (line,) = command.output.splitlines()
    return json.loads(line)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_dev_serves_a_room_to_join_and_leaves_no_process(command, sign: signal.Signals) -> None:
    dev = command("livekit", "dev", "--port", "0", "--room", "lobby", "--agent", "desk", "--json")
    ready = await asyncio.to_thread(facts, dev)
    room = rtc.Room()
    await room.connect(ready["url"], ready["token"])
    assert (room.name, room.local_participant.identity) == ("lobby", "visitor")
    async with LiveKitApi(ready["url"], ready["api_key"], ready["api_secret"]) as client:
        assert "desk" in {one.agent_name for one in await client.dispatches.list("lobby")}
    assert dev.children() == [ready["pid"]]
    assert await asyncio.to_thread(dev.end, sign) == 0
    await room.disconnect()


def test_dev_shows_what_others_need_and_keeps_its_secret(command) -> None:
    port = free_port()
    dev = command("livekit", "dev", "--port", str(port))
    dev.wait_for(lambda: "or with the token:" in dev.output)
    assert f"ws://127.0.0.1:{port}" in dev.output
    for word in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "https://meet.livekit.io/custom?liveKitUrl="):
        assert word in dev.output
    assert dev.end(signal.SIGINT) == 0
    (secret,) = Path(os.environ["XDG_CACHE_HOME"]).glob("**/dev-secret")
    assert secret.stat().st_mode & 0o777 == 0o600
    again = command("livekit", "dev", "--port", "0", "--json")
    assert facts(again)["api_secret"] == secret.read_text().strip()
    assert again.end(signal.SIGTERM) == 0


def test_dev_with_redis_and_webhooks(command) -> None:
    async def with_redis() -> None:
        async with RedisServer() as redis:
            dev = command("livekit", "dev", "--port", "0", "--redis", redis.address, "--json")
            ready = await asyncio.to_thread(facts, dev)
            async with LiveKitApi(ready["url"], ready["api_key"], ready["api_secret"]) as client:
                assert await client.sip.list_inbound_trunks() == ()
            assert await asyncio.to_thread(dev.end, signal.SIGTERM) == 0

    asyncio.run(with_redis())


def test_dev_says_what_is_wrong(command, capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        dev = command("livekit", "dev", "--port", str(port))
        assert dev.process.wait(20) == 1
        assert f"port is in use ({port}" in dev.output
        assert "Traceback" not in dev.output
    nobody = command("livekit", "dev", "--port", "0", "--redis", f"127.0.0.1:{free_port()}")
    assert nobody.process.wait(20) == 1
    assert "redis" in nobody.output
    for words in (("--redis", "localhost"), ("--webhook", "example.com")):
        assert run(["livekit", "dev", *words]) == 2
        assert words[0] in capsys.readouterr().err
    monkeypatch.setenv("LIVEKIT_SERVER", str(tmp_path / "nothing"))
    assert run(["livekit", "dev", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "invalid_config"


def test_dev_ends_with_an_error_when_its_server_dies(command) -> None:
    dev = command("livekit", "dev", "--port", "0", "--json")
    os.kill(facts(dev)["pid"], signal.SIGKILL)
    assert dev.process.wait(20) == 1
    assert "ended by itself" in dev.output


def test_token(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ApiKey("k", "s" * 32)
    for name, value in (("URL", "wss://x.example"), ("API_KEY", key.key), ("API_SECRET", key.secret)):
        monkeypatch.setenv(f"LIVEKIT_{name}", value)
    words = ["livekit", "token", "--identity", "ann", "--room", "lobby"]
    assert run(words) == 0
    claims = check_token(capsys.readouterr().out.strip(), key)
    assert claims.identity == "ann"
    assert claims.video is not None
    assert (claims.video.room, claims.video.can_publish, claims.video.room_admin) == ("lobby", True, False)
    assert run([*words, "--json", "--listen-only", "--admin", "--agent", "desk", "--name", "Ann"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["url"], printed["room"]) == ("wss://x.example", "lobby")
    claims = check_token(printed["token"], key)
    assert claims.video is not None
    assert claims.room_config is not None
    assert (claims.name, claims.video.can_publish, claims.video.room_admin) == ("Ann", False, True)
    assert [agent.agent_name for agent in claims.room_config.agents] == ["desk"]
    monkeypatch.delenv("LIVEKIT_API_SECRET")
    assert run(words) == 2
    assert "LIVEKIT_API_SECRET" in capsys.readouterr().err


async def test_doctor_reaches_the_server_it_is_told_of(
    livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def state() -> tuple[str, str]:
        found = {one.what: one for one in await asyncio.to_thread(livekit)}
        assert found["livekit"].state == "ok"
        reached = found.get("LIVEKIT_URL")
        return ("", "") if reached is None else (reached.state, reached.found)

    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert await state() == ("", "")
    monkeypatch.setenv("LIVEKIT_URL", livekit_server.url)
    assert (await state())[0] == "fail"
    monkeypatch.setenv("LIVEKIT_API_KEY", livekit_server.api_key)
    monkeypatch.setenv("LIVEKIT_API_SECRET", "x" * 32)
    assert "secret is wrong" in (await state())[1]
    monkeypatch.setenv("LIVEKIT_API_SECRET", livekit_server.api_secret)
    assert (await state())[0] == "ok"
    await livekit_server.stop()
    assert "cannot be reached" in (await state())[1]


def test_doctor_notes_a_missing_library_or_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from importlib.metadata import PackageNotFoundError

    from beluga_voice.cli import livekit_check

    monkeypatch.delenv("LIVEKIT_URL", raising=False)
    monkeypatch.setenv("LIVEKIT_SERVER", str(tmp_path / "nothing"))
    assert [(one.what, one.state) for one in livekit()] == [("livekit", "ok"), ("livekit-server", "warn")]

    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(livekit_check, "version", version)
    (found,) = livekit()
    assert (found.state, found.remedy) == ("warn", 'pip install "beluga-voice[livekit]"')
