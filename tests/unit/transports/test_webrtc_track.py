"""The outgoing track in virtual time, and the mixing of the incoming one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame as AvFrame

from beluga_voice.testing.loop import run
from beluga_voice.transports.webrtc_track import RATE, VoiceTrack, mono


def play(scene: Callable[[VoiceTrack], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await scene(VoiceTrack())

    return run(main())


def samples(frame: AvFrame) -> np.ndarray:
    return frame.to_ndarray()[0]


def test_frames_come_every_20_ms_and_are_silent_when_nothing_waits() -> None:
    async def scene(track: VoiceTrack) -> None:
        frames = [await track.recv() for _ in range(51)]
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)
        assert [f.pts for f in frames] == [960 * i for i in range(51)]
        assert {(f.samples, f.sample_rate, f.format.name) for f in frames} == {(960, RATE, "s16")}
        assert not any(samples(f).any() for f in frames)

    play(scene)


def test_audio_of_any_length_is_cut_into_frames_without_a_gap() -> None:
    async def scene(track: VoiceTrack) -> None:
        ramp = np.arange(1, 2001, dtype="<i2")
        for piece in (ramp[:700], ramp[700:701], ramp[701:]):
            track.add(piece.tobytes())
        assert track.waiting == pytest.approx(2000 / RATE)
        heard = np.concatenate([samples(await track.recv()) for _ in range(3)])
        assert heard[:2000].tolist() == ramp.tolist()
        assert not heard[2000:].any()

    play(scene)


def test_clear_is_heard_in_the_next_frame() -> None:
    async def scene(track: VoiceTrack) -> None:
        track.add(b"\1\0" * 9600)
        assert samples(await track.recv()).all()
        track.clear()
        assert not samples(await track.recv()).any()

    play(scene)


def test_more_than_a_second_drops_the_oldest() -> None:
    async def scene(track: VoiceTrack) -> None:
        for second in (1, 2):
            track.add(np.full(RATE, second, "<i2").tobytes())
        assert track.waiting == 1.0
        assert (samples(await track.recv()) == 2).all()

    play(scene)


def test_a_loop_that_was_held_up_leaves_a_gap_in_time_and_no_burst() -> None:
    async def scene(track: VoiceTrack) -> None:
        loop = asyncio.get_running_loop()
        first = await track.recv()
        await asyncio.sleep(1.0)
        before = loop.time()
        second = await track.recv()
        third = await track.recv()
        await track.recv()
        assert second.pts - first.pts == pytest.approx(RATE, abs=960), "timestamps follow the clock"
        assert third.pts - second.pts == 960
        assert loop.time() - before > 0.02, "what was missed is not sent at once"

    play(scene)


def test_a_stopped_track_ends() -> None:
    async def scene(track: VoiceTrack) -> None:
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()

    play(scene)


@pytest.mark.parametrize(
    ("layout", "fmt", "array", "expected"),
    [
        ("mono", "s16", [[1, -2, 3]], [1, -2, 3]),
        ("stereo", "s16", [[100, 200, -100, -300]], [150, -200]),
        ("stereo", "s16p", [[100, -100], [200, -300]], [150, -200]),
    ],
)
def test_any_layout_becomes_mono(layout: str, fmt: str, array: list[list[int]], expected: list[int]) -> None:
    frame = AvFrame.from_ndarray(np.array(array, np.int16), fmt, layout)
    assert np.frombuffer(mono(frame), "<i2").tolist() == expected
