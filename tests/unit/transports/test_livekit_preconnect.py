from __future__ import annotations

import io

import av
import numpy as np
import pytest

from beluga_voice.errors import FormatError
from beluga_voice.transports.livekit_preconnect import decode_recording, splice


def tone(hertz: float, rate: int, seconds: float, channels: int = 1) -> np.ndarray:
    t = np.arange(int(rate * seconds)) / rate
    mono = (8000 * np.sin(2 * np.pi * hertz * t)).astype(np.int16)
    return np.repeat(mono, channels)


def encoded(container: str, codec: str, samples: np.ndarray) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=48_000, frame_size=960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            for packet in stream.encode(piece):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return out.getvalue()


def loudest(pcm: bytes, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2").astype(float)))
    return float(spectrum.argmax() * rate / (len(pcm) // 2))


@pytest.mark.parametrize(
    ("container", "codec", "mime"),
    [
        ("webm", "libopus", "audio/webm;codecs=opus"),
        ("mp4", "aac", "video/mp4"),
        ("ogg", "libopus", "audio/ogg"),
    ],
)
def test_what_browsers_record_is_read(container: str, codec: str, mime: str) -> None:
    data = encoded(container, codec, tone(440, 48_000, 1.0))
    pcm, rate = decode_recording(data, mime, 48_000, 1)
    assert abs(len(pcm) / 2 / rate - 1.0) < 0.1
    assert loudest(pcm, rate) == pytest.approx(440, abs=3)


def test_a_recording_that_was_cut_off_still_has_its_beginning() -> None:
    data = encoded("webm", "libopus", tone(440, 48_000, 3.0))
    pcm, rate = decode_recording(data[: len(data) // 2], "audio/webm", 48_000, 1)
    assert len(pcm) / 2 / rate > 0.5
    assert loudest(pcm, rate) == pytest.approx(440, abs=3)


def test_pcm_is_taken_as_it_is_and_mixed_down() -> None:
    stereo = tone(440, 24_000, 0.5, channels=2).tobytes()
    pcm, rate = decode_recording(stereo + b"\x00", "audio/pcm;codec=s16le", 24_000, 2)
    assert (pcm, rate) == (tone(440, 24_000, 0.5).tobytes(), 24_000)


@pytest.mark.parametrize(
    ("data", "mime", "rate", "channels"),
    [
        (b"", "audio/webm", 48_000, 1),
        (b"not a recording" * 100, "audio/webm;codecs=opus", 48_000, 1),
        (b"\x00" * 64, "audio/pcm", 1, 1),
        (b"\x00" * 64, "audio/pcm", 48_000, 7),
    ],
)
def test_what_is_none_is_refused(data: bytes, mime: str, rate: int, channels: int) -> None:
    with pytest.raises(FormatError):
        decode_recording(data, mime, rate, channels)


def voice(seconds: float) -> np.ndarray:
    """Something that never repeats itself, with the spectrum of speech."""
    noise = np.random.default_rng(1).standard_normal(int(16_000 * seconds))
    return (4000 * np.convolve(noise, np.hanning(12) / 6, mode="same")).astype(np.int16)


@pytest.mark.parametrize("overlap", [0.1, 0.2, 0.3, 0.8, 1.4])
def test_a_recording_and_live_audio_are_joined_where_they_overlap(overlap: float) -> None:
    said = voice(4.0)
    begins = 16_000 * 2
    recorded = said[: begins + int(overlap * 16_000)]
    live = said[begins:].astype(np.int32) + np.random.default_rng(2).integers(-300, 300, len(said) - begins)
    live[:400] = 0  # a decoder that is not warm yet
    joined = np.frombuffer(splice(recorded.tobytes(), live.astype("<i2").tobytes(), 16_000), "<i2")
    expected = overlap > 0.17  # less than the probe: they simply follow each other
    assert abs(len(joined) - len(said)) < 2 if expected else len(joined) >= len(said)
    if expected:
        assert np.corrcoef(joined, said[: len(joined)])[0, 1] > 0.95


def test_what_does_not_overlap_is_kept_whole() -> None:
    silence, said = bytes(64_000), voice(2.0).tobytes()
    assert splice(silence, said, 16_000) == silence + said
    assert splice(said, silence, 16_000) == said + silence
    assert splice(b"", said, 16_000) == said
    assert splice(said, b"", 16_000) == said
