"""Audio out of a LiveKit room: a reader per track, and the queue that `recv` takes from."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from livekit import rtc

from beluga_voice.frames import AudioFrame
from beluga_voice.transports.livekit_mix import Mixer

__all__ = ["Inbox", "RoomAudio"]

log = logging.getLogger(__name__)

FRAME_MS = 20
# A second of each voice for a session that is late, then the oldest goes.
_FRAMES_PER_VOICE = 50
_CLOSE_DEADLINE = 1.0


class Inbox:
    """Frames on their way to one reader; bounded by the number of voices, the oldest is dropped."""

    def __init__(self) -> None:
        self._frames: deque[AudioFrame] = deque()
        self._changed = asyncio.Event()
        self.voices = 1
        self.dropped = 0
        self.ended = False

    def put(self, frame: AudioFrame) -> None:
        """Adds a frame."""
        if len(self._frames) >= _FRAMES_PER_VOICE * max(1, self.voices):
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame)
        self._changed.set()

    def end(self) -> None:
        """No more will come; what is queued can still be read."""
        self.ended = True
        self._changed.set()

    async def get(self) -> AudioFrame | None:
        """The next frame, or None at the end."""
        while not self._frames:
            if self.ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._frames.popleft()


class RoomAudio:
    """Hears tracks and puts their audio into an inbox.

    Args:
        inbox: takes the frames.
        sample_rate: wanted, in Hz; the SDK resamples, once.
        channels: wanted.
        mixed: whether everybody is heard as one.
    """

    def __init__(self, inbox: Inbox, sample_rate: int, channels: int, *, mixed: bool) -> None:
        self._inbox = inbox
        self._rate = sample_rate
        self._channels = channels
        self._mixer = Mixer() if mixed else None
        self._readers: dict[str, tuple[rtc.AudioStream, asyncio.Task[None]]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def add(self, sid: str, track: rtc.Track, identity: str) -> None:
        """Begins to hear a track."""
        if sid in self._readers:
            return
        stream = rtc.AudioStream(
            track,
            capacity=_FRAMES_PER_VOICE,
            sample_rate=self._rate,
            num_channels=self._channels,
            frame_size_ms=FRAME_MS,
        )
        task = asyncio.get_running_loop().create_task(self._read(sid, stream, identity), name="livekit-read")
        self._readers[sid] = stream, task
        self._inbox.voices = len(self._readers)
        if self._mixer is not None:
            self._mixer.add(sid)

    def remove(self, sid: str) -> None:
        """Hears a track no more."""
        found = self._readers.pop(sid, None)
        if found is None:
            return
        self._inbox.voices = len(self._readers)
        if self._mixer is not None:
            for pcm in self._mixer.remove(sid):
                self._inbox.put(AudioFrame(pcm, self._rate, self._channels))
        closing = asyncio.get_running_loop().create_task(_close(*found), name="livekit-close-stream")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def remove_all(self) -> None:
        """Hears nothing more."""
        for sid in list(self._readers):
            self.remove(sid)

    async def close(self) -> None:
        """Ends all readers; bounded."""
        self.remove_all()
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_DEADLINE)

    async def _read(self, sid: str, stream: rtc.AudioStream, identity: str) -> None:
        async for event in stream:
            pcm = bytes(event.frame.data)
            if self._mixer is None:
                self._inbox.put(AudioFrame(pcm, self._rate, self._channels, participant=identity))
            elif sid in self._readers:
                for mixed in self._mixer.push(sid, pcm):
                    self._inbox.put(AudioFrame(mixed, self._rate, self._channels))


async def _close(stream: rtc.AudioStream, task: asyncio.Task[None]) -> None:
    task.cancel()
    try:
        async with asyncio.timeout(_CLOSE_DEADLINE):
            await asyncio.wait([task])
            await stream.aclose()
    except TimeoutError:
        log.debug("an audio stream did not end in %.1f s", _CLOSE_DEADLINE)
