"""Servers that tests talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from demo_server import DemoServer

from beluga_voice.testing.livekit_server import LiveKitServer


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    made = DemoServer(tmp_path_factory.mktemp("demo") / "server.log").wait()
    yield made
    made.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., DemoServer]]:
    """Makes a server that the test may fill or kill."""
    made: list[DemoServer] = []

    def make(*arguments: str, **environment: str) -> DemoServer:
        made.append(DemoServer(tmp_path / "server.log", *arguments, **environment))
        return made[-1].wait()

    yield make
    for one in made:
        one.stop()


@pytest.fixture
async def livekit_server(tmp_path: Path) -> AsyncIterator[LiveKitServer]:
    """A real LiveKit server of the test's own."""
    async with LiveKitServer(log=tmp_path / "livekit.log") as server:
        yield server
