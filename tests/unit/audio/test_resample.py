from __future__ import annotations

import numpy as np
import pytest

from beluga_voice import FormatError
from beluga_voice.audio.resample import Resampler, resample

PAIRS = [
    (48_000, 16_000),
    (44_100, 16_000),
    (22_050, 16_000),
    (24_000, 16_000),
    (24_000, 48_000),
    (16_000, 24_000),
    (16_000, 48_000),
    (8_000, 16_000),
    (16_000, 8_000),
]
AMPLITUDE = 16_384.0


def tone(rate: int, hertz: float, seconds: float = 1.0) -> bytes:
    t = np.arange(int(rate * seconds)) / rate
    return np.rint(AMPLITUDE * np.sin(2 * np.pi * hertz * t)).astype("<i2").tobytes()


def stream(pcm: bytes, in_rate: int, out_rate: int, sizes: list[int] | None = None) -> np.ndarray:
    """Through a `Resampler` in pieces of ``sizes`` samples (20 ms if None), with its flush."""
    resampler = Resampler(in_rate, out_rate)
    out, at, turn = bytearray(), 0, 0
    sizes = sizes or [in_rate // 50]
    while at < len(pcm):
        size = 2 * sizes[turn % len(sizes)]
        out += resampler.process(pcm[at : at + size])
        at, turn = at + size, turn + 1
    out += resampler.flush()
    return np.frombuffer(bytes(out), "<i2").astype(float)


def fit(signal: np.ndarray, rate: int, hertz: float) -> tuple[float, float, float]:
    """The best sine of ``hertz``: its amplitude, its delay in seconds, and what is left besides it in dB."""
    inner = slice(int(rate * 0.2), int(rate * 0.8))
    t = (np.arange(len(signal)) / rate)[inner]
    basis = np.stack([np.sin(2 * np.pi * hertz * t), np.cos(2 * np.pi * hertz * t), np.ones_like(t)], axis=1)
    (sine, cosine, offset), *_ = np.linalg.lstsq(basis, signal[inner], rcond=None)
    rest = signal[inner] - basis @ np.array([sine, cosine, offset])
    amplitude = float(np.hypot(sine, cosine))
    delay = float(-np.arctan2(cosine, sine) / (2 * np.pi * hertz))
    noise = float(10 * np.log10((rest @ rest) / len(rest) / (amplitude**2 / 2)))
    return amplitude, delay, noise


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_a_tone_comes_out_clean_and_soon(in_rate: int, out_rate: int) -> None:
    resampler = Resampler(in_rate, out_rate)
    out = stream(tone(in_rate, 300), in_rate, out_rate)
    amplitude, delay, noise = fit(out, out_rate, 300)
    assert noise <= -80, "THD+N in dB"
    assert abs(20 * np.log10(amplitude / AMPLITUDE)) < 0.02
    assert delay == pytest.approx(resampler.delay, abs=1e-4)
    assert resampler.delay <= 0.0016


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_the_band_is_flat_to_three_quarters(in_rate: int, out_rate: int) -> None:
    edge = 0.75 * min(in_rate, out_rate) / 2
    amplitude, _, noise = fit(stream(tone(in_rate, edge), in_rate, out_rate), out_rate, edge)
    assert abs(20 * np.log10(amplitude / AMPLITUDE)) < 0.1
    assert noise <= -75


@pytest.mark.parametrize(("in_rate", "out_rate"), [p for p in PAIRS if p[0] > 1.3 * p[1]])
def test_what_the_new_rate_cannot_carry_does_not_fold_back(in_rate: int, out_rate: int) -> None:
    out = stream(tone(in_rate, out_rate / 2 * 1.25), in_rate, out_rate)
    inner = out[int(out_rate * 0.2) : int(out_rate * 0.8)]
    assert 10 * np.log10(np.mean(inner**2) / (AMPLITUDE**2 / 2)) <= -80


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_nothing_is_held_back_in_blocks(in_rate: int, out_rate: int) -> None:
    resampler = Resampler(in_rate, out_rate)
    frame = bytes(2 * (in_rate // 50))
    for _ in range(50):
        assert len(resampler.process(frame)) // 2 == out_rate // 50


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_pieces_of_any_size_give_the_same_audio(in_rate: int, out_rate: int) -> None:
    noise = np.random.default_rng(7).normal(0, 6000, in_rate // 2).clip(-32768, 32767).astype("<i2").tobytes()
    even = stream(noise, in_rate, out_rate)
    for sizes in ([1], [7, 1, 333], [in_rate // 100 + 1], [100_000]):
        other = stream(noise, in_rate, out_rate, sizes)
        assert len(other) == len(even)
        assert np.abs(other - even).max() <= 1


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_the_length_is_that_of_the_input_and_the_delay(in_rate: int, out_rate: int) -> None:
    out = stream(tone(in_rate, 440, 0.5), in_rate, out_rate)
    delay = Resampler(in_rate, out_rate).delay
    assert len(out) / out_rate == pytest.approx(0.5 + delay, abs=1.5 / min(in_rate, out_rate))


def test_after_flush_it_starts_afresh() -> None:
    resampler = Resampler(44_100, 16_000)
    pcm = tone(44_100, 440, 0.1)[:-2]
    first = resampler.process(pcm) + resampler.flush()
    assert resampler.process(pcm) + resampler.flush() == first


def test_equal_rates_pass_the_bytes_through() -> None:
    resampler = Resampler(16_000, 16_000)
    data = tone(16_000, 440, 0.02)
    assert resampler.process(data) is data
    assert resampler.flush() == b""
    assert resampler.delay == 0.0


def test_full_scale_is_clipped_not_wrapped() -> None:
    square = np.where(np.arange(4800) // 24 % 2, 32767, -32768).astype("<i2").tobytes()
    out = stream(square, 48_000, 16_000)
    plateau = out[8:-20].reshape(-1, 8)[:, 3:5] if len(out[8:-20]) % 8 == 0 else out[8:-20]
    assert np.abs(plateau).max() == 32768
    assert (np.abs(np.diff(np.sign(out[20:-20]))) > 0).sum() == pytest.approx(4800 / 24, abs=6)


def test_odd_bytes_are_refused() -> None:
    with pytest.raises(FormatError):
        Resampler(48_000, 16_000).process(b"\0\0\0")
    with pytest.raises(FormatError):
        resample(b"\0\0\0", 48_000, 16_000)


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_a_whole_recording_keeps_its_length_and_has_no_delay(in_rate: int, out_rate: int) -> None:
    out = np.frombuffer(resample(tone(in_rate, 300), in_rate, out_rate), "<i2").astype(float)
    assert abs(len(out) - out_rate) <= 1
    amplitude, delay, noise = fit(out, out_rate, 300)
    assert noise <= -80
    assert abs(delay) < 2e-5
    assert amplitude == pytest.approx(AMPLITUDE, rel=0.002)


def test_an_empty_recording_stays_empty() -> None:
    assert resample(b"", 48_000, 16_000) == b""
    assert Resampler(48_000, 16_000).process(b"") == b""
