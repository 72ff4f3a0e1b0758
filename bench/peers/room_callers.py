"""Callers in LiveKit rooms with the plain SDK, in a process of their own; one to a room.

Reads a job from the first line of stdin and joins. Any line after that begins the conversations; when they are over
it writes what the callers heard.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import numpy as np
from livekit import rtc
from person import FRAME, RATE, Person, load
from results import measured

# Of full scale: the agent's voice is a tone of 0.17.
_LOUD = 0.02
_TAIL = 2.0


class Caller:
    """One participant who follows the schedule of a `Person`."""

    def __init__(self, person: Person, room: tuple[bytes, ...]) -> None:
        self.person = person
        self.first_heard = 0.0
        self._noise = room
        self._room = rtc.Room()
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        self._tasks: set[asyncio.Task[None]] = set()
        self._begin = 0.0
        self._room.on("track_subscribed", self._on_track)

    async def join(self, url: str, token: str) -> None:
        await self._room.connect(url, token)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self._room.local_participant.publish_track(track, options)
        self._tasks.add(asyncio.create_task(self._speak()))

    def begin(self, at: float) -> None:
        """Speaks by the schedule from ``at`` on."""
        self._begin = at

    async def _speak(self) -> None:
        loop, number = asyncio.get_running_loop(), 0
        due = loop.time()
        while not self._begin or due < self._begin:
            due += FRAME
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._send(self._noise[number % len(self._noise)])
            number += 1
        self.person.start(due)
        while True:
            await self._send(await self.person.next_frame())

    async def _send(self, pcm: bytes) -> None:
        await self._source.capture_frame(rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2))

    def _on_track(self, track: rtc.Track, *_: Any) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._tasks.add(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: rtc.Track) -> None:
        loop = asyncio.get_running_loop()
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=20):
            pcm = bytes(event.frame.data)
            samples = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
            if np.sqrt((samples**2).mean()) > _LOUD:
                self.first_heard = self.first_heard or time.monotonic()
                self.person.speaker.frame(loop.time(), event.frame.duration, pcm)


async def main() -> None:
    job = json.loads(sys.stdin.readline())
    noise = load(job["room"]).frames
    callers: list[Caller] = []
    for number, token in job["tokens"].items():
        said = [load(job["utterances"][int(number) % len(job["utterances"])])]
        caller = Caller(Person(int(number), job, said, [], noise), noise)
        await caller.join(job["url"], token)
        callers.append(caller)
    print(json.dumps({"state": "ready"}), flush=True)
    begin = json.loads(await asyncio.to_thread(sys.stdin.readline))
    for caller in callers:
        caller.begin(begin["zero"] + caller.person.number * job["cycle"] / job["sessions"])
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, begin["end"] + _TAIL - loop.time()))
    people = [c.person for c in callers]
    lag = [list(p.lag) for p in people]
    facts = measured(job, people, begin["start"], begin["end"], lag, [[] for _ in people])
    facts["first_heard"] = {str(c.person.number): c.first_heard for c in callers}
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
