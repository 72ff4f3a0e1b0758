"""Agents with the tools of real MCP servers, as a process and over HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from beluga_voice.agents import Agent, AgentBrain, McpServer, mcp
from beluga_voice.errors import ConfigError, ConnectError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatDelta, Context, UserTurn

SERVER = '''
import asyncio, os, sys
from mcp.server import MCPServer

server = MCPServer("shop", log_level="CRITICAL")

@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b

@server.tool()
def greet(name: str) -> str:
    """Greets."""
    return f"Hello {name}, {os.environ.get('SHOP', 'nowhere')}, {os.environ.get('OUR_SECRET', 'unseen')}"

@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("out of stock")

@server.tool()
async def slow() -> str:
    """Takes long."""
    await asyncio.sleep(30)
    return "late"

@server.tool()
def pid() -> int:
    """The process."""
    return os.getpid()

@server.tool()
def die() -> str:
    """Ends the process."""
    os._exit(3)

if len(sys.argv) > 1:
    asyncio.run(server.run_streamable_http_async(port=int(sys.argv[1])))
else:
    server.run("stdio")
'''


async def _at_once() -> None:
    """The turn is the user's."""


CONTEXT = cast("Context", SimpleNamespace(session_id="s1", history=[], committed=_at_once))
# The server needs the same packages as this process, and a process started by us inherits no variables.
PATHS = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "server.py"
    path.write_text(SERVER, encoding="utf-8")
    return str(path)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


class Model:
    """Calls one tool, then says its result."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self.call = ToolCall("c1", name, arguments)
        self.tools: list[Any] = []

    async def chat(self, messages: Any, tools: Any = ()) -> AsyncIterator[ChatDelta]:
        self.tools = list(tools)
        if messages[-1].role == "tool":
            yield ChatDelta(f"It says {messages[-1].content}.")
        else:
            yield ChatDelta(tool_calls=(self.call,))

    async def close(self) -> None: ...


async def say(brain: AgentBrain, text: str, number: int = 1) -> str:
    return "".join([p async for p in brain.reply(UserTurn(number, text), CONTEXT)])


async def test_tools_of_a_process(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_SECRET", "secret")
    server = McpServer([sys.executable, script], env={"SHOP": "here", **PATHS}, timeout=5)
    model = Model("greet", {"name": "Ann"})
    brain = AgentBrain(Agent("", mcp_servers=[server], llm=model))
    await brain.start()
    assert await say(brain, "hi") == "It says Hello Ann, here, unseen."
    specs = {t.name: t for t in model.tools}
    assert set(specs) == {"add", "greet", "fail", "slow", "pid", "die"}
    assert specs["add"].description == "Adds two numbers."
    assert specs["add"].parameters["properties"]["a"]["type"] == "integer"
    assert (await server.call("add", {"a": 2, "b": 3})).text == "5"
    failed = await server.call("fail", {})
    assert failed.failed
    assert "fail" in failed.text
    assert (await server.call("add", {"a": "x"})).failed
    assert (await server.call("nothing", {})).failed
    pid = int((await server.call("pid", {})).text)
    assert alive(pid)
    await brain.close()
    await brain.close()
    assert not alive(pid)


async def test_sessions_share_a_process_and_the_last_ends_it(script: str) -> None:
    server = McpServer([sys.executable, script], env=PATHS, only=["pid"])
    agent = Agent("", mcp_servers=[server], llm=Model("pid", {}))
    first, second = AgentBrain(agent), AgentBrain(agent)
    says = {await say(first, "x"), await say(second, "x")}
    assert len(says) == 1
    assert [t.name for t in cast("Model", agent.llm).tools] == ["pid"]
    pid = int(says.pop().removeprefix("It says ").rstrip("."))
    await first.close()
    assert alive(pid)
    await second.close()
    assert not alive(pid)


async def test_a_server_that_died_is_started_again(script: str) -> None:
    server = McpServer([sys.executable, script], env=PATHS)
    await server.open()
    first = (await server.call("pid", {})).text
    died = await server.call("die", {})
    assert died.failed
    second = (await server.call("pid", {})).text
    assert second.isdigit()
    assert second != first
    await server.close()
    assert not alive(int(second))


async def test_a_tool_that_takes_too_long(script: str) -> None:
    server = McpServer([sys.executable, script], env=PATHS, timeout=0.2)
    await server.open()
    outcome = await server.call("slow", {})
    assert (outcome.failed, outcome.text) == (True, "slow took longer than 0.2 seconds.")
    assert (await server.call("add", {"a": 1, "b": 1})).text == "2"
    await server.close()


async def test_an_interrupted_call(script: str) -> None:
    server = McpServer([sys.executable, script], env=PATHS)
    brain = AgentBrain(Agent("", mcp_servers=[server], llm=Model("slow", {})))
    await brain.start()
    task = asyncio.create_task(say(brain, "x"))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await server.call("add", {"a": 1, "b": 1})).text == "2"
    await brain.close()


async def test_tools_over_http(script: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, str(port), env={**os.environ, **PATHS}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.close()
        server = McpServer(url=f"http://127.0.0.1:{port}/mcp", headers={"X-Test": "1"})
        brain = AgentBrain(Agent("", mcp_servers=[server], llm=Model("add", {"a": 20, "b": 22})))
        assert await say(brain, "add") == "It says 42."
        await brain.close()
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["/no/such/program"], "connection_failed"),
        ([sys.executable, "-c", "print('hello')"], "connection_failed"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "connection_timeout"),
    ],
)
async def test_a_server_that_cannot_be_used(command: list[str], code: str) -> None:
    server = McpServer(command, connect_timeout=0.8)
    with pytest.raises(ConnectError) as caught:
        await server.open()
    assert caught.value.code == code
    # The agent goes on without its tools.
    brain = AgentBrain(Agent("", mcp_servers=[server], llm=Model("add", {})))
    assert "There is no tool 'add'" in await say(brain, "x")
    await brain.close()
    async with asyncio.timeout(8):
        while mcp._closing:
            await asyncio.sleep(0.05)


async def test_nobody_listens_over_http() -> None:
    server = McpServer(url="http://127.0.0.1:9/mcp", connect_timeout=5)
    with pytest.raises(ConnectError) as caught:
        await server.open()
    assert caught.value.code == "connection_failed"


def test_arguments_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, words in (
        ({}, "one of the two"),
        ({"command": "python server.py"}, "one of the two"),
        ({"command": ["x"], "url": "http://x"}, "one of the two"),
        ({"url": "ws://x"}, "http"),
        ({"command": ["x"], "timeout": 0}, "timeout"),
    ):
        with pytest.raises(ConfigError, match=words):
            McpServer(**cast("dict[str, Any]", arguments))
    monkeypatch.setattr(mcp, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "beluga-voice\[mcp\]"') as caught:
        McpServer(["x"])
    assert caught.value.code == "missing_extra"
