"""The tone test: everybody in a room gives a tone of their own, and every ear hears exactly the others."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from livekit_people import RATE, until

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.tones import ToneProbe, tone_frames, tone_frequencies
from beluga_voice.transports.livekit import LiveKitTransport

TONES = tone_frequencies(6)


class Singer:
    """Gives one tone and listens for all."""

    def __init__(self, server: LiveKitServer, number: int, kind: str, audio: str) -> None:
        self.identity = f"{kind}-{number}"
        self.tone = TONES[number]
        token = server.token(self.identity, "choir", kind=kind)
        config = bv.TransportConfig(url=server.url, token=token, extra={"hear": "everyone", "audio": audio})
        self.transport = LiveKitTransport(config, features=())
        self.probes: dict[str, ToneProbe] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        await self.transport.connect()
        self.tasks = [asyncio.create_task(self._sing()), asyncio.create_task(self._hear())]

    async def _sing(self) -> None:
        for pcm in tone_frames(self.tone, RATE):
            await self.transport.send(bv.AudioFrame(pcm, RATE))

    async def _hear(self) -> None:
        async for frame in self.transport.recv():
            self.probes.setdefault(frame.participant, ToneProbe(TONES, RATE)).feed(frame.data)

    def heard(self) -> dict[str, frozenset[float]]:
        return {identity: probe.heard() for identity, probe in self.probes.items()}

    def forgot(self, other: Singer) -> bool:
        """Whether nothing of ``other`` came since this was asked before."""
        return self.probes.pop(other.identity, None) is None

    def check(self) -> None:
        for task in self.tasks:
            assert not task.done(), task

    async def end(self) -> None:
        self.tasks[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.tasks[0]
        await self.transport.close()
        await self.tasks[1]


@pytest.mark.parametrize("audio", ["mixed", "each"])
@pytest.mark.parametrize(("people", "agents"), [(5, 1), (1, 5)])
async def test_every_ear_hears_exactly_the_others(
    livekit_server: LiveKitServer, people: int, agents: int, audio: str
) -> None:
    kinds = ["standard"] * people + ["agent"] * agents
    choir = [Singer(livekit_server, n, kind, audio) for n, kind in enumerate(kinds)]
    for singer in choir:
        await singer.begin()
    expected: dict[str, dict[str, frozenset[float]]] = {}
    for ear in choir:
        others = [s for s in choir if s is not ear]
        labelled = {s.identity: frozenset({s.tone}) for s in others}
        mixed = {"": frozenset(s.tone for s in others)}
        expected[ear.identity] = mixed if audio == "mixed" else labelled

    try:
        with contextlib.suppress(TimeoutError):
            await until(lambda: {s.identity: s.heard() for s in choir} == expected, 30)
        assert {s.identity: s.heard() for s in choir} == expected
        # One falls silent and leaves: nobody hears it any more, and nothing else changes for the others.
        gone, *rest = choir
        await gone.end()
        for ear in rest:
            if audio == "mixed":
                expected[ear.identity] = {"": expected[ear.identity][""] - {gone.tone}}
            else:
                del expected[ear.identity][gone.identity]
        del expected[gone.identity]
        with contextlib.suppress(TimeoutError):
            await until(lambda: all([ear.forgot(gone) for ear in rest]))
            await until(lambda: {s.identity: s.heard() for s in rest} == expected, 30)
        for singer in rest:
            singer.check()
        assert {s.identity: s.heard() for s in rest} == expected
    finally:
        for singer in choir:
            await singer.end()
