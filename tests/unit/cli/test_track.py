from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import beluga_voice as bv
from beluga_voice.cli.track import Track, make_room, save


def frame(value: int, pts: float, samples: int = 160, rate: int = 8000) -> bv.AudioFrame:
    return bv.AudioFrame(np.full(samples, value, "<i2").tobytes(), rate, pts=pts)


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2")


def test_sound_lies_where_its_pts_says_and_silence_elsewhere() -> None:
    track = Track(8000)
    track.place(frame(5, 0.5))
    track.place(frame(7, 0.52))
    out = samples(track.pcm(1.0))
    assert len(out) == 8000
    assert (out[:4000] == 0).all()
    assert (out[4000:4160] == 5).all()
    assert (out[4160:4320] == 7).all()
    assert (out[4320:] == 0).all()


def test_a_longer_track_is_not_cut_and_nothing_is_only_silence() -> None:
    track = Track(8000)
    track.place(frame(5, 0.98))
    assert len(track.pcm(0.5)) == 2 * 8000
    assert Track(8000).pcm(0.25) == bytes(2 * 2000)
    assert Track(8000).pcm() == b""


def test_frames_that_overlap_replace_what_was_there() -> None:
    track = Track(8000)
    track.place(frame(5, 0.0))
    track.place(frame(7, 0.01))
    assert samples(track.pcm()).tolist() == [5] * 80 + [7] * 160


def test_a_time_before_the_start_is_the_start() -> None:
    track = Track(8000)
    track.place(frame(5, -0.2))
    assert (samples(track.pcm()) == 5).all()


def test_what_was_thrown_away_unheard_is_cut() -> None:
    track = Track(8000)
    for i in range(5):
        track.place(frame(5, i * 0.02))
    track.cut(0.05)
    assert len(samples(track.pcm())) == 400
    track.place(frame(9, 0.2))
    out = samples(track.pcm())
    assert (out[:400] == 5).all()
    assert (out[400:1600] == 0).all()
    assert (out[1600:] == 9).all()


def test_long_runs_of_frames_leave_no_gap_between_them() -> None:
    track = Track(24_000)
    pts = 0.1234567
    for _ in range(500):
        track.place(frame(3, pts, 480, 24_000))
        pts += 0.02
    out = samples(track.pcm())
    first = int(np.flatnonzero(out)[0])
    assert (out[first:] == 3).mean() > 0.999


def test_both_sides_are_written_left_and_right(tmp_path: Path) -> None:
    path = tmp_path / "both.wav"
    save(path, frame(5, 0).data, frame(-3, 0, samples=200).data, 8000)
    found, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000
    assert found.shape == (200, 2)
    assert (found[:, 0] == -3).all()
    assert (found[:160, 1] == 5).all()
    assert (found[160:, 1] == 0).all()
    save(path, frame(5, 0).data, None, 8000)
    assert soundfile.info(path).channels == 1


def test_an_output_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    make_room(tmp_path / "new" / "folder" / "out.wav")
    assert (tmp_path / "new" / "folder").is_dir()
    assert not (tmp_path / "new" / "folder" / "out.wav").exists()
    with pytest.raises(bv.ConfigError, match="it is a folder"):
        make_room(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(bv.ConfigError, match=r"--out .* cannot be written"):
        make_room(tmp_path / "file" / "out.wav")
