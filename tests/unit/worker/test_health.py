from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from beluga_voice.errors import CODES
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
    ("path", "changes", "code", "message"),
    [
        ("/healthz", {"state": "closed"}, "session_not_active", "has ended"),
        ("/readyz", {"registered": False, "problem": "no route"}, "connection_failed", "no route"),
        ("/readyz", {"draining": True}, "session_limit_exceeded", "draining"),
        ("/etc/passwd", {}, "not_found", "/readyz"),
    ],
)
def test_a_refusal_has_a_code(path: str, changes: dict[str, Any], code: str, message: str) -> None:
    error = answer(path, {**READY, **changes})[1]["error"]
    assert error["code"] == code and code in CODES
    assert message in error["message"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_what_is_well_has_no_error(path: str) -> None:
    assert "error" not in answer(path, READY)[1]


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
