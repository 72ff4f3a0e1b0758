"""Audio out of a LiveKit room: a tap per track, and the queue that `recv` takes from."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from livekit import rtc

from beluga_voice.frames import AudioFrame
from beluga_voice.transports.livekit_beginning import Beginning
from beluga_voice.transports.livekit_mix import Mixer
from beluga_voice.transports.livekit_router import AudioTap

__all__ = ["Inbox", "RoomAudio"]

# A second of each voice for a session that is late, then the oldest goes.
_FRAMES_PER_VOICE = 50


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
        recording: gives what was recorded of a track before we were there, by its sid: mono s16le at ``sample_rate``.
    """

    def __init__(
        self,
        inbox: Inbox,
        sample_rate: int,
        channels: int,
        *,
        mixed: bool,
        recording: Callable[[str], Coroutine[Any, Any, bytes]] | None = None,
    ) -> None:
        self._inbox = inbox
        self._rate = sample_rate
        self._channels = channels
        self._mixer = Mixer() if mixed else None
        self._recording = recording
        self._beginnings: dict[str, Beginning] = {}
        self._taps: dict[str, AudioTap] = {}
        self._gone: list[AudioTap] = []

    def add(self, sid: str, track: rtc.Track, identity: str, *, recorded: bool = False) -> None:
        """Begins to hear a track; one that was added before is the same track no longer, and is replaced.

        If a recording of its beginning is to come, that is heard first.
        """
        self.remove(sid)
        sink: Callable[[bytes], None]
        sink = partial(self._labelled, identity) if self._mixer is None else partial(self._mixed, sid)
        if recorded and self._recording is not None:
            late = partial(self._late, identity if self._mixer is None else "")
            sink = Beginning(self._recording(sid), self._rate, self._channels, late, sink)
            self._beginnings[sid] = sink
        if self._mixer is not None:
            self._mixer.add(sid)
        self._taps[sid] = AudioTap(track, self._rate, self._channels, sink)
        self._inbox.voices = len(self._taps)

    def remove(self, sid: str) -> None:
        """A track has gone, or is heard no more."""
        tap = self._taps.pop(sid, None)
        if tap is None:
            return
        if (beginning := self._beginnings.pop(sid, None)) is not None:
            beginning.close()
        # The SDK ends the tap itself, and complains of a handle that is given back after that.
        tap.mute()
        self._gone = [one for one in self._gone if one.alive] + [tap]
        self._inbox.voices = len(self._taps)
        if self._mixer is not None:
            for pcm in self._mixer.remove(sid):
                self._inbox.put(AudioFrame(pcm, self._rate, self._channels))

    def remove_all(self) -> None:
        """Hears nothing more."""
        for sid in list(self._taps):
            self.remove(sid)
        for tap in self._gone:
            tap.close()
        self._gone.clear()

    def _labelled(self, identity: str, pcm: bytes) -> None:
        self._inbox.put(AudioFrame(pcm, self._rate, self._channels, participant=identity))

    def _late(self, identity: str, pcm: bytes, age: float) -> None:
        self._inbox.put(AudioFrame(pcm, self._rate, self._channels, participant=identity, age=age))

    def _mixed(self, sid: str, pcm: bytes) -> None:
        assert self._mixer is not None
        for mixed in self._mixer.push(sid, pcm):
            self._inbox.put(AudioFrame(mixed, self._rate, self._channels))
