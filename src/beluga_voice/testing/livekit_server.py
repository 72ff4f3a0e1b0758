"""A real LiveKit server of your own on loopback, for tests and for trying things out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from beluga_voice.errors import ConfigError, ConnectError

__all__ = ["LiveKitServer", "find_livekit_server", "free_port"]

_READY_DEADLINE = 20.0


def find_livekit_server() -> Path:
    """The program: ``LIVEKIT_SERVER``, one on the PATH, or the one ``scripts/livekit`` built.

    Raises:
        ConfigError: ``invalid_config`` with what to install, if there is none.
    """
    named = os.environ.get("LIVEKIT_SERVER") or shutil.which("livekit-server")
    if named:
        return Path(named)
    built = sorted((Path(__file__).parents[3] / ".cache" / "livekit").glob("livekit-server-*"))
    if built:
        return built[-1]
    raise ConfigError(
        "livekit_server",
        "invalid_config",
        "no livekit-server found: run scripts/livekit in a checkout (it needs Go), install one from "
        "https://docs.livekit.io/home/self-hosting/local/, or set LIVEKIT_SERVER to its path",
    )


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveKitServer:
    """Runs ``livekit-server`` from `start` to `stop`; also an async context manager.

    Args:
        program: the server; found if None.
        config: more of the server's own configuration (its YAML as a dict), merged over ours.
        redis: ``host:port`` of a Redis server; SIP services need one.
        webhook_url: told of rooms and participants.
        log: file for the server's output; thrown away if None.

    Attributes:
        url: ``ws://127.0.0.1:PORT``; stays the same over `restart`.
        api_key: of the only key pair.
        api_secret: 43 random characters.
    """

    def __init__(
        self,
        program: Path | None = None,
        *,
        config: dict[str, Any] | None = None,
        redis: str = "",
        webhook_url: str = "",
        log: Path | None = None,
    ) -> None:
        self._program = program or find_livekit_server()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.api_key, self.api_secret = "devkey", secrets.token_urlsafe(32)
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.http_url = f"http://127.0.0.1:{self.port}"
        self.rtc_port = free_port(socket.SOCK_DGRAM)
        self._config: dict[str, Any] = {
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "tcp_port": free_port(),
                "udp_port": self.rtc_port,
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "use_external_ip": False,
            },
            "keys": {self.api_key: self.api_secret},
            "logging": {"level": "info", "json": False},
        }
        if redis:
            self._config["redis"] = {"address": redis}
        if webhook_url:
            self._config["webhook"] = {"api_key": self.api_key, "urls": [webhook_url]}
        for key, value in (config or {}).items():
            old = self._config.get(key)
            self._config[key] = {**old, **value} if isinstance(old, dict) else value

    @property
    def pid(self) -> int | None:
        """The server's process, or None when it is not running."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Starts the server and waits until it answers.

        Raises:
            ConnectError: ``connection_failed`` if it ends or does not answer in 20 s.
        """
        if self._process is not None:
            return
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(self._log.open("ab")) if self._log else subprocess.DEVNULL
            # The configuration is JSON, which is YAML too; it goes by the environment so that no secret shows in `ps`.
            environment = {**os.environ, "LIVEKIT_CONFIG": json.dumps(self._config)}
            self._process = subprocess.Popen(  # noqa: ASYNC220 - forking takes a millisecond
                [self._program], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
            )
        try:
            async with asyncio.timeout(_READY_DEADLINE):
                while not await asyncio.to_thread(self._answers):
                    if self._process.poll() is not None:
                        raise self._failed(f"ended with status {self._process.returncode}")
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            await self.kill()
            raise self._failed(f"did not answer in {_READY_DEADLINE:g} s") from error

    async def stop(self) -> None:
        """Ends the server (SIGTERM, after 3 s SIGKILL); idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 3.0)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL); `start` brings it back on the same ports."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def token(self, identity: str, room: str, **claims: Any) -> str:
        """A token to join ``room``; ``claims`` as in `beluga_voice.livekit.tokens.room_token`."""
        from beluga_voice.livekit.tokens import ApiKey, room_token

        return room_token(ApiKey(self.api_key, self.api_secret), identity, room, **claims)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.http_url, timeout=1.0) as reply:
                return reply.status == 200
        except OSError:
            return False

    def _failed(self, what: str) -> ConnectError:
        where = f"; its output is in {self._log}" if self._log else "; pass log=FILE to see its output"
        return ConnectError("livekit_server", "connection_failed", f"livekit-server {what}{where}")
