"""Echo round trip in a LiveKit room: ``python -m bench.livekit_echo``, the transport against the plain SDK.

A person in this process gives short tones; an agent in another process sends back what it hears. Both agents are there
at the same time, each in a room of its own, and are asked in turn, so that they share whatever else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time

import numpy as np
from livekit import rtc

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.tones import tone_frames
from beluga_voice.transports.livekit import LiveKitTransport
from bench.report import machine

RATE, BURST, LOUD = 48_000, 0.1, 1500
PATIENCE = 1.5


async def echo_ours(url: str, token: str) -> None:
    transport = LiveKitTransport(bv.TransportConfig(url=url, token=token, sample_rate=RATE), features=())
    print("ready", flush=True)
    async for frame in transport.recv():
        await transport.send(frame)


async def echo_sdk(url: str, token: str) -> None:
    room, source = rtc.Room(), rtc.AudioSource(RATE, 1)
    tracks: asyncio.Queue[rtc.Track] = asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    await room.connect(url, token)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    print("ready", flush=True)
    async for event in rtc.AudioStream(await tracks.get(), sample_rate=RATE, num_channels=1):
        await source.capture_frame(event.frame)


class Person:
    """Sends all the time, mostly silence, and notes when it hears something."""

    def __init__(self) -> None:
        self.room, self.source = rtc.Room(), rtc.AudioSource(RATE, 1, queue_size_ms=0)
        self.sent_at: asyncio.Queue[float] = asyncio.Queue()
        self.heard_at: asyncio.Queue[float] = asyncio.Queue()
        self.burst = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self._heard = asyncio.Event()

    async def join(self, url: str, token: str) -> None:
        def subscribed(track: rtc.Track, *_: object) -> None:
            self._heard.set()
            self.tasks.append(asyncio.create_task(self._hear(track)))

        self.room.on("track_subscribed", subscribed)
        await self.room.connect(url, token)
        track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
        await self.room.local_participant.publish_track(track, options)
        self.tasks.append(asyncio.create_task(self._speak()))
        await self._heard.wait()

    async def _speak(self) -> None:
        size, left, began = RATE // 100, 0, time.monotonic()
        frames, sent = tone_frames(800, RATE, level=0.5, frame_ms=10), 0
        while True:
            if self.burst.is_set():
                self.burst.clear()
                left = int(BURST * 100)
                self.sent_at.put_nowait(time.monotonic())
            pcm, left = (next(frames), left - 1) if left else (bytes(2 * size), 0)
            await self.source.capture_frame(rtc.AudioFrame(pcm, RATE, 1, size))
            sent += 1
            await asyncio.sleep(max(0.0, began + sent * 0.01 - time.monotonic()))

    async def _hear(self, track: rtc.Track) -> None:
        quiet = 0
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=10):
            now = time.monotonic()
            samples = np.abs(np.frombuffer(bytes(event.frame.data), "<i2").astype(int))
            if (loud := np.flatnonzero(samples > LOUD)).size:
                if quiet > 20:
                    # The frame's last sample is the newest.
                    self.heard_at.put_nowait(now - (len(samples) - int(loud[0])) / RATE)
                quiet = 0
            else:
                quiet += 1

    async def round_trip(self) -> float | None:
        while not self.heard_at.empty():
            self.heard_at.get_nowait()
        self.burst.set()
        sent = await self.sent_at.get()
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.heard_at.get() - sent
        except TimeoutError:
            return None

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.room.disconnect()


async def measure(count: int) -> dict[str, list[float | None]]:
    took: dict[str, list[float | None]] = {}
    chance = random.Random(1)
    async with LiveKitServer() as server:
        people: dict[str, Person] = {}
        agents: list[asyncio.subprocess.Process] = []
        for kind in ("sdk", "ours"):
            token = server.token("agent", kind, kind="agent")
            agent = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.livekit_echo", "--agent", kind, server.url, token),
                stdout=asyncio.subprocess.PIPE,
            )
            agents.append(agent)
            people[kind] = Person()
            await people[kind].join(server.url, server.token("person", kind))
            took[kind] = []
        await asyncio.sleep(3.0)  # jitter buffers settle
        for _ in range(count):
            for kind, person in people.items():
                took[kind].append(await person.round_trip())
                await asyncio.sleep(0.4 + 0.1 * chance.random())
        for person in people.values():
            await person.leave()
        for agent in agents:
            agent.kill()
            await agent.wait()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="round trips of each")
    parser.add_argument("--agent", nargs=3, metavar=("KIND", "URL", "TOKEN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.agent:
        kind, url, token = options.agent
        asyncio.run(echo_ours(url, token) if kind == "ours" else echo_sdk(url, token))
        return
    print(json.dumps(machine()))
    p50: dict[str, float] = {}
    for kind, all_of in asyncio.run(measure(options.count)).items():
        heard = sorted(t * 1000 for t in all_of if t is not None)
        p50[kind] = statistics.median(heard)
        p95 = heard[int(0.95 * (len(heard) - 1))]
        print(
            f"{kind:4}: p50 {p50[kind]:5.1f} ms, p95 {p95:5.1f} ms, {len(heard)} of {len(all_of)} came back"
        )
    print(f"added by the transport: {p50['ours'] - p50['sdk']:+.1f} ms (goal: at most +30)")


if __name__ == "__main__":
    main()
