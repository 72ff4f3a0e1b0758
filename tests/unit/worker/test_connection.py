"""The WebSocket of a worker against peers that misbehave; they are no LiveKit server and do not pretend to be one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from beluga_voice.worker import connection as module
from beluga_voice.worker import messages as m
from beluga_voice.worker.connection import Connection

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def peer(handler: Handler, **options: Any) -> AsyncGenerator[str]:
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/agent"


async def told(url: str, count: int) -> list[m.Input]:
    """What a connection feeds, up to ``count`` inputs, and that it leaves nothing behind."""
    seen: list[m.Input] = []
    enough = asyncio.Event()

    def feed(event: m.Input) -> None:
        seen.append(event)
        if len(seen) >= count:
            enough.set()

    connection = Connection(url, "token", feed)
    async with asyncio.timeout(10):
        await enough.wait()
    await connection.close()
    await asyncio.sleep(0.05)
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("worker:")] == []
    return seen


@pytest.mark.parametrize(
    "noise", [b"\xff\xfe\xfd", "text", b"x" * (5 * 1024 * 1024)], ids=["bytes", "text", "huge"]
)
async def test_noise_ends_the_connection(noise: bytes | str) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(noise)
        await connection.wait_closed()

    async with peer(handler) as url:
        first, last = await told(url, 2)
    assert first == m.Connected()
    assert isinstance(last, m.Lost)
    assert last.reason


async def test_a_peer_that_hangs_up() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.close()

    async with peer(handler) as url:
        assert [type(x) for x in await told(url, 2)] == [m.Connected, m.Lost]


async def test_a_refusal_with_the_token_in_it() -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        assert request.headers["Authorization"] == "Bearer token"
        return connection.respond(
            HTTPStatus.UNAUTHORIZED, "invalid token: eyJhbGciOi.eyJzdWIi.c2ln, error: expired"
        )

    async def handler(connection: ServerConnection) -> None:
        raise AssertionError("not reached")

    async with peer(handler, process_request=refuse) as url:
        (refused,) = await told(url, 1)
    assert isinstance(refused, m.Refused)
    assert (refused.status, refused.reason) == (401, "invalid token: <token>, error: expired")


async def test_a_peer_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OPEN_DEADLINE", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (failed,) = await told(f"ws://127.0.0.1:{port}/agent", 1)
    server.close()
    assert isinstance(failed, m.Failed)
    assert "did not answer" in failed.reason


async def test_what_is_no_web_server() -> None:
    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(chatty, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (failed,) = await told(f"ws://127.0.0.1:{port}/agent", 1)
    server.close()
    assert isinstance(failed, m.Failed)


async def test_nobody_there() -> None:
    (failed,) = await told("ws://127.0.0.1:1/agent", 1)
    assert isinstance(failed, m.Failed)
    assert failed.reason


async def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (failed,) = await told("ws://livekit.example/agent", 1)
    assert failed == m.Failed("Name or service not known", failed.chance)  # type: ignore[union-attr]


async def test_a_peer_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OUTBOX", 3)
    seen: list[m.Input] = []
    lost = asyncio.Event()
    opened = asyncio.Event()

    def feed(event: m.Input) -> None:
        seen.append(event)
        (opened if isinstance(event, m.Connected) else lost).set()

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with peer(handler) as url, asyncio.timeout(10):
        connection = Connection(url, "token", feed)
        await opened.wait()
        for _ in range(10):
            connection.send(b"x")
        await lost.wait()
        await connection.close()
    assert [type(x) for x in seen] == [m.Connected, m.Lost]
