"""The user's audio where the application brings it by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from beluga_voice.errors import FormatError
from beluga_voice.frames import AudioFrame

__all__ = ["FRAME_SECONDS", "checked_pcm", "frames_of"]

FRAME_SECONDS = 0.02


def checked_pcm(op: str, pcm: Any) -> bytes:
    """``pcm`` as bytes.

    Raises:
        FormatError: ``invalid_format`` if it is not bytes, or an odd number of them.
    """
    if type(pcm) is bytes:
        data = pcm
    elif isinstance(pcm, bytes | bytearray | memoryview):
        data = bytes(cast("bytes", pcm))
    else:
        raise FormatError(op, "invalid_format", f"pcm must be bytes, got {type(pcm).__name__}")
    if len(data) % 2:
        raise FormatError(
            op, "invalid_format", f"{len(data)} bytes are not whole 16-bit samples; send s16le PCM"
        )
    return data


def frames_of(pcm: bytes, rate: int) -> Iterable[AudioFrame]:
    """Mono s16le at ``rate`` Hz in frames of 20 ms; the last may be shorter."""
    size = int(rate * FRAME_SECONDS) * 2
    if 0 < len(pcm) <= size:
        return (AudioFrame(pcm, rate),)  # as it comes from a microphone, fifty times a second
    return (AudioFrame(pcm[start : start + size], rate) for start in range(0, len(pcm), size))
