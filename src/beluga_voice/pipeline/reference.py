"""What the agent's voice plays, told to those who must know it when they hear it."""

from __future__ import annotations

from collections.abc import Callable

from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.parts import Sink

__all__ = ["ReferenceSink"]


class ReferenceSink:
    """Passes everything on to ``sink``, and what is sent also to ``played``, with the delay until it sounds.

    Args:
        sink: takes the audio.
        played: told each frame.
    """

    def __init__(self, sink: Sink, played: Callable[[AudioFrame, float], None]) -> None:
        self._sink = sink
        self._played = played

    @property
    def output_delay(self) -> float:
        """Seconds from `send` to the user's ear."""
        return self._sink.output_delay

    @property
    def output_lead(self) -> float:
        """Seconds of audio it needs ahead."""
        return self._sink.output_lead

    async def send(self, frame: AudioFrame) -> None:
        """Sends one frame."""
        self._played(frame, self._sink.output_delay)
        await self._sink.send(frame)

    async def clear(self) -> None:
        """Drops what was not played; a reference of a few frames too many does no harm."""
        await self._sink.clear()
