"""What the agent's voice plays is told to those who must know it when they hear it."""

from __future__ import annotations

from typing import Any

import pytest

from beluga_voice.errors import ConnectError
from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.reference import ReferenceSink
from beluga_voice.testing.loop import run


class Speaker:
    output_delay = 0.07
    output_lead = 0.02

    def __init__(self) -> None:
        self.done: list[Any] = []

    async def send(self, frame: AudioFrame) -> None:
        self.done.append(frame)
        if frame.pts > 1:
            raise ConnectError("send", "connection_failed", "unplugged")

    async def clear(self) -> None:
        self.done.append("clear")


def test_each_frame_is_told_before_it_is_sent_with_the_delay_of_now() -> None:
    async def main() -> None:
        speaker = Speaker()
        sink = ReferenceSink(speaker, lambda frame, delay: speaker.done.append((frame, delay)))
        frame = AudioFrame(bytes(640), 16_000, pts=0.5)
        await sink.send(frame)
        speaker.output_delay = 0.2
        await sink.send(frame)
        await sink.clear()
        assert speaker.done == [(frame, 0.07), frame, (frame, 0.2), frame, "clear"]

    run(main())


def test_it_is_the_sink_it_wraps() -> None:
    async def main() -> None:
        speaker = Speaker()
        sink = ReferenceSink(speaker, lambda frame, delay: None)
        assert (sink.output_delay, sink.output_lead) == (0.07, 0.02)
        with pytest.raises(ConnectError, match="unplugged"):
            await sink.send(AudioFrame(bytes(640), 16_000, pts=2.0))

    run(main())
