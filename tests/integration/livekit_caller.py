"""A person in a LiveKit room with the plain SDK: speaks sentences, listens, and knows when what was heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from chromium import speak
from livekit import rtc

from beluga_voice.testing.livekit_server import LiveKitServer

RATE = 48_000
FRAME = RATE // 50
# RMS of a 20 ms frame, of full scale, above which it is sound.
LOUD = 0.005


class Caller:
    """One participant.

    Attributes:
        events: what came on ``beluga.events``, each with ``heard_at``, seconds on the loop's clock.
        levels: (time, RMS) of each 20 ms frame heard of the agent.
        frames: what was heard of the agent, 16 kHz mono.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.room = rtc.Room()
        self.events: list[dict[str, Any]] = []
        self.levels: list[tuple[float, float]] = []
        self.frames: list[np.ndarray] = []
        self.disconnected = ""
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=200)
        self._tasks: set[asyncio.Task[None]] = set()
        self.room.on("data_received", self._on_data)
        self.room.on("track_subscribed", self._on_track)
        self.room.on("disconnected", lambda reason: setattr(self, "disconnected", str(reason)))

    async def join(self, url: str, token: str, *, microphone: bool = True) -> None:
        await self.room.connect(url, token)
        if microphone:
            track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            await self.room.local_participant.publish_track(track, options)

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()
        await self._source.aclose()

    async def say(self, text: str, *, silence: float = 0.5) -> tuple[float, float]:
        """Speaks in real time; returns when the voice began and ended, on the loop's clock."""
        samples = (speak(text) * 32767 * 0.7).astype(np.int16)
        start = asyncio.get_running_loop().time()
        await self.play(samples)
        end = start + len(samples) / RATE
        await self.play(np.zeros(int(RATE * silence), np.int16))
        return start, end

    async def play(self, samples: np.ndarray) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for n, at in enumerate(range(0, len(samples), FRAME)):
            piece = samples[at : at + FRAME]
            piece = np.pad(piece, (0, FRAME - len(piece)))
            await self._source.capture_frame(rtc.AudioFrame(piece.tobytes(), RATE, 1, FRAME))
            await asyncio.sleep(max(0.0, start + (n + 1) * 0.02 - 0.04 - loop.time()))

    async def event(self, type_: str, timeout: float = 20.0, **facts: Any) -> dict[str, Any]:
        """The first event with these facts, when it has come."""

        def found() -> dict[str, Any] | None:
            for event in self.events:
                if event["type"] == type_ and all(event.get(k) == v for k, v in facts.items()):
                    return event
            return None

        return await until(
            found, timeout, lambda: f"no {type_} {facts} among {[e['type'] for e in self.events]}"
        )

    def of(self, type_: str, **facts: Any) -> list[dict[str, Any]]:
        return [e for e in self.events if e["type"] == type_ and all(e.get(k) == v for k, v in facts.items())]

    def first_sound_after(self, at: float) -> float:
        """When the agent was first heard after ``at``."""
        return next(t for t, level in self.levels if t > at and level > LOUD)

    def silent_from(self, at: float, quiet: float = 0.3) -> float:
        """When the agent fell silent after ``at`` for ``quiet`` seconds at least."""
        last = at
        for t, level in self.levels:
            if t <= at:
                continue
            if level > LOUD:
                if t - last > quiet:
                    return last
                last = t
        return last

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic == "beluga.events":
            self.events.append({**json.loads(packet.data), "heard_at": asyncio.get_running_loop().time()})

    def _on_track(self, track: rtc.Track, *_: Any) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            task = asyncio.create_task(self._listen(track))
            self._tasks.add(task)

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16)
                self.frames.append(samples)
                level = float(np.sqrt(np.mean((samples / 32768.0) ** 2)))
                self.levels.append((asyncio.get_running_loop().time(), level))
        finally:
            await stream.aclose()


async def until(
    condition: Callable[[], Any], timeout: float = 15.0, why: Callable[[], str] | None = None
) -> Any:
    try:
        async with asyncio.timeout(timeout):
            while not (found := condition()):
                await asyncio.sleep(0.02)
        return found
    except TimeoutError:
        raise AssertionError(why() if why is not None else "it did not happen in time") from None


@asynccontextmanager
async def caller(
    server: LiveKitServer, room: str, identity: str = "ann", **claims: Any
) -> AsyncIterator[Caller]:
    """Somebody in ``room`` until the block ends."""
    one = Caller(identity)
    await one.join(server.url, server.token(identity, room, **claims))
    try:
        yield one
    finally:
        await one.leave()
