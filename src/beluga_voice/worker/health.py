"""A tiny HTTP endpoint for balancers and people: ``/healthz``, ``/readyz`` and ``/`` with everything as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from beluga_voice.errors import ConnectError

__all__ = ["HealthServer"]

_DEADLINE = 5.0
_MAX_CONNECTIONS = 64
_MAX_HEAD = 8192


class HealthServer:
    """Answers GET and HEAD from `start` to `close`; one request for each connection.

    Args:
        status: the worker's facts; ``registered`` and ``draining`` decide on ``/readyz``, ``problem`` with a state of
            ``closed`` on ``/healthz``.
        host: address to listen on.
        port: 0 chooses a free one.

    Attributes:
        port: where it listens.
    """

    def __init__(self, status: Callable[[], dict[str, Any]], host: str, port: int) -> None:
        self._status = status
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listens.

        Raises:
            ConnectError: ``connection_failed`` if the port is in use or not allowed.
        """
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self.port, limit=_MAX_HEAD)
        except (OSError, OverflowError) as error:
            raise ConnectError(
                "worker",
                "connection_failed",
                f"health endpoint: cannot listen on {self._host}:{self.port} "
                f"({getattr(error, 'strerror', None) or error}); choose another --health-port, or 0 for none",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops listening; idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MAX_CONNECTIONS:
                async with asyncio.timeout(_DEADLINE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._reply(head))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, slow or no HTTP client
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    def _reply(self, head: bytes) -> bytes:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _response(400, _refused({}, "invalid_format", "this is no HTTP request"))
        method, path = words[0], words[1].split("?", 1)[0]
        if method not in ("GET", "HEAD"):
            return _response(405, _refused({}, "invalid_format", "use GET"))
        code, body = answer(path, self._status())
        return _response(code, body, with_body=method == "GET")


def answer(path: str, status: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """HTTP status and body for a path."""
    short = {name: status.get(name) for name in ("state", "problem")}
    match path:
        case "/healthz":
            if status.get("state") == "closed":
                return 503, _refused(short, "session_not_active", "the worker has ended")
            return 200, short
        case "/readyz":
            if status.get("draining"):
                return 503, _refused(
                    short, "session_limit_exceeded", "the worker is draining: it takes no new jobs"
                )
            if not status.get("registered"):
                why = status.get("problem") or "it is not registered at the LiveKit server"
                return 503, _refused(short, "connection_failed", f"the worker takes no jobs: {why}")
            return 200, short
        case "/":
            return 200, status
        case _:
            return 404, _refused({}, "not_found", "there are /, /healthz and /readyz")


def _refused(facts: dict[str, Any], code: str, message: str) -> dict[str, Any]:
    return {**facts, "error": {"code": code, "message": message}}


_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


def _response(code: int, body: dict[str, Any], *, with_body: bool = True) -> bytes:
    data = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {code} {_REASONS[code]}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (data if with_body else b"")
