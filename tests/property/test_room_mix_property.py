"""The sum of a room is the sum of its people, whatever order their audio comes in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.room_mix import RoomMix

RATE, FRAME = 8000, 160


@given(
    people=st.integers(1, 4),
    frames=st.integers(1, 30),
    order=st.randoms(use_true_random=False),
    jitter=st.floats(0.0, 0.015),
)
def test_every_sample_is_in_its_place(people: int, frames: int, order, jitter: float) -> None:
    sent: list[tuple[bytes, float]] = []
    mix = RoomMix(RATE, lambda pcm, end: sent.append((pcm, end)))
    mix.begin(10.0)
    voices = np.random.default_rng(people * 100 + frames).integers(-4000, 4000, (people, frames * FRAME))
    done = [0] * people
    while any(n < frames for n in done):
        who = order.choice([p for p in range(people) if done[p] < frames and done[p] <= min(done) + 3])
        pcm = voices[who, done[who] * FRAME : (done[who] + 1) * FRAME].astype("<i2").tobytes()
        done[who] += 1
        # A stamp may say a little more than the samples do: they follow each other all the same.
        late = order.uniform(0.0, jitter) if done[who] > 1 else 0.0
        mix.push(str(who), AudioFrame(pcm, RATE), 10.0 + done[who] * FRAME / RATE + late)
        mix.release(10.0 + min(done) * FRAME / RATE)
    out = np.frombuffer(b"".join(pcm for pcm, _ in sent), dtype="<i2")
    assert np.array_equal(out, voices.sum(axis=0))
    assert abs(sent[-1][1] - (10.0 + frames * FRAME / RATE)) < 1e-6


def test_what_comes_too_late_is_lost_and_what_follows_is_not() -> None:
    sent: list[bytes] = []
    mix = RoomMix(RATE, lambda pcm, _: sent.append(pcm))
    ones, twos = (np.full(FRAME, n, dtype="<i2").tobytes() for n in (1, 2))
    mix.push("ann", AudioFrame(ones, RATE), 0.02)
    mix.release(0.02)
    mix.push("bob", AudioFrame(twos, RATE), 0.02)  # its place was sent already
    mix.push("bob", AudioFrame(twos, RATE), 0.04)
    mix.push("ann", AudioFrame(ones, RATE), 0.04)
    mix.release(0.04)
    assert [np.frombuffer(pcm, dtype="<i2").tolist() for pcm in sent] == [[1] * FRAME, [3] * FRAME]


def test_a_stream_that_runs_ahead_of_all_others_is_bounded() -> None:
    sent: list[bytes] = []
    mix = RoomMix(RATE, lambda pcm, _: sent.append(pcm))
    for number in range(500):
        mix.push("ann", AudioFrame(bytes(2 * FRAME), RATE), (number + 1) * 0.02)
    assert sum(map(len, sent)) == 450 * 2 * FRAME
