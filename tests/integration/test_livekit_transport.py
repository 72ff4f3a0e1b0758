"""The LiveKit transport against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport


def transport(server: LiveKitServer, identity: str, room: str = "room", **extra: Any) -> LiveKitTransport:
    keys = {"api_key": server.api_key, "api_secret": server.api_secret}
    extra = {**keys, "room": room, "identity": identity, "hear": "everyone", **extra}
    made = bv.transport.new("livekit", bv.TransportConfig(url=server.url, extra=extra))
    assert isinstance(made, LiveKitTransport)
    return made


async def say(one: LiveKitTransport, pcm: bytes) -> None:
    for at in range(0, len(pcm), 640):
        await one.send(bv.AudioFrame(pcm[at : at + 640]))


def loud(frames: list[bv.AudioFrame]) -> float:
    """Seconds of sound."""
    return sum(f.duration for f in frames if np.abs(np.frombuffer(f.data, "<i2").astype(int)).mean() > 500)


async def test_what_one_says_the_other_hears(livekit_server: LiveKitServer) -> None:
    a, b = transport(livekit_server, "a"), transport(livekit_server, "b", audio="each")
    told: list[Any] = []
    b.on_control(told.append)
    heard: list[bv.AudioFrame] = []

    async def hear() -> None:
        async for frame in b.recv():
            heard.append(frame)

    await a.connect()
    hearing = asyncio.create_task(hear())
    await b.connect()
    await say(a, tone(1.0))
    await a.publish_data(b"note", "topic")
    await a.set_attributes({"mood": "calm"})
    async with asyncio.timeout(10):
        while loud(heard) < 0.9 or not any(m.get("phase") == "attributes" for m in told):
            await asyncio.sleep(0.05)
    await a.close()
    async with asyncio.timeout(10):
        while not any(m.get("phase") == "left" for m in told):
            await asyncio.sleep(0.05)
    await b.close()
    await hearing
    assert {f.participant for f in heard} == {"a"}
    assert {(f.sample_rate, f.channels, f.samples) for f in heard} == {(16_000, 1, 320)}
    assert loud(heard) < 1.2
    phases = [m.get("phase") or m["state"] for m in told]
    assert phases[:3] == ["connected", "joined", "track_published"]
    assert {"data", "attributes", "left"} < set(phases)
    for use in (b.recv().__anext__(), b.send(bv.AudioFrame(bytes(640)))):
        with pytest.raises(bv.ConnectError, match="connection_failed"):
            await use
    await b.close()
