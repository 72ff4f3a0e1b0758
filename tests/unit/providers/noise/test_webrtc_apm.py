"""WebRTC's echo canceller on synthesised speech, a synthetic room, and the session's timeline."""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

import beluga_voice as bv
from beluga_voice.audio.resample import resample
from beluga_voice.frames import AudioFrame
from beluga_voice.providers.noise import webrtc_apm

RATE = 16_000
BLOCK = 320
ROOM = 26.0  # noise of a quiet room, -62 dBFS
Floats = NDArray[np.float64]


@cache
def voice(text: str, seed: int = 0) -> Floats:
    from hibari import Hibari

    samples = Hibari()(text, seed=seed)
    pcm = resample((samples * 32767).astype("<i2").tobytes(), 24_000, RATE)
    return np.frombuffer(pcm, "<i2").astype(float)


def agent() -> Floats:
    return voice(
        "Let me tell you all about our clinic and the people who work here every day of the week. "
        "We began many years ago in a small house beside the river."
    )


def person() -> Floats:
    return voice("Wait, I have another question about that.", seed=1)


def room(level: float, reverberation: float = 0.3) -> Floats:
    """An impulse response of so many dB whose tail falls by 60 dB in ``reverberation`` seconds."""
    length = round(reverberation * RATE)
    response = np.random.default_rng(1).normal(0, 1, length) * 10 ** (-3 * np.arange(length) / length)
    response[0] = 4.0
    return response / np.sqrt((response**2).sum()) * 10 ** (level / 20)


@cache
def echo(level: float) -> Floats:
    return np.convolve(agent(), room(level))


def microphone(level: float, delay: float, near: Floats | None = None, at: float = 0.0) -> Floats:
    """The agent's voice as it comes back, a person from ``at``, and the room's noise."""
    samples = np.random.default_rng(0).normal(0, ROOM, len(agent()) + RATE)
    back = echo(level)[: len(samples) - round(delay * RATE)]
    samples[round(delay * RATE) :][: len(back)] += back
    if near is not None:
        samples[round(at * RATE) :][: len(near)] += near
    return samples


