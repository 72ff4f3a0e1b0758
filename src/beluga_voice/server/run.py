"""Runs the application on uvicorn, and says clearly when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from beluga_voice.errors import ConnectError

__all__ = ["serve"]


async def serve(
    app: Any,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    ready: Callable[[str], None] | None = None,
    max_message: int = 1024 * 1024,
) -> None:
    """Serves until a signal (SIGINT, SIGTERM) or cancellation, then ends all conversations.

    Args:
        app: ASGI application.
        host: address to listen on.
        port: 0 chooses a free one.
        ready: called with the URL once requests are answered.
        max_message: largest WebSocket message in bytes; larger ones close the connection with 1009.

    Raises:
        ConnectError: ``connection_failed`` if the port is in use or not allowed.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=max_message,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 uvicorn has no event for it
            await asyncio.sleep(0.01)
        if ready is not None and server.started:
            name = f"[{host}]" if ":" in host else host
            ready(f"http://{name}:{listener.getsockname()[1]}")
        await asyncio.shield(task)
    except asyncio.CancelledError:
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await task
        raise
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """Ends conversations before connections, so that every client is told why."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn when it is to end."""
        voice = getattr(getattr(self.config.app, "state", None), "voice", None)
        if voice is not None:
            await voice.stop_sessions()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConnectError(
            "serve",
            "connection_failed",
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port",
        ) from error
    listener.setblocking(False)
    return listener
