from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from beluga_voice import FormatError
from beluga_voice.audio import wav as wav_module
from beluga_voice.audio.wav import read_wav, write_wav

RATE = 16_000
SINE = np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE) * 0.5
PCM16 = np.rint(SINE * 32768).astype("<i2")
PCM_FORMAT, FLOAT_FORMAT, EXTENSIBLE = 1, 3, 0xFFFE
SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def wav_bytes(
    data: bytes,
    *,
    kind: int = PCM_FORMAT,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    extensible: bool = False,
    data_size: int | None = None,
    riff_size: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file made by hand, right or wrong."""
    align = channels * bits // 8
    fmt = struct.pack(
        "<HHIIHH",
        EXTENSIBLE if extensible else kind,
        channels,
        rate,
        rate * align & 0xFFFFFFFF,
        align & 0xFFFF,
        bits,
    )
    if extensible:
        fmt += struct.pack("<HHIH", 22, bits, 0, kind) + SUBFORMAT_TAIL
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + before
    body += b"data" + struct.pack("<I", len(data) if data_size is None else data_size) + data
    return b"RIFF" + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


def read(tmp_path: Path, content: bytes):
    path = tmp_path / "in.wav"
    path.write_bytes(content)
    return read_wav(path)


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(int)


# --- good files -------------------------------------------------------------------------------------------


def test_16_bits_come_out_exactly(tmp_path: Path) -> None:
    found = read(tmp_path, wav_bytes(PCM16.tobytes()))
    assert found.pcm == PCM16.tobytes()
    assert (found.sample_rate, found.channels, found.format, found.truncated) == (RATE, 1, "PCM_16", False)
    assert found.seconds == 0.5


@pytest.mark.parametrize(
    ("kind", "bits", "data", "error"),
    [
        (PCM_FORMAT, 8, np.rint(SINE * 128 + 128).astype(np.uint8).tobytes(), 256),
        (
            PCM_FORMAT,
            24,
            b"".join(struct.pack("<i", v)[:3] for v in np.rint(SINE * 2**23).astype(int).tolist()),
            1,
        ),
        (PCM_FORMAT, 32, np.rint(SINE * 2**31).astype("<i4").tobytes(), 1),
        (FLOAT_FORMAT, 32, SINE.astype("<f4").tobytes(), 1),
        (FLOAT_FORMAT, 64, SINE.astype("<f8").tobytes(), 1),
    ],
    ids=["u8", "s24", "s32", "f32", "f64"],
)
@pytest.mark.parametrize("extensible", [False, True])
def test_every_width(tmp_path: Path, kind: int, bits: int, data: bytes, error: int, extensible: bool) -> None:
    found = read(tmp_path, wav_bytes(data, kind=kind, bits=bits, extensible=extensible))
    assert len(found.pcm) == len(PCM16) * 2
    assert np.abs(samples(found.pcm) - PCM16).max() <= error


@pytest.mark.parametrize(("kind", "tolerance"), [(6, 0.04), (7, 0.04)])
def test_g711_in_a_wav(tmp_path: Path, kind: int, tolerance: float) -> None:
    from beluga_voice.audio.g711 import pcm_to_alaw, pcm_to_ulaw

    coded = (pcm_to_alaw if kind == 6 else pcm_to_ulaw)(PCM16.tobytes())
    found = read(tmp_path, wav_bytes(coded, kind=kind, bits=8))
    assert np.abs(samples(found.pcm) - PCM16).max() <= tolerance * 16_384


def test_stereo_at_44100_is_averaged(tmp_path: Path) -> None:
    left, right = PCM16, -(PCM16 // 2)
    both = np.stack([left, right], axis=1).astype("<i2").tobytes()
    found = read(tmp_path, wav_bytes(both, channels=2, rate=44_100))
    assert (found.sample_rate, found.channels) == (44_100, 2)
    assert np.abs(samples(found.pcm) - np.rint((left.astype(int) + right) / 2)).max() <= 1


def test_many_channels_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav_module, "_BLOCK_SAMPLES", 1000)
    frames = np.repeat(PCM16[:, None], 8, axis=1)
    assert read(tmp_path, wav_bytes(frames.tobytes(), channels=8)).pcm == PCM16.tobytes()


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_lengths_left_open_by_a_pipe_are_accepted(tmp_path: Path, size: int) -> None:
    found = read(tmp_path, wav_bytes(PCM16.tobytes(), data_size=size, riff_size=0xFFFFFFFF))
    assert found.pcm == PCM16.tobytes()
    assert not found.truncated


@pytest.mark.parametrize("cut", [1, 2, 1001, 15_000])
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path, cut: int) -> None:
    found = read(tmp_path, wav_bytes(PCM16.tobytes())[:-cut])
    assert found.truncated
    assert found.pcm == PCM16.tobytes()[: (len(PCM16) * 2 - cut) // 2 * 2]


def test_other_chunks_are_skipped(tmp_path: Path) -> None:
    note = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0"
    assert read(tmp_path, wav_bytes(PCM16.tobytes(), before=note)).pcm == PCM16.tobytes()


def test_floats_beyond_full_scale_and_not_numbers_do_no_harm(tmp_path: Path) -> None:
    data = np.array([[2.0, 2.0], [np.inf, -np.inf], [np.nan, 0.5], [-3.0, -3.0]], dtype="<f4").tobytes()
    found = read(tmp_path, wav_bytes(data, kind=FLOAT_FORMAT, bits=32, channels=2))
    assert samples(found.pcm).tolist() == [32767, 0, 8192, -32768]


def test_flac_and_ogg_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "in.flac"
    soundfile.write(path, PCM16, RATE)
    assert read_wav(str(path)).pcm == PCM16.tobytes()
    path = tmp_path / "in.ogg"
    soundfile.write(path, PCM16, RATE)
    assert len(read_wav(path).pcm) == len(PCM16) * 2


SOX_FILES = sorted((Path(__file__).parents[2] / "data" / "sox").glob("*.wav"))


@pytest.mark.parametrize("path", SOX_FILES, ids=lambda p: p.stem)
def test_what_sox_writes(path: Path) -> None:
    """Made by ``sox -R -n -b … -e … -r … -c … FILE synth 0.2 sine 440 gain -6``; one through a pipe."""
    found = read_wav(path)
    assert str(found.sample_rate) in path.stem
    assert not found.truncated
    assert found.seconds == pytest.approx(0.2, abs=0.06)  # codecs with blocks pad the last one
    inner = samples(found.pcm)[found.sample_rate // 50 : int(found.sample_rate * 0.18)].astype(float)
    crossings = (np.diff(inner >= 0) != 0).sum() / 2 / (len(inner) / found.sample_rate)
    assert crossings == pytest.approx(440, rel=0.03)
    assert np.abs(inner).max() == pytest.approx(16_384, rel=0.06)


def test_the_files_of_sox_are_there() -> None:
    assert len(SOX_FILES) == 11


# --- bad files --------------------------------------------------------------------------------------------

BAD = {
    "empty": (b"", "is empty"),
    "text": (b"This is not a recording, whatever its name says. " * 20, "not a readable WAV"),
    "header only": (wav_bytes(b"", data_size=1000), "holds no audio"),
    "half a header": (wav_bytes(PCM16.tobytes())[:30], "not a readable WAV"),
    "RIFF alone": (b"RIFF", "not a readable WAV"),
    "no samples": (wav_bytes(b""), "holds no audio"),
    "no channels": (wav_bytes(PCM16.tobytes(), channels=0), "Channel count is zero"),
    "too many channels": (wav_bytes(PCM16.tobytes() * 5, channels=100), "cannot be right"),
    "no rate": (wav_bytes(PCM16.tobytes(), rate=0), "not a readable WAV"),
    "absurd rate": (wav_bytes(PCM16.tobytes(), rate=50_000_000), "50000000 Hz"),
    "one sample a second": (wav_bytes(PCM16.tobytes(), rate=1), "cannot be right"),
    "no bits": (wav_bytes(PCM16.tobytes(), bits=0), "not a readable WAV"),
    "compressed otherwise": (wav_bytes(PCM16.tobytes(), kind=0x55), "not a readable WAV"),
    "chunk beyond the end": (
        wav_bytes(PCM16.tobytes(), before=b"LIST" + struct.pack("<I", 0x7FFFFFFF)),
        "not a readable WAV",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_name_the_file_and_the_remedy(tmp_path: Path, name: str) -> None:
    content, what = BAD[name]
    with pytest.raises(FormatError) as caught:
        read(tmp_path, content)
    error = caught.value
    assert error.code == "invalid_format"
    assert what in error.message
    assert str(tmp_path / "in.wav") in error.message
    assert "give a WAV file with speech" in error.message
    assert error.details["path"] == str(tmp_path / "in.wav")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        read_wav(tmp_path / "nowhere.wav")
    with pytest.raises(FormatError, match="is a directory"):
        read_wav(tmp_path)
    with pytest.raises(FormatError, match="cannot be opened"):
        read_wav(tmp_path / ("x" * 300))
    with pytest.raises(FormatError, match="cannot be opened"):
        read_wav("a\0b.wav")


def test_hours_of_audio_are_refused_before_they_are_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(wav_module, "MAX_SECONDS", 0.25)
    monkeypatch.setattr(wav_module, "_read_mono", lambda _: pytest.fail("it was read"))
    with pytest.raises(FormatError, match="hours long"):
        read(tmp_path, wav_bytes(PCM16.tobytes()))


# --- writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_by_the_standard_library(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "out.wav"
    write_wav(path, PCM16.tobytes(), 24_000, channels)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, channels, 2)
        assert file.readframes(file.getnframes()) == PCM16.tobytes()


def test_an_empty_recording_can_be_written(tmp_path: Path) -> None:
    write_wav(tmp_path / "out.wav", b"", 16_000)
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert file.getnframes() == 0


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot write"):
        write_wav(tmp_path / "no" / "out.wav", b"\0\0", 16_000)
    with pytest.raises(FormatError, match="cannot write"):
        write_wav(tmp_path, b"\0\0", 16_000)
    for pcm, channels in ((b"\0", 1), (b"\0\0", 2)):
        with pytest.raises(FormatError, match="whole samples"):
            write_wav(tmp_path / "out.wav", pcm, 16_000, channels)
