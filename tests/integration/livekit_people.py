"""People in LiveKit rooms for tests: transports, and participants of the plain SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from livekit import rtc

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport

RATE = 16_000


def transport(
    server: LiveKitServer, identity: str = "agent", room: str = "room", **extra: Any
) -> LiveKitTransport:
    keys = {"api_key": server.api_key, "api_secret": server.api_secret}
    url, features = extra.pop("url", server.url), extra.pop("features", ())
    config = bv.TransportConfig(
        url=url,
        sample_rate=extra.pop("sample_rate", RATE),
        connect_timeout=extra.pop("connect_timeout", 10.0),
        extra={**keys, "room": room, "identity": identity, "hear": "everyone", **extra},
    )
    return LiveKitTransport(config, features)


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Waits for a true value and returns it."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found


async def say(one: LiveKitTransport, pcm: bytes) -> None:
    for at in range(0, len(pcm), 640):
        await one.send(bv.AudioFrame(pcm[at : at + 640]))


def loud(frames: list[bv.AudioFrame]) -> float:
    """Seconds of sound."""
    return sum(f.duration for f in frames if np.abs(np.frombuffer(f.data, "<i2").astype(int)).mean() > 300)


class Listener:
    """Collects what a transport hears and tells, from now until it ends."""

    def __init__(self, one: LiveKitTransport) -> None:
        self.frames: list[bv.AudioFrame] = []
        self.told: list[Mapping[str, Any]] = []
        one.on_control(self.told.append)
        self._transport = one
        self.task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        async for frame in self._transport.recv():
            self.frames.append(frame)

    @property
    def states(self) -> list[str]:
        return [m["state"] for m in self.told if m["type"] == "transport"]

    def phases(self, identity: str = "") -> list[str]:
        return [
            m["phase"]
            for m in self.told
            if m["type"] == "participant" and (not identity or m["identity"] == identity)
        ]

    async def ended(self) -> BaseException | None:
        """Waits until hearing ends; how."""
        await asyncio.wait([self.task], timeout=15)
        assert self.task.done(), "hearing did not end"
        return self.task.exception()


class Person:
    """A participant of the plain SDK that can speak; ``with`` leaves the room."""

    def __init__(
        self,
        server: LiveKitServer,
        identity: str,
        room: str = "room",
        *,
        rate: int = 48_000,
        channels: int = 1,
        kind: str = "standard",
    ) -> None:
        self._server = server
        self.identity, self._name, self._kind = identity, room, kind
        self._rate, self._channels = rate, channels
        self.room = rtc.Room()
        self.tracks: asyncio.Queue[rtc.Track] = asyncio.Queue()
        self.room.on("track_subscribed", lambda track, *_: self.tracks.put_nowait(track))
        self._source: rtc.AudioSource | None = None
        self.publication: rtc.LocalTrackPublication | None = None
        self._speaking: asyncio.Task[None] | None = None

    async def join(self, *, publish: bool = True) -> Person:
        token = self._server.token(self.identity, self._name, kind=self._kind, can_update_own_metadata=True)
        await self.room.connect(self._server.url, token)
        if publish:
            await self.publish()
        return self

    async def publish(self) -> None:
        self._source = rtc.AudioSource(self._rate, self._channels, queue_size_ms=200)
        track = rtc.LocalAudioTrack.create_audio_track("voice", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self.publication = await self.room.local_participant.publish_track(track, options)

    def hum(self, hertz: float = 440.0, level: float = 0.2) -> None:
        """Sounds until told otherwise."""
        pcm = tone(1.0, self._rate, hertz, level)
        if self._channels == 2:
            pcm = np.repeat(np.frombuffer(pcm, "<i2"), 2).tobytes()
        self.hush()
        self._speaking = asyncio.create_task(self._speak(pcm))

    def play(self, pcm: bytes) -> None:
        """Says interleaved samples over and over."""
        self.hush()
        self._speaking = asyncio.create_task(self._speak(pcm))

    def hush(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
            self._speaking = None

    async def _speak(self, pcm: bytes) -> None:
        assert self._source is not None
        size = self._rate // 50 * 2 * self._channels
        while True:
            for at in range(0, len(pcm), size):
                piece = pcm[at : at + size]
                samples = len(piece) // (2 * self._channels)
                await self._source.capture_frame(rtc.AudioFrame(piece, self._rate, self._channels, samples))

    async def leave(self) -> None:
        self.hush()
        await self.room.disconnect()
        if self._source is not None:
            await self._source.aclose()

    async def __aenter__(self) -> Person:
        return await self.join()

    async def __aexit__(self, *_: object) -> None:
        await self.leave()
