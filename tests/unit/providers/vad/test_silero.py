"""The VAD engine on real (synthesised) speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import cache

import numpy as np
import pytest

import beluga_voice as bv
from beluga_voice.audio.resample import resample
from beluga_voice.core.inputs import SpeechEnded, SpeechStarted
from beluga_voice.core.voice_activity import VoiceActivity
from beluga_voice.providers.vad import energy, silero

WINDOW = 512
SECONDS = WINDOW / 16_000


@cache
def speech() -> bytes:
    from hibari import Hibari

    samples = Hibari()("What time do you open on Saturday?", seed=0)
    return resample((samples * 32767).astype("<i2").tobytes(), 24_000, 16_000)


def around(pcm: bytes, lead: float = 1.6, tail: float = 1.0, noise: float = 0.0, gain: float = 1.0) -> bytes:
    samples = np.frombuffer(pcm, "<i2").astype(float) * gain
    out = np.concatenate([np.zeros(int(lead * 16_000)), samples, np.zeros(int(tail * 16_000))])
    out += np.random.default_rng(0).normal(0, noise * 32768, len(out)) if noise else 0
    return np.clip(out, -32768, 32767).astype("<i2").tobytes()


@pytest.fixture
async def engine() -> AsyncIterator[silero.SileroVAD]:
    made = silero.create({})
    await made.start()
    yield made
    await made.close()


async def judge(engine: silero.SileroVAD, pcm: bytes) -> list[float]:
    out: list[float] = []
    stream = engine.open(lambda probability, at: out.append(probability))
    windows = len(pcm) // (2 * WINDOW)
    for index in range(windows):
        stream.push(pcm[index * 2 * WINDOW : (index + 1) * 2 * WINDOW], (index + 1) * SECONDS)
        while index - len(out) > 30:
            await asyncio.sleep(0.001)
    async with asyncio.timeout(10):
        while len(out) < windows:
            await asyncio.sleep(0.001)
    stream.close()
    return out


def voices(probabilities: list[float]) -> list[SpeechStarted | SpeechEnded]:
    activity = VoiceActivity()
    events = [activity.push(p, (i + 1) * SECONDS, SECONDS) for i, p in enumerate(probabilities)]
    return [e for e in events if e is not None]


@pytest.mark.parametrize(("noise", "gain"), [(0.0, 1.0), (0.001, 1.0), (0.0, 0.03)])
async def test_onset_and_end_of_speech(engine: silero.SileroVAD, noise: float, gain: float) -> None:
    events = voices(await judge(engine, around(speech(), noise=noise, gain=gain)))
    started, ended = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    loud = np.flatnonzero(np.abs(np.frombuffer(speech(), "<i2")) > 800) / 16_000
    # A weak first consonant of a distant speaker is missed; the word is not.
    assert started.at == pytest.approx(1.6 + loud[0], abs=0.1 if gain == 1.0 else 0.5)
    assert ended.at == pytest.approx(1.6 + loud[-1], abs=0.16)


@pytest.mark.parametrize("dbfs", [-50, -70])
async def test_noise_is_no_speech(engine: silero.SileroVAD, dbfs: int) -> None:
    pcm = around(b"", lead=3.0, noise=10 ** (dbfs / 20))
    assert voices(await judge(engine, pcm)) == []


async def test_a_batch_judges_like_one_alone(engine: silero.SileroVAD) -> None:
    pcm = around(speech(), lead=0.2)
    alone = await judge(engine, pcm)
    together = await asyncio.gather(*(judge(engine, pcm) for _ in range(20)))
    for each in together:
        assert each == pytest.approx(alone, abs=1e-4)


async def test_silence_costs_nothing_and_speech_after_it_is_heard_at_once(engine: silero.SileroVAD) -> None:
    before = engine.skipped
    quiet = voices(await judge(engine, around(speech(), lead=5.0)))
    assert engine.skipped - before > 100
    soon = voices(await judge(engine, around(speech(), lead=0.5)))
    assert quiet[0].at - 5.0 == pytest.approx(soon[0].at - 0.5, abs=0.05)


async def test_a_slow_engine_drops_the_oldest_windows(engine: silero.SileroVAD) -> None:
    out: list[float] = []
    stream = engine.open(lambda probability, at: out.append(at))
    for index in range(100):
        stream.push(speech()[: 2 * WINDOW], float(index))
    for _ in range(200):
        await asyncio.sleep(0)
    assert stream.dropped == 36
    assert out == [float(i) for i in range(36, 100)]
    stream.close()


async def test_bad_windows_and_bad_models(engine: silero.SileroVAD) -> None:
    stream = engine.open(lambda probability, at: None)
    with pytest.raises(bv.FormatError, match="512 samples"):
        stream.push(b"\0" * 100, 0.0)
    with pytest.raises(bv.ConfigError, match="no_such"):
        await silero.create({"model": "no_such.onnx"}).start()


def test_equal_settings_share_one_engine() -> None:
    assert silero.create({}) is silero.create({})
    assert silero.create({}) is not silero.create({"gate": False})


def test_the_energy_detector_follows_the_room() -> None:
    out: list[float] = []
    stream = energy.create({}).open(lambda probability, at: out.append(probability))
    pcm = around(speech(), noise=0.002)
    for index in range(len(pcm) // (2 * WINDOW)):
        stream.push(pcm[index * 2 * WINDOW : (index + 1) * 2 * WINDOW], (index + 1) * SECONDS)
    stream.close()
    quiet, loud = out[10:45], out[55:90]
    assert max(quiet) < 0.2
    assert sorted(loud)[len(loud) // 2] > 0.9
    with pytest.raises(bv.ConfigError, match="margin=0"):
        energy.create({"margin": 0})
