from __future__ import annotations

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from beluga_voice.testing.loop import run
from beluga_voice.transports.livekit_beginning import Beginning

RATE = 16_000


def pcm(seconds: float, value: int) -> bytes:
    return np.full(int(RATE * seconds), value, "<i2").tobytes()


def heard(
    recorded: float, arrives_after: float, channels: int = 1
) -> tuple[list[tuple[int, float, float]], bytes]:
    """(first sample, seconds, age) of all pieces of five seconds of live audio, and all of it."""

    async def main() -> tuple[list[tuple[int, float, float]], bytes]:
        out: list[tuple[int, float, float]] = []
        everything = bytearray()

        def late(piece: bytes, age: float) -> None:
            everything.extend(piece)
            out.append((int.from_bytes(piece[:2], "little"), len(piece) / 2 / channels / RATE, age))

        async def recording() -> bytes:
            await asyncio.sleep(arrives_after)
            return pcm(recorded, 1)

        beginning = Beginning(recording(), RATE, channels, late, lambda piece: late(piece, 0.0))
        for _ in range(250):
            beginning(pcm(0.02 * channels, 2))
            await asyncio.sleep(0.02)
        beginning.close()
        return out, bytes(everything)

    return run(main())


def test_the_recording_comes_first_and_live_audio_catches_up() -> None:
    pieces, everything = heard(recorded=3.0, arrives_after=0.5)
    assert everything == pcm(3.0, 1) + pcm(5.0, 2)
    ages = [age for _, _, age in pieces]
    # The oldest ended 3.3 s before the newest; the lag shrinks by nine tenths of what passes.
    assert ages[0] == pytest.approx(3.0 - 0.2 + 0.5, abs=0.05)
    assert all(later <= earlier for earlier, later in pairwise(ages))
    assert ages[30] == 0.0 and pieces[-1][1] == pytest.approx(0.02)


@pytest.mark.parametrize("channels", [1, 2])
def test_no_recording_after_all(channels: int) -> None:
    _, everything = heard(recorded=0.0, arrives_after=1.0, channels=channels)
    assert everything == pcm(5.0 * channels, 2)


def test_one_that_is_closed_lets_nothing_more_out() -> None:
    async def main() -> None:
        out: list[bytes] = []

        async def recording() -> bytes:
            return pcm(3.0, 1)

        beginning = Beginning(recording(), RATE, 1, lambda piece, _: out.append(piece), out.append)
        await asyncio.sleep(0)
        for _ in range(14):
            beginning(pcm(0.02, 2))
        beginning.close()
        before = len(out)
        await asyncio.sleep(1.0)
        assert len(out) == before == 1

    run(main())
