"""Participants for the LiveKit benches, in processes of their own (see `main`).

``people`` and ``sdk`` use the plain SDK, ``ours`` the transport; everybody speaks a second of three and hears the
other.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from livekit import rtc

import beluga_voice as bv
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport

RATE, FRAME = 16_000, 640
SPEECH, CYCLE = 1.0, 3.0


class Sdk:
    """One participant as the SDK's own examples do it."""

    def __init__(self, url: str, token: str, hears: bool) -> None:
        self._url, self._token, self._hears = url, token, hears
        self._room = rtc.Room()
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        self._tasks: list[asyncio.Task[None]] = []
        self.frames = 0

    async def connect(self) -> None:
        self._room.on(
            "track_subscribed", lambda t, *_: self._tasks.append(asyncio.create_task(self._hear(t)))
        )
        await self._room.connect(self._url, self._token, rtc.RoomOptions(auto_subscribe=self._hears))
        track = rtc.LocalAudioTrack.create_audio_track("voice", self._source)
        await self._room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        )

    async def send(self, pcm: bytes) -> None:
        await self._source.capture_frame(rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._room.disconnect()

    async def _hear(self, track: rtc.Track) -> None:
        async for _ in rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=20):
            self.frames += 1


class Ours:
    """The same with the transport."""

    def __init__(self, url: str, token: str, bitrate: int) -> None:
        config = bv.TransportConfig(url=url, token=token, extra={"bitrate": bitrate})
        self._transport = LiveKitTransport(config, features=())
        self._hearing: asyncio.Task[None] | None = None
        self.frames = 0

    async def connect(self) -> None:
        await self._transport.connect()
        self._hearing = asyncio.create_task(self._hear())

    async def send(self, pcm: bytes) -> None:
        await self._transport.send(bv.AudioFrame(pcm, RATE))

    async def close(self) -> None:
        await self._transport.close()
        if self._hearing is not None:
            await self._hearing

    async def _hear(self) -> None:
        async for _ in self._transport.recv():
            self.frames += 1


async def speak(one: Any, begin: float, seconds: float) -> None:
    """Speaks from ``begin`` in turns until ``seconds`` later."""
    pcm = tone(SPEECH, RATE)
    frames = [pcm[i : i + FRAME] for i in range(0, len(pcm), FRAME)]
    at = begin
    while at < begin + seconds:
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, at + number * 0.02 - 0.04 - time.monotonic()))
            await one.send(frame)
        at += CYCLE


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


async def main(kind: str, url: str, tokens: list[str], seconds: float) -> None:
    made: list[Any] = []
    for token in tokens:
        # ours, or e.g. ours@32000 for another bitrate than the default.
        name, _, bitrate = kind.partition("@")
        ours = name == "ours"
        made.append(Ours(url, token, int(bitrate or 64_000)) if ours else Sdk(url, token, kind == "sdk"))
        await made[-1].connect()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    begin = time.monotonic() + 1.0
    speaking = [
        asyncio.create_task(speak(one, begin + CYCLE * i / len(made), seconds + 2))
        for i, one in enumerate(made)
    ]
    await asyncio.sleep(1.0)
    heard = sum(one.frames for one in made)
    cpu, thread, start = time.process_time(), time.thread_time(), time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - start
    figures = {
        "cpu": (time.process_time() - cpu) / took / len(made) * 100,
        "python": (time.thread_time() - thread) / took / len(made) * 100,
        "frames": (sum(one.frames for one in made) - heard) / took / len(made),
        "threads": threads(),
    }
    print(json.dumps(figures), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for task in speaking:
        task.cancel()
    for one in made:
        await one.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[4:], float(sys.argv[3])))
