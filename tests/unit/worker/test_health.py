from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from beluga_voice.worker.health import HealthServer, answer

READY = {"state": "ready", "registered": True, "draining": False, "problem": ""}


@pytest.mark.parametrize(
    ("path", "changes", "code"),
    [
        ("/healthz", {}, 200),
        ("/healthz", {"state": "waiting", "registered": False}, 200),
        ("/healthz", {"state": "closed", "registered": False}, 503),
        ("/readyz", {}, 200),
        ("/readyz", {"registered": False}, 503),
        ("/readyz", {"draining": True}, 503),
        ("/", {}, 200),
        ("/etc/passwd", {}, 404),
    ],
)
def test_answers(path: str, changes: dict[str, Any], code: int) -> None:
    assert answer(path, {**READY, **changes})[0] == code


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /readyz?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"HEAD / HTTP/1.1\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"\x00\x01\x02 nonsense\r\n\r\n", 400),
    ],
)
async def test_requests(request_bytes: bytes, code: int) -> None:
    server = HealthServer(lambda: READY, "127.0.0.1", 0)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    await server.close()
    await server.close()
    assert int(head.split()[1]) == code
    assert body == b"" if request_bytes.startswith(b"HEAD") else json.loads(body)


async def test_a_head_that_never_ends_is_cut_off() -> None:
    server = HealthServer(lambda: READY, "127.0.0.1", 0)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"x" * 20_000)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await server.close()
