from __future__ import annotations

import numpy as np
import pytest

from beluga_voice import FormatError
from beluga_voice.audio.dtmf import DtmfDetector, dtmf_tones

KEYS = "123A456B789C*0#D"
LOW = (697, 770, 852, 941)
HIGH = (1209, 1336, 1477, 1633)


def key_tone(
    key: str,
    seconds: float,
    rng: np.random.Generator,
    *,
    rate: int = 8000,
    detune: tuple[float, float] = (0.0, 0.0),
    dbfs: tuple[float, float] = (-10.0, -10.0),
) -> np.ndarray:
    """One key with random phases at a random place in silence."""
    place = KEYS.index(key)
    t = np.arange(round(rate * seconds)) / rate
    parts = [
        32768 * 10 ** (level / 20) * np.sin(2 * np.pi * hertz * (1 + off) * t + rng.uniform(0, 2 * np.pi))
        for hertz, off, level in zip((LOW[place // 4], HIGH[place % 4]), detune, dbfs, strict=True)
    ]
    return np.concatenate([np.zeros(rng.integers(0, rate // 20)), sum(parts), np.zeros(rate // 10)])


def heard(signal: np.ndarray, rate: int = 8000, piece: float = 0.02) -> str:
    pcm = np.clip(np.rint(signal), -32768, 32767).astype("<i2").tobytes()
    detector, size = DtmfDetector(rate), 2 * max(1, int(rate * piece))
    return "".join(detector.push(pcm[i : i + size]) for i in range(0, len(pcm), size))


def share_heard(**conditions) -> float:
    """Of the 16 keys, five times each."""
    rng = np.random.default_rng(11)
    noise = conditions.pop("noise", 0.0)
    results = []
    for key in KEYS * 5:
        signal = key_tone(key, rng=rng, **conditions)
        results.append(heard(signal + rng.normal(0, noise, len(signal)), conditions.get("rate", 8000)) == key)
    return sum(results) / len(results)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_all_keys_are_heard_at_every_rate(rate: int) -> None:
    pcm = dtmf_tones(KEYS, rate, seconds=0.05, pause=0.05)
    assert heard(np.frombuffer(pcm, "<i2").astype(float), rate) == KEYS


@pytest.mark.parametrize("piece", [0.000_125, 0.003, 0.02, 1.0])
def test_pieces_of_any_size_hear_the_same(piece: float) -> None:
    pcm = dtmf_tones("0123#", seconds=0.06, pause=0.06)
    assert heard(np.frombuffer(pcm, "<i2").astype(float), piece=piece) == "0123#"


def test_a_key_pressed_twice_is_two_keys_and_a_long_one_is_one() -> None:
    twice = np.frombuffer(dtmf_tones("55", seconds=0.06, pause=0.05), "<i2").astype(float)
    assert heard(twice) == "55"
    assert share_heard(seconds=1.5) == 1.0


@pytest.mark.parametrize(("seconds", "share"), [(0.023, 0.0), (0.040, 1.0)])
def test_tones_of_40_ms_are_accepted_and_of_23_ms_refused(seconds: float, share: float) -> None:
    assert share_heard(seconds=seconds) == share


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (0, 1), (-1, 0), (0, -1)])
@pytest.mark.parametrize(("detune", "share"), [(0.015, 1.0), (0.035, 0.0)])
def test_detuned_tones(signs: tuple[int, int], detune: float, share: float) -> None:
    assert share_heard(seconds=0.06, detune=(signs[0] * detune, signs[1] * detune)) == share


@pytest.mark.parametrize(("high", "share"), [(4.0, 1.0), (0.0, 1.0), (-8.0, 1.0), (7.0, 0.0), (-12.0, 0.0)])
def test_one_tone_may_be_louder_within_bounds(high: float, share: float) -> None:
    assert share_heard(seconds=0.06, dbfs=(-12.0, -12.0 + high)) == share


@pytest.mark.parametrize(("dbfs", "share"), [(-6.0, 1.0), (-30.0, 1.0), (-45.0, 0.0)])
def test_levels(dbfs: float, share: float) -> None:
    assert share_heard(seconds=0.06, dbfs=(dbfs, dbfs)) == share


def test_noise_15_db_below_does_not_hide_a_key() -> None:
    noise = 32768 * 10 ** (-10 / 20) / np.sqrt(2) * 10 ** (-15 / 20)
    assert share_heard(seconds=0.05, noise=noise) >= 0.98


@pytest.mark.parametrize(("milliseconds", "count"), [(5, 1), (10, 1), (40, 2)])
def test_short_breaks_are_bridged_and_long_ones_separate(milliseconds: int, count: int) -> None:
    rng = np.random.default_rng(5)
    for key in KEYS * 2:
        signal = key_tone(key, 0.3, rng)
        start = int(rng.integers(900, 1400))
        signal[start : start + 8 * milliseconds] = 0
        assert heard(signal) == key * count


def test_noise_a_single_tone_and_silence_are_no_keys() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(16_000) / 8000
    assert heard(rng.normal(0, 5000, 80_000)) == ""
    assert heard(8000 * np.sin(2 * np.pi * 770 * t)) == ""
    assert heard(8000 * np.sin(2 * np.pi * 350 * t) + 8000 * np.sin(2 * np.pi * 440 * t)) == "", "dial tone"
    assert heard(np.zeros(8000)) == ""


def test_a_character_that_is_no_key_is_refused() -> None:
    with pytest.raises(FormatError, match="not a key"):
        dtmf_tones("12x")
    assert dtmf_tones("a") == dtmf_tones("A")


def test_odd_bytes_are_refused() -> None:
    with pytest.raises(FormatError):
        DtmfDetector().push(b"\0\0\0")


def test_speech_is_no_key() -> None:
    """Ten minutes of this voice gave none (2026-11); half a minute is spoken here."""
    from hibari import Hibari

    from beluga_voice.audio.resample import resample

    voice, detector = Hibari(), DtmfDetector(8000)
    keys = ""
    for seed in range(8):
        said = voice("Would you please tell me when the next train to the harbour leaves?", seed=seed)
        pcm = np.clip(np.rint(np.asarray(said) * 32767), -32768, 32767).astype("<i2").tobytes()
        keys += detector.push(resample(pcm, 24_000, 8000))
    assert keys == ""
