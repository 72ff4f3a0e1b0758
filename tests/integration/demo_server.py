"""``beluga-voice demo`` in a process of its own, for browser tests."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any


class DemoServer:
    """The command on a free port.

    Args:
        log: takes what it prints.
        arguments: more of the command.
        environment: variables besides the test's own.
    """

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        self._log = log
        command = Path(sys.executable).with_name("beluga-voice")
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(command), "demo", "--port", str(self.port), "--no-browser", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )

    def wait(self) -> DemoServer:
        """Returns once it answers."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                self.health()
                return self
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise AssertionError(f"the server did not start:\n{self._log.read_text()}")

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}healthz", timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
        return body

    def sessions(self) -> tuple[int, int]:
        """Sessions of the backend, and connections of the server."""
        health = self.health()
        return health["details"]["active_sessions"], health["connections"]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


async def no_sessions(server: DemoServer, within: float) -> None:
    """Waits until nothing is left of any call."""
    deadline = asyncio.get_running_loop().time() + within
    while (counts := await asyncio.to_thread(server.sessions)) != (0, 0):
        assert asyncio.get_running_loop().time() < deadline, f"sessions and connections left: {counts}"
        await asyncio.sleep(0.1)
