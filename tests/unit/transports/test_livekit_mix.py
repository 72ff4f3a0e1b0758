"""Several voices at the pace of one."""

from __future__ import annotations

import random

import numpy as np

from beluga_voice.transports.livekit_mix import Mixer


def frame(value: int) -> bytes:
    return np.full(320, value, "<i2").tobytes()


def values(frames: list[bytes]) -> list[int]:
    return [int(np.frombuffer(one, "<i2")[0]) for one in frames]


def voices(*names: str) -> Mixer:
    mixer = Mixer()
    for name in names:
        mixer.add(name)
    return mixer


def test_one_voice_passes_untouched() -> None:
    mixer = voices("a")
    pcm = frame(7)
    assert mixer.push("a", pcm)[0] is pcm


def test_two_voices_are_added() -> None:
    mixer = voices("a", "b")
    assert mixer.push("b", frame(5)) == []
    assert values(mixer.push("a", frame(7))) == [12]
    assert values(mixer.push("a", frame(7))) == [7]


def test_a_single_speaker_among_silent_ones_passes_untouched() -> None:
    mixer = voices("a", "b")
    pcm = frame(5)
    mixer.push("b", pcm)
    assert mixer.push("a", frame(0))[0] is pcm


def test_too_loud_sums_are_clipped() -> None:
    mixer = voices("a", "b")
    mixer.push("b", frame(30_000))
    assert values(mixer.push("a", frame(30_000))) == [32_767]


def test_another_leads_when_the_leader_stalls_and_nothing_is_lost() -> None:
    mixer = voices("a", "b")
    mixer.push("a", frame(1))
    assert mixer.push("b", frame(2)) == mixer.push("b", frame(3)) == []
    assert values(mixer.push("b", frame(4))) == [2, 3, 4]
    assert values(mixer.push("b", frame(5))) == [5]
    assert mixer.push("a", frame(1)) == []
    assert values(mixer.push("b", frame(5))) == [6]


def test_another_leads_when_the_leader_leaves() -> None:
    mixer = voices("a", "b", "c")
    mixer.push("b", frame(2))
    mixer.push("c", frame(3))
    assert values(mixer.remove("a")) == [5]
    assert values(mixer.push("b", frame(2))) == [2]
    assert mixer.remove("c") == mixer.remove("b") == []
    mixer.add("d")
    assert values(mixer.push("d", frame(1))) == [1]


def test_the_output_keeps_the_pace_of_one_voice_however_frames_arrive() -> None:
    chance = random.Random(4)
    mixer = voices("a", "b", "c")
    out = 0
    for _ in range(1000):
        for name in chance.sample("abc", 3):
            out += len(mixer.push(name, frame(1)))
    assert 998 <= out <= 1002


def test_a_faster_clock_loses_its_oldest_frames() -> None:
    mixer = voices("a", "b")
    heard: list[int] = []
    for n in range(1, 101):
        mixer.push("b", frame(n))
        if n % 2:
            heard += values(mixer.push("a", frame(0)))
    assert len(heard) == 50
    assert heard[-1] >= 97
