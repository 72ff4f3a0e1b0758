from __future__ import annotations

import numpy as np
import pytest

from beluga_voice import FormatError
from beluga_voice.audio.pcm import (
    Gain,
    array_to_pcm,
    downmix,
    fade_out,
    float_to_pcm,
    pcm_to_array,
    pcm_to_float,
    split_frames,
)


def pcm(*samples: int) -> bytes:
    return np.array(samples, dtype="<i2").tobytes()


def test_floats_and_back_is_the_identity_for_every_sample() -> None:
    every = np.arange(-32768, 32768).astype("<i2").tobytes()
    floats = pcm_to_float(every)
    assert floats.dtype == np.float32
    assert floats.min() == -1.0
    assert floats.max() < 1.0
    assert float_to_pcm(floats) == every


def test_what_is_too_loud_is_clipped_not_wrapped() -> None:
    assert float_to_pcm(np.array([1.5, 1.0, -1.0, -7.0])) == pcm(32767, 32767, -32768, -32768)
    assert array_to_pcm(np.array([40_000.0, -40_000.0, 0.6, -0.6])) == pcm(32767, -32768, 1, -1)


@pytest.mark.parametrize(
    "call",
    [
        pcm_to_array,
        pcm_to_float,
        lambda b: downmix(b, 2),
        lambda b: fade_out(b, 1),
        lambda b: _half().apply(b),
        lambda b: _ramping().apply(b),
    ],
)
def test_odd_bytes_are_refused(call) -> None:
    with pytest.raises(FormatError) as caught:
        call(b"\0\0\0")
    assert caught.value.code == "invalid_format"
    assert "s16le" in caught.value.message


def test_downmix_is_the_mean_of_the_channels() -> None:
    assert downmix(pcm(100, 200, -100, 100, 32767, 32767), 2) == pcm(150, 0, 32767)
    assert downmix(pcm(10, 20, 60), 3) == pcm(30)
    assert downmix(pcm(1, 2, 3), 1) == pcm(1, 2, 3)


@pytest.mark.parametrize("channels", [0, -1, 2])
def test_downmix_refuses_what_does_not_divide(channels: int) -> None:
    with pytest.raises(FormatError, match="channels"):
        downmix(pcm(1, 2, 3), channels)


def test_frames_and_what_is_left_over_add_up() -> None:
    frames, rest = split_frames(bytes(range(10)), 4)
    assert frames == [bytes(range(4)), bytes(range(4, 8))]
    assert rest == bytes([8, 9])
    assert split_frames(b"", 4) == ([], b"")


def test_fade_out_ends_in_silence_and_leaves_the_rest() -> None:
    faded = pcm_to_array(fade_out(pcm(*[1000] * 100), 50))
    assert (faded[:50] == 1000).all()
    assert faded[-1] == 0
    assert (np.diff(faded[50:].astype(int)) <= 0).all()
    assert pcm_to_array(fade_out(pcm(9, 9), 50))[-1] == 0
    assert fade_out(pcm(9, 9), 0) == pcm(9, 9)
    assert fade_out(b"", 10) == b""


# --- gain -------------------------------------------------------------------------------------------------


def _half() -> Gain:
    gain = Gain()
    gain.set(0.5, at_once=True)
    return gain


def _ramping() -> Gain:
    gain = Gain()
    gain.set(0.5)
    return gain


def test_unity_gain_passes_the_bytes_through() -> None:
    data = pcm(1, -1, 32767)
    assert Gain().apply(data) is data


def test_a_change_is_a_ramp_that_never_clicks() -> None:
    gain = Gain(ramp_samples=100)
    gain.set(0.0)
    out = np.concatenate([pcm_to_array(gain.apply(pcm(*[10_000] * 30))) for _ in range(5)]).astype(int)
    assert out[0] == 9900
    assert out[99:].tolist() == [0] * 51
    assert np.abs(np.diff(out)).max() <= 100
    assert gain.value == 0.0


def test_a_ramp_can_turn_around_half_way() -> None:
    gain = Gain(ramp_samples=100)
    gain.set(0.0)
    down = pcm_to_array(gain.apply(pcm(*[10_000] * 50))).astype(int)
    gain.set(1.0)
    up = pcm_to_array(gain.apply(pcm(*[10_000] * 60))).astype(int)
    assert np.abs(np.diff(np.concatenate([down, up]))).max() <= 100
    assert up[-1] == 10_000
    assert gain.value == 1.0


def test_a_short_step_takes_its_share_of_the_ramp() -> None:
    gain = Gain(ramp_samples=100)
    gain.set(0.85)
    out = pcm_to_array(gain.apply(pcm(*[10_000] * 40)))
    assert out[14] == 8500
    assert out[13] > 8500


@pytest.mark.parametrize("ramping", [False, True])
def test_gain_above_one_clips(ramping: bool) -> None:
    gain = Gain(ramp_samples=1)
    gain.set(4.0, at_once=not ramping)
    out = pcm_to_array(gain.apply(pcm(*[20_000, -20_000] * 10)))
    assert out[-2] == 32767
    assert out[-1] == -32768


def test_no_audio_does_not_move_the_ramp() -> None:
    gain = Gain(ramp_samples=100)
    gain.set(0.0)
    assert gain.apply(b"") == b""
    assert gain.value == 1.0