def pcm(samples: Floats) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def cleaned(samples: Floats, *, known: float = 0.0, rate: int = RATE, told: bool = True) -> Floats:
    """The microphone after the canceller, which hears the agent's voice at ``rate``, 20 ms at a time."""
    stream = webrtc_apm.create({}).open(RATE)
    far = resample(pcm(agent()), RATE, rate)
    size = rate // 50 * 2
    out: list[bytes] = []
    for n in range(len(samples) // BLOCK):
        played = far[n * size : (n + 1) * size]
        if told and len(played) == size:
            stream.played(AudioFrame(played, rate, 1, pts=n / 50), known)
        out.append(stream.process(pcm(samples[n * BLOCK : (n + 1) * BLOCK]), (n + 1) / 50))
    stream.close()
    return np.frombuffer(b"".join(out), "<i2").astype(float)


def decibels(samples: Floats, start: float, end: float) -> float:
    part = samples[round(start * RATE) : round(end * RATE)]
    return float(10 * np.log10((part**2).mean() + 1e-9))


@pytest.mark.parametrize("level", [-20.0, -10.0, 0.0])
@pytest.mark.parametrize("delay", [0.03, 0.15, 0.45])
def test_an_echo_is_gone_after_a_second(level: float, delay: float) -> None:
    heard = microphone(level, delay)
    out = cleaned(heard)
    left = decibels(out, 2, 8)
    assert decibels(heard, 2, 8) - left > (14 if level == -20 else 20), (
        "dB; at -20 dB the room is 15 dB below it"
    )
    assert left < 20 * np.log10(ROOM) + 6, "what is left is about the room's noise"
    assert decibels(heard, 0.2, 1.5) - decibels(out, 0.2, 1.5) > 10, "and the beginning is much softer"


def test_the_echo_stays_where_the_reference_is_missing() -> None:
    heard = microphone(-10, 0.15)
    assert decibels(cleaned(heard, told=False), 2, 8) == pytest.approx(decibels(heard, 2, 8), abs=0.1)


@pytest.mark.parametrize("rate", [24_000, 48_000, 22_050])
def test_the_agents_voice_may_be_of_any_rate(rate: int) -> None:
    heard = microphone(-10, 0.15)
    assert decibels(heard, 2, 8) - decibels(cleaned(heard, rate=rate), 2, 8) > 20


@pytest.mark.parametrize(("delay", "known"), [(0.8, 0.8), (1.2, 1.0), (0.1, 0.25)])
def test_a_long_delay_is_found_where_the_transport_knows_of_it(delay: float, known: float) -> None:
    heard = microphone(-10, delay)
    assert decibels(heard, 3, 8) - decibels(cleaned(heard, known=known), 3, 8) > 20


@pytest.mark.parametrize("level", [-20.0, -10.0])
def test_a_person_is_heard_over_the_echo(level: float) -> None:
    """Of the microphone's loudness from 10 ms to 10 ms what is left is the person's."""
    start, end = 4.0, 4.0 + len(person()) / RATE
    out = cleaned(microphone(level, 0.15, person(), start))
    alone = np.zeros(len(out))
    alone[round(start * RATE) :][: len(person())] = person()
    assert decibels(out, start, end) == pytest.approx(decibels(alone, start, end), abs=3)
    wanted, found = (loudness(x, start, end) for x in (alone, out))
    assert float(np.corrcoef(wanted, found)[0, 1]) > 0.9


def loudness(samples: Floats, start: float, end: float) -> Floats:
    windows = samples[round(start * RATE) : round(end * RATE)]
    return np.sqrt((windows[: len(windows) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1))


def test_the_microphone_passes_untouched_while_the_agent_is_silent() -> None:
    samples = microphone(-200, 0.1, person(), 1.0)
    assert pcm(cleaned(samples, told=False)) == pcm(samples)[: len(samples) // BLOCK * BLOCK * 2]


def test_it_passes_untouched_again_a_second_after_the_agent() -> None:
    stream = webrtc_apm.create({}).open(RATE)
    stream.played(AudioFrame(pcm(agent()[:BLOCK]), RATE, 1, pts=0.0), 0.1)
    noise = np.random.default_rng(2).normal(0, 2000, RATE * 3)
    out = b"".join(
        stream.process(pcm(noise[n * BLOCK : (n + 1) * BLOCK]), (n + 1) / 50)
        for n in range(len(noise) // BLOCK)
    )
    assert out[: RATE * 2] != pcm(noise)[: RATE * 2]
    assert out[-RATE * 3 :] == pcm(noise)[-RATE * 3 :]


def test_pieces_of_any_length_come_out_whole() -> None:
    stream = webrtc_apm.create({}).open(RATE)
    given = pcm(np.arange(5000.0))
    out = b"".join(stream.process(given[n : n + 222], n / 2 / RATE) for n in range(0, len(given), 222))
    assert 0 <= len(given) - len(out) < 320
    assert out == given[: len(out)]


def test_noise_suppression_works_without_a_reference() -> None:
    noise = np.random.default_rng(3).normal(0, 1000, 4 * RATE)
    stream = webrtc_apm.create({"noise_suppression": True}).open(RATE)
    out = stream.process(pcm(noise), 4.0)
    left = np.frombuffer(out, "<i2").astype(float)
    assert decibels(noise, 2, 4) - decibels(left, 2, 4) > 6


def test_a_rate_without_whole_frames_is_a_coded_error() -> None:
    with pytest.raises(bv.FormatError, match="10 ms at 22050 Hz are not whole samples") as caught:
        webrtc_apm.create({}).open(22_050)
    assert caught.value.code == "invalid_format"


def test_a_setting_it_does_not_know_is_a_coded_error() -> None:
    with pytest.raises(bv.ConfigError, match="echo") as caught:
        webrtc_apm.create({"echo": True})
    assert caught.value.code == "invalid_config"


def test_a_missing_extra_names_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit", None)
    with pytest.raises(bv.ConfigError) as caught:
        webrtc_apm.create({})
    assert caught.value.code == "missing_extra"
    assert 'pip install "beluga-voice[livekit]"' in str(caught.value)


def test_close_is_idempotent_and_ends_the_cleaning() -> None:
    stream = webrtc_apm.create({}).open(RATE)
    stream.close()
    stream.close()
    stream.played(AudioFrame(bytes(640), RATE), 0.0)
    assert stream.process(b"\1\0" * 320, 1.0) == b"\1\0" * 320
