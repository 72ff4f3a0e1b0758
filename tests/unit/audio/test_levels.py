from __future__ import annotations

import numpy as np
import pytest

from beluga_voice import FormatError
from beluga_voice.audio.levels import SILENCE_DBFS, LevelMeter, peak_dbfs, rms_dbfs


def sine(peak: float, samples: int = 1600) -> bytes:
    return np.rint(peak * np.sin(2 * np.pi * np.arange(samples) / 16)).astype("<i2").tobytes()


def test_a_full_scale_sine_is_three_db_below_its_peak() -> None:
    assert rms_dbfs(sine(32767)) == pytest.approx(-3.01, abs=0.01)
    assert peak_dbfs(sine(32767)) == pytest.approx(0.0, abs=0.01)


def test_half_the_amplitude_is_six_db_less() -> None:
    assert rms_dbfs(sine(3276.7)) - rms_dbfs(sine(1638.35)) == pytest.approx(6.02, abs=0.02)


def test_silence_and_nothing_read_the_floor() -> None:
    assert rms_dbfs(bytes(320)) == rms_dbfs(b"") == peak_dbfs(bytes(320)) == peak_dbfs(b"") == SILENCE_DBFS


def test_the_lowest_sample_is_full_scale() -> None:
    assert peak_dbfs(np.array([-32768], "<i2").tobytes()) == 0.0


def test_the_meter_reads_ten_times_a_second_over_all_audio() -> None:
    meter = LevelMeter(16_000)
    loud, silent = sine(32767, 320), bytes(640)
    readings = [meter.push(frame) for frame in [loud, silent, silent, silent, silent] * 10]
    levels = [r for r in readings if r is not None]
    assert len(levels) == 10
    # One frame in five is loud: a fifth of the energy, 7 dB less. The last frame alone would read silence.
    assert levels[0] == pytest.approx(-3.01 - 6.99, abs=0.02)


def test_the_meter_refuses_odd_bytes() -> None:
    with pytest.raises(FormatError):
        LevelMeter(16_000).push(b"\0")
