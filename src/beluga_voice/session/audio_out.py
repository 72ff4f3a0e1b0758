"""Where a session's agent audio goes, and audio that the application gives it to play."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import Transport
from beluga_voice.pipeline.channel import Channel

__all__ = ["Clips", "ReceiveQueue", "TransportSink"]

# receive_audio keeps this much for a reader that is late (frames of 20 ms), then drops the oldest.
RECEIVE_FRAMES = 500
# For transports that do not say how much they need ahead.
DEFAULT_LEAD = 0.04
# A clip ends when no more audio came for this long.
_CLIP_GAP = 0.3
_MARK = "\ufffc"  # OBJECT REPLACEMENT CHARACTER stands for audio among text


class TransportSink:
    """Agent audio to a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def output_delay(self) -> float:
        """Seconds from `send` to the user's ear."""
        return self._transport.output_delay

    @property
    def output_lead(self) -> float:
        """Seconds of audio it needs ahead."""
        return getattr(self._transport, "output_lead", DEFAULT_LEAD)

    async def send(self, frame: AudioFrame) -> None:
        """Sends one frame."""
        await self._transport.send(frame)

    async def clear(self) -> None:
        """Drops what was not played, here and at the client."""
        await self._transport.clear()


class ReceiveQueue:
    """Agent audio to whoever reads ``receive_audio``; bounded, the oldest is dropped."""

    output_delay = 0.0
    output_lead = 0.02

    def __init__(self) -> None:
        self._frames: Channel[AudioFrame] = Channel(RECEIVE_FRAMES, "drop_oldest")

    @property
    def dropped(self) -> int:
        """Frames nobody read in time."""
        return self._frames.dropped

    async def send(self, frame: AudioFrame) -> None:
        """Adds one frame."""
        self._frames.put_nowait(frame)

    async def clear(self) -> None:
        """Drops what was not read."""
        self._frames.clear()

    def close(self) -> None:
        """Ends the reading."""
        self._frames.close()

    def __aiter__(self) -> AsyncIterator[AudioFrame]:
        return self._frames


class Clips:
    """Audio of the application, played in turn like speech."""

    def __init__(self) -> None:
        self._open: Channel[AudioFrame] | None = None
        self._waiting: dict[str, Channel[AudioFrame]] = {}
        self._count = 0

    async def add(self, frame: AudioFrame) -> str:
        """Adds audio to the open clip; returns the mark to say if a new clip was begun, else an empty string."""
        if self._open is not None:
            await self._open.put(frame)
            return ""
        self._count += 1
        mark = f"{_MARK}{self._count}"
        self._open = self._waiting[mark] = Channel(250)
        self._open.put_nowait(frame)
        return mark

    async def play(self, text: str) -> AsyncIterator[str | AudioFrame]:
        """``text`` itself, or the audio of the clip it marks."""
        clip = self._waiting.pop(text, None)
        if clip is None:
            yield text
            return
        try:
            while True:
                try:
                    async with asyncio.timeout(_CLIP_GAP):
                        frame = await clip.get()
                except (TimeoutError, StopAsyncIteration):
                    return
                yield frame
        finally:
            clip.close()
            if self._open is clip:
                self._open = None
