from __future__ import annotations

import warnings

import numpy as np
import pytest

from beluga_voice import FormatError
from beluga_voice.audio.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(65_536, dtype=np.uint16).tobytes()


def values(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(int)


def test_ulaw_decodes_the_values_of_the_recommendation() -> None:
    # G.711 table 2: the decoder outputs of the positive half on the 14-bit scale, at the segments' first codes.
    firsts = values(ulaw_to_pcm(bytes([0xFF, 0xEF, 0xDF, 0xCF, 0xBF, 0xAF, 0x9F, 0x8F]))) // 4
    assert firsts.tolist() == [0, 33, 99, 231, 495, 1023, 2079, 4191]
    assert values(ulaw_to_pcm(bytes([0x80, 0x00, 0x7F]))).tolist() == [32_124, -32_124, 0]


def test_alaw_decodes_the_values_of_the_recommendation() -> None:
    # G.711 table 1: on the 13-bit scale, the first step of each segment, even bits inverted.
    firsts = values(alaw_to_pcm(bytes(code ^ 0x55 for code in range(0x80, 0x100, 0x10)))) // 8
    assert firsts.tolist() == [1, 33, 66, 132, 264, 528, 1056, 2112]
    assert values(alaw_to_pcm(bytes([0xAA, 0x2A]))).tolist() == [32_256, -32_256]


@pytest.mark.parametrize(("encode", "decode"), [(pcm_to_ulaw, ulaw_to_pcm), (pcm_to_alaw, alaw_to_pcm)])
def test_codes_survive_decoding_and_encoding(encode, decode) -> None:
    again = encode(decode(ALL_CODES))
    # µ-law has two zeros; the negative one comes back as the positive one.
    different = [i for i, (a, b) in enumerate(zip(ALL_CODES, again, strict=True)) if a != b]
    assert different in ([], [0x7F])


@pytest.mark.parametrize(("encode", "decode"), [(pcm_to_ulaw, ulaw_to_pcm), (pcm_to_alaw, alaw_to_pcm)])
def test_every_sample_comes_back_within_half_a_step(encode, decode) -> None:
    before = values(ALL_SAMPLES)
    after = values(decode(encode(ALL_SAMPLES)))
    loud = np.abs(before) >= 256
    assert (
        np.abs(after - before)[loud] <= np.abs(before)[loud] / 16 + 644 * (np.abs(before)[loud] > 32_000)
    ).all()
    assert np.abs(after - before)[~loud].max() <= 16
    order = np.argsort(before)
    assert (np.diff(after[order]) >= 0).all(), "louder never becomes softer"


def test_it_agrees_with_the_standard_library_on_every_input() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop", reason="gone from Python 3.13 on")
    assert ulaw_to_pcm(ALL_CODES) == audioop.ulaw2lin(ALL_CODES, 2)
    assert alaw_to_pcm(ALL_CODES) == audioop.alaw2lin(ALL_CODES, 2)
    assert pcm_to_ulaw(ALL_SAMPLES) == audioop.lin2ulaw(ALL_SAMPLES, 2)
    assert pcm_to_alaw(ALL_SAMPLES) == audioop.lin2alaw(ALL_SAMPLES, 2)


def test_odd_bytes_are_refused_and_nothing_stays_nothing() -> None:
    for encode in (pcm_to_ulaw, pcm_to_alaw):
        with pytest.raises(FormatError):
            encode(b"\0")
        assert encode(b"") == b""
    assert ulaw_to_pcm(b"") == alaw_to_pcm(b"") == b""
