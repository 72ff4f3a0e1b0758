"""Runs the application on uvicorn, and says clearly when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Generator
from typing import Any

import uvicorn

from beluga_voice.errors import ConnectError

__all__ = ["loop_factory", "serve"]

_END_DEADLINE = 15.0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the faster event loop for ``asyncio.Runner(loop_factory=…)``: uvloop's, or None if not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


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
        ConnectError: ``connection_failed`` if the port is in use or not allowed, or the application does not start.
    """
    listener = _listen(host, port)
    logging.getLogger("uvicorn.error").addFilter(_no_refusals)
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
    began = asyncio.create_task(server.began.wait(), name="uvicorn-began")
    try:
        with _signals(server):
            await asyncio.wait([task, began], return_when=asyncio.FIRST_COMPLETED)
            if ready is not None and server.started:
                name = f"[{host}]" if ":" in host else host
                ready(f"http://{name}:{listener.getsockname()[1]}")
            await asyncio.shield(task)
    except asyncio.CancelledError:
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_DEADLINE):
                await task
        raise
    finally:
        began.cancel()
        await asyncio.wait([began])
        listener.close()


def _no_refusals(record: logging.LogRecord) -> bool:
    """A WebSocket refused with a status is no mistake of the application, as uvicorn (0.54) takes it for."""
    return record.msg != "ASGI callable returned without completing handshake."


class _Server(uvicorn.Server):
    """Ends conversations before connections, so that every client is told why."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.began = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn, which would end the process here if the application does not start."""
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise ConnectError(
                "serve", "connection_failed", "the application did not start; the log above says why"
            ) from error
        self.began.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn when it is to end."""
        voice = getattr(getattr(self.config.app, "state", None), "voice", None)
        if voice is not None:
            await voice.stop_sessions()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Nothing: uvicorn would raise the signal again at the end, and so kill what the caller has to close."""
        yield


@contextlib.contextmanager
def _signals(server: _Server) -> Generator[None]:
    """SIGINT and SIGTERM end the server; a second one does not wait for anybody."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers, and a thread that is not the main one may not set them.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, server.handle_exit, number, None)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConnectError(
            "serve",
            "connection_failed",
            f"cannot listen on {host}:{port} ({getattr(error, 'strerror', None) or error}); choose another --port",
        ) from error
    listener.setblocking(False)
    return listener
