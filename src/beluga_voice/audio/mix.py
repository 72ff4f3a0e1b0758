"""Several voices as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from beluga_voice.audio.pcm import array_to_pcm, pcm_to_array

__all__ = ["mix"]


def mix(voices: Sequence[bytes]) -> bytes:
    """The sum of mono s16le pieces that begin together, as long as the longest; too loud sums are clipped.

    Raises:
        FormatError: ``invalid_format`` if a piece has an odd number of bytes.
    """
    arrays = [pcm_to_array(voice) for voice in voices]
    if len(arrays) <= 1:
        return voices[0] if arrays else b""
    total = np.zeros(max(map(len, arrays)), dtype=np.int32)
    for array in arrays:
        total[: len(array)] += array
    return array_to_pcm(total)
