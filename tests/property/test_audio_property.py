"""Whatever comes in, audio code answers with audio or with a `FormatError`."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beluga_voice import FormatError
from beluga_voice.audio.dtmf import DtmfDetector, dtmf_tones
from beluga_voice.audio.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from beluga_voice.audio.levels import peak_dbfs, rms_dbfs
from beluga_voice.audio.mix import mix
from beluga_voice.audio.pcm import Gain, downmix, fade_out, float_to_pcm, pcm_to_float, split_frames
from beluga_voice.audio.resample import Resampler, resample
from beluga_voice.audio.wav import Recording, read_wav

RATES = st.sampled_from([8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000])
PCM = st.binary(max_size=2000).map(lambda b: b[: len(b) // 2 * 2])
HEADER = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
VALID = HEADER + b"data" + struct.pack("<I", 64) + bytes(range(64))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wav") / "any.wav"


@st.composite
def broken_wavs(draw: st.DrawFn) -> bytes:
    """A good file with a few bytes changed, inserted or cut."""
    data = bytearray(VALID)
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["change", "insert", "cut"])):
            case "change":
                data[at] = draw(st.integers(0, 255))
            case "insert":
                data[at:at] = draw(st.binary(max_size=8))
            case _:
                del data[max(at, 1) :]
    return bytes(data)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda b: HEADER + b),
        st.binary(max_size=100).map(lambda b: b"RIFF\0\0\0\0WAVE" + b),
        broken_wavs(),
    )
)
def test_any_file_is_read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        found = read_wav(path)
    except FormatError as error:
        assert error.code == "invalid_format"
        assert str(path) in error.message
    else:
        assert isinstance(found, Recording)
        assert found.pcm
        assert len(found.pcm) % 2 == 0
        assert 4000 <= found.sample_rate <= 192_000


@given(data=st.binary(max_size=301), channels=st.integers(-2, 9), frame=st.integers(1, 64))
def test_any_bytes_are_taken_or_refused(data: bytes, channels: int, frame: int) -> None:
    gain = Gain(10)
    gain.set(0.3)
    calls = (
        pcm_to_float,
        gain.apply,
        rms_dbfs,
        peak_dbfs,
        pcm_to_ulaw,
        pcm_to_alaw,
        DtmfDetector().push,
        Resampler(48_000, 16_000).process,
        lambda b: downmix(b, channels),
        lambda b: fade_out(b, frame),
        lambda b: mix([b, b]),
    )
    for call in calls:
        try:
            call(data)
        except FormatError as error:
            assert error.code == "invalid_format"
    frames, rest = split_frames(data, frame)
    assert b"".join(frames) + rest == data
    assert len(rest) < frame
    assert len(ulaw_to_pcm(data)) == len(alaw_to_pcm(data)) == 2 * len(data)


@given(pcm=PCM)
def test_conversions_are_inverse(pcm: bytes) -> None:
    assert float_to_pcm(pcm_to_float(pcm)) == pcm
    assert pcm_to_ulaw(ulaw_to_pcm(pcm_to_ulaw(pcm))) == pcm_to_ulaw(pcm)
    assert pcm_to_alaw(alaw_to_pcm(pcm_to_alaw(pcm))) == pcm_to_alaw(pcm)


@settings(deadline=None)
@given(pcm=PCM, cuts=st.lists(st.integers(1, 700), min_size=1, max_size=6), in_rate=RATES, out_rate=RATES)
def test_resampling_does_not_depend_on_the_pieces(
    pcm: bytes, cuts: list[int], in_rate: int, out_rate: int
) -> None:
    whole, pieces = Resampler(in_rate, out_rate), Resampler(in_rate, out_rate)
    expected = whole.process(pcm) + whole.flush()
    out, at, turn = b"", 0, 0
    while at < len(pcm):
        size = 2 * cuts[turn % len(cuts)]
        out += pieces.process(pcm[at : at + size])
        at, turn = at + size, turn + 1
    out += pieces.flush()
    assert len(out) == len(expected)
    if out:
        difference = np.frombuffer(out, "<i2").astype(int) - np.frombuffer(expected, "<i2")
        assert np.abs(difference).max() <= 1
    seconds = len(pcm) / 2 / in_rate
    assert abs(len(resample(pcm, in_rate, out_rate)) / 2 / out_rate - seconds) <= 1.01 / min(
        in_rate, out_rate
    )


@given(
    targets=st.lists(st.floats(0, 4), min_size=1, max_size=6), sizes=st.lists(st.integers(0, 300), min_size=1)
)
def test_gain_never_jumps(targets: list[float], sizes: list[int]) -> None:
    gain = Gain(ramp_samples=200)
    out: list[int] = []
    for i, size in enumerate(sizes):
        gain.set(targets[i % len(targets)])
        out += np.frombuffer(gain.apply(np.full(size, 8000, "<i2").tobytes()), "<i2").tolist()
    steps = np.abs(np.diff([8000, *out]))
    assert not len(steps) or steps.max() <= 8000 / 200 + 1


@given(digits=st.text("0123456789*#ABCD", max_size=6), piece=st.integers(1, 900))
def test_keys_that_were_made_are_heard(digits: str, piece: int) -> None:
    pcm = dtmf_tones(digits, seconds=0.06, pause=0.06) + bytes(800)
    detector = DtmfDetector()
    assert "".join(detector.push(pcm[i : i + 2 * piece]) for i in range(0, len(pcm), 2 * piece)) == digits
