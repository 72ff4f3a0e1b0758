"""No framework at all: what microphones, loudspeakers and their clocks cost by themselves."""

from __future__ import annotations

import asyncio
import platform
from typing import Any

import harness
from person import Person
from usage import OWN


class Floor:
    """Hears nothing, says nothing."""

    name = "no framework"
    version = platform.python_version()
    settings = "the bench's own microphones"

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Nothing to load."""

    async def open(self, person: Person) -> None:
        """A microphone nobody listens to."""
        self._tasks.append(asyncio.create_task(self._speak(person), name=OWN + "speak"))

    async def _speak(self, person: Person) -> None:
        while True:
            await person.next_frame()
            person.microphone.hears.clear()


def make(job: dict[str, Any]) -> harness.System:
    return Floor()


if __name__ == "__main__":
    harness.main(make)
