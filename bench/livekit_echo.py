"""Echo round trip in a LiveKit room: how much later a voice comes back from the transport than from the plain SDK.

A person in this process gives short tones; an agent in another process sends back what it hears, with the SDK as its
own examples use it, or with the transport as it is by default. All agents are there at the same time, each in a room
of its own on one server, and are asked by turns, so that they share whatever else the machine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time

import numpy as np
from livekit import rtc

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.tones import tone_frames
from beluga_voice.transports.livekit import LiveKitTransport
from bench.figures import Result, median, percentile

__all__ = ["measure"]

RATE, BURST, LOUD = 48_000, 0.1, 1500
KINDS = {"sdk": 48_000, "ours": 16_000, "ours, 48 kHz": 48_000}
# A tone that takes longer to come back has been lost.
_PATIENCE = 1.5
_JOINS, _QUICK_JOINS, _ROUNDS = 5, 1, 25


def measure(quick: bool) -> Result:
    took = asyncio.run(_measure(_QUICK_JOINS if quick else _JOINS, _ROUNDS))
    result = Result(data=took)
    for kind, all_of in took.items():
        heard = [t for t in all_of if t is not None]
        result.add_times(f"echo round trip, {kind}", heard)
        if kind == "sdk":
            continue
        pairs = [o - s for o, s in zip(all_of, took["sdk"], strict=True) if o is not None and s is not None]
        lost = f"; {len(all_of) - len(heard)} lost" if len(heard) < len(all_of) else ""
        result.add(
            f"echo: added to the SDK's round trip, {kind}",
            median(pairs) * 1000,
            "ms",
            30,
            f"of pairs; p95 {percentile(pairs, 95) * 1000:.0f} ms of {len(pairs)}{lost}",
        )
    return result


async def echo_ours(url: str, token: str, rate: int) -> None:
    config = bv.TransportConfig(url=url, token=token, sample_rate=rate)
    transport = LiveKitTransport(config)
    await transport.connect()
    print("ready", flush=True)
    async for frame in transport.recv():
        await transport.send(frame)


async def echo_sdk(url: str, token: str, rate: int) -> None:
    room, source = rtc.Room(), rtc.AudioSource(rate, 1)
    tracks: asyncio.Queue[rtc.Track] = asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    await room.connect(url, token)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    print("ready", flush=True)
    async for event in rtc.AudioStream(await tracks.get(), sample_rate=rate, num_channels=1):
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
        async with asyncio.timeout(30):
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
            async with asyncio.timeout(_PATIENCE):
                return await self.heard_at.get() - sent
        except TimeoutError:
            return None

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.room.disconnect()


async def _measure(joins: int, rounds: int) -> dict[str, list[float | None]]:
    took: dict[str, list[float | None]] = {kind: [] for kind in KINDS}
    chance = random.Random(1)
    for _ in range(joins):  # what queued up while it joined stays as long as an echo has no pause
        async with LiveKitServer() as server, contextlib.AsyncExitStack() as stack:
            people: dict[str, Person] = {}
            for kind, rate in chance.sample(sorted(KINDS.items()), len(KINDS)):
                token = server.token("agent", kind, kind="agent")
                agent = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "bench.livekit_echo", kind, server.url, token, str(rate)),
                    stdout=asyncio.subprocess.PIPE,
                )
                stack.push_async_callback(_end, agent)
                assert agent.stdout is not None
                async with asyncio.timeout(30):
                    assert (await agent.stdout.readline()).strip() == b"ready"
                people[kind] = Person()
            # Nobody speaks while others are still starting.
            for kind, person in people.items():
                stack.push_async_callback(person.leave)
                await person.join(server.url, server.token("person", kind))
            await asyncio.sleep(3.0)  # jitter buffers settle
            order = list(people)
            for _ in range(rounds):
                chance.shuffle(order)
                for kind in order:
                    took[kind].append(await people[kind].round_trip())
                    await asyncio.sleep(0.3 + 0.1 * chance.random())
    return took


async def _end(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


if __name__ == "__main__":
    asyncio.run((echo_sdk if sys.argv[1] == "sdk" else echo_ours)(*sys.argv[2:4], int(sys.argv[4])))
