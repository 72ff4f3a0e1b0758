"""Tones and the probe that tells them apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beluga_voice.audio.mix import mix
from beluga_voice.testing.tones import ToneProbe, tone_frames, tone_frequencies

TONES = tone_frequencies(6)


def play(probe: ToneProbe, *sounding: float, seconds: float = 1.0, level: float = 0.1) -> None:
    voices = [tone_frames(hertz, level=level) for hertz in sounding]
    for _ in range(int(seconds * 50)):
        probe.feed(mix([next(voice) for voice in voices]) if voices else bytes(640))


@given(st.sets(st.sampled_from(TONES)), st.floats(0.02, 0.16))
@settings(deadline=None, max_examples=40)
def test_exactly_what_sounds_is_heard(sounding: set[float], level: float) -> None:
    probe = ToneProbe(TONES)
    play(probe, *sounding, level=level)
    assert probe.heard() == sounding


def test_the_last_window_counts() -> None:
    probe = ToneProbe(TONES, window=0.5)
    play(probe, TONES[0])
    play(probe, TONES[1], seconds=0.6)
    assert probe.heard() == {TONES[1]}
    play(probe, seconds=0.6)
    assert probe.heard() == frozenset()


def test_nothing_is_heard_before_a_whole_window() -> None:
    probe = ToneProbe(TONES, window=0.5)
    play(probe, TONES[0], seconds=0.4)
    assert not probe.full and probe.heard() == frozenset()
    play(probe, TONES[0], seconds=0.2)
    assert probe.heard() == {TONES[0]}
    probe.forget()
    assert probe.heard() == frozenset()
    assert set(probe.powers().values()) == {0.0}


def test_noise_of_a_codec_is_no_tone() -> None:
    probe = ToneProbe(TONES)
    noise = np.random.default_rng(1).normal(0, 30, 16_000)
    probe.feed(noise.astype("<i2").tobytes())
    assert probe.heard() == frozenset()


def test_frames_have_no_seams() -> None:
    frames = b"".join(itertools.islice(tone_frames(440.0, frame_ms=10), 100))
    wave = np.frombuffer(frames, "<i2").astype(float)
    exact = 3276.7 * np.sin(2 * np.pi * 440.0 * np.arange(16_000) / 16_000)
    assert np.abs(wave - exact).max() < 1.0


def test_no_tone_is_a_harmonic_of_another() -> None:
    for low, high in itertools.combinations(tone_frequencies(8, 48_000), 2):
        assert abs(high / low - round(high / low)) > 0.03
    with pytest.raises(ValueError, match="do not fit"):
        tone_frequencies(20)
