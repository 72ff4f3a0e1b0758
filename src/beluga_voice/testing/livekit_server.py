"""A real LiveKit server of your own on loopback, for tests and for trying things out."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from beluga_voice.errors import ConnectError
from beluga_voice.testing.livekit_program import find_livekit_server
from beluga_voice.testing.own_process import OwnProcess, free_port

__all__ = ["LiveKitServer", "find_livekit_server", "free_port"]

_READY_DEADLINE = 20.0
_TRIES = 3
_TAKEN = "address already in use"  # as Go says it


class LiveKitServer:
    """Runs ``livekit-server`` from `start` to `stop`; also an async context manager.

    Args:
        program: the server; found if None.
        config: more of the server's own configuration (its YAML as a dict), merged over ours.
        port: of the API and of signalling; 0 chooses a free one.
        api_key: of the only key pair.
        api_secret: 43 random characters if empty.
        redis: ``host:port`` of a Redis server; SIP trunks and rules need one.
        webhook_url: told of rooms and participants, signed with the key pair.
        log: file for the server's output; not kept if None.

    Attributes:
        url: ``ws://127.0.0.1:PORT``; stays the same over `restart` and `kill`.
        http_url: the same for the server APIs.
        port: of both.
        rtc_port: UDP port of the media.
        api_key: as given.
        api_secret: as given, or made.
    """

    def __init__(
        self,
        program: Path | None = None,
        *,
        config: dict[str, Any] | None = None,
        port: int = 0,
        api_key: str = "devkey",
        api_secret: str = "",
        redis: str = "",
        webhook_url: str = "",
        log: Path | None = None,
    ) -> None:
        self._program = program or find_livekit_server()
        self._process = OwnProcess("livekit-server", log)
        self._started = False
        self._fixed_port = port
        self._more = config or {}
        self.api_key, self.api_secret = api_key, api_secret or secrets.token_urlsafe(32)
        self._rest: dict[str, Any] = {
            "bind_addresses": ["127.0.0.1"],
            "keys": {self.api_key: self.api_secret},
            "logging": {"level": "info", "json": False},
        }
        if redis:
            self._rest["redis"] = {"address": redis}
        if webhook_url:
            self._rest["webhook"] = {"api_key": self.api_key, "urls": [webhook_url]}
        self._take_ports()

    def _take_ports(self) -> None:
        self.port = self._fixed_port or free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.http_url = f"http://127.0.0.1:{self.port}"
        self.rtc_port = free_port(socket.SOCK_DGRAM)
        self._config: dict[str, Any] = {
            "port": self.port,
            "rtc": {
                "tcp_port": 0,  # it would listen on every address
                "udp_port": self.rtc_port,
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "use_external_ip": False,
                "ips": {"includes": ["127.0.0.1/32"]},
            },
            **self._rest,
        }
        for key, value in self._more.items():
            old = self._config.get(key)
            self._config[key] = {**old, **value} if isinstance(old, dict) else value

    @property
    def pid(self) -> int | None:
        """The server's process, or None when it is not running."""
        return self._process.pid

    @property
    def program(self) -> Path:
        """The server's file."""
        return self._program

    async def start(self) -> None:
        """Starts the server and waits until it answers; does nothing while it runs.

        A port that was free may be taken by somebody else before the server has it: then the first start chooses
        others, and the attributes change.

        Raises:
            ConnectError: ``connection_failed`` if it ends or does not answer in 20 s; with its last words.
        """
        if self._process.pid is not None:
            return
        tries = 1 if self._started or self._fixed_port else _TRIES
        for left in reversed(range(tries)):
            try:
                if _taken(self.port):  # or we would take the other server's answer for ours
                    raise ConnectError("start_server", "connection_failed", _TAKEN)
                # The configuration is JSON, which is YAML too; the environment keeps the secret out of `ps`.
                await self._process.start(
                    [self._program],
                    self._answers,
                    environment={"LIVEKIT_CONFIG": json.dumps(self._config)},
                    deadline=_READY_DEADLINE,
                )
            except ConnectError as error:
                if _TAKEN not in error.message:
                    raise
                if not left:
                    what = f"livekit-server: a port is in use ({self.port} or UDP {self.rtc_port}); choose another"
                    raise ConnectError(error.op, error.code, what) from error
                self._take_ports()
            else:
                self._started = True
                return

    async def stop(self) -> None:
        """Ends the server within 5 s, whoever is still connected; idempotent."""
        await self._process.stop()

    async def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL); `start` brings it back on the same ports."""
        await self._process.kill()

    async def restart(self, *, crash: bool = False) -> None:
        """Ends the server, by `kill` if ``crash``, and starts it again on the same ports with the same keys."""
        await (self.kill() if crash else self.stop())
        await self.start()

    async def wait(self) -> None:
        """Returns when the server has ended by itself, or at once where it does not run."""
        while self._process.pid is not None and not self._process.ended:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)

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

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


def _taken(port: int) -> bool:
    """Whether somebody listens on ``port`` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
