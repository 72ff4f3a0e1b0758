from __future__ import annotations

import numpy as np
import pytest

from beluga_voice import FormatError
from beluga_voice.audio.mix import mix


def pcm(*samples: int) -> bytes:
    return np.array(samples, dtype="<i2").tobytes()


def test_voices_add_and_the_longest_gives_the_length() -> None:
    assert mix([pcm(1, 2, 3), pcm(10), pcm(100, 200)]) == pcm(111, 202, 3)


def test_too_loud_sums_saturate_instead_of_wrapping() -> None:
    assert mix([pcm(30_000, -30_000)] * 3) == pcm(32767, -32768)


def test_one_voice_passes_through_and_none_is_nothing() -> None:
    data = pcm(5, 6)
    assert mix([data]) is data
    assert mix([]) == b""


def test_odd_bytes_are_refused() -> None:
    with pytest.raises(FormatError):
        mix([pcm(1), b"\0"])
