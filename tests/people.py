"""Several people who talk to a session through a memory transport, each with a pitch of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from beluga_voice.frames import AudioFrame
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.memory import MemoryTransport

PITCHES = {"ann": 150.0, "bob": 250.0, "cem": 350.0, "dee": 450.0, "eve": 550.0, "flo": 650.0, "gus": 750.0}
_RATE = 16_000
_FRAME = 0.02

Stretches = Sequence[tuple[float, float]]


class People:
    """Feeds frames of 20 ms for everybody, in real time of the loop.

    Args:
        transports: where everybody is heard: of one agent, or of several in the same room.
    """

    def __init__(self, *transports: MemoryTransport) -> None:
        self.transports = transports

    async def talk(
        self, seconds: float, speech: Mapping[str, Stretches], *, silent: Sequence[str] = ()
    ) -> None:
        """``speech`` holds for each person when they speak: from and to, in seconds from now; ``silent`` listen."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        quiet = bytes(int(_RATE * _FRAME) * 2)
        sound = {who: tone(_FRAME, _RATE, PITCHES.get(who, 1000.0)) for who in speech}
        for index in range(round(seconds / _FRAME)):
            at = index * _FRAME
            for who in (*speech, *silent):
                loud = any(start <= at < end for start, end in speech.get(who, ()))
                frame = AudioFrame(sound[who] if loud else quiet, _RATE, participant=who)
                for transport in self.transports:
                    transport.feed(frame)
            await asyncio.sleep(max(0.0, begin + at + _FRAME - loop.time()))

    def join(self, who: str, name: str = "", **data: object) -> None:
        """The transports tell that somebody came."""
        self._tell(who, "joined", {"name": name, **data})

    def leave(self, who: str) -> None:
        """… or went."""
        self._tell(who, "left", {})

    def mute(self, who: str) -> None:
        """… or muted the microphone."""
        self._tell(who, "muted", {})

    def _tell(self, who: str, phase: str, data: object) -> None:
        for transport in self.transports:
            transport.control({"type": "participant", "identity": who, "phase": phase, "data": data})
