"""A recording of one side of a conversation, every sound where it was heard."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from beluga_voice.audio.pcm import pcm_to_array
from beluga_voice.audio.wav import write_wav
from beluga_voice.errors import ConfigError
from beluga_voice.frames import AudioFrame

__all__ = ["Track", "make_room", "save"]


class Track:
    """Mono s16le audio laid out on a session's timeline, silence in between.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._pcm = bytearray()

    def place(self, frame: AudioFrame) -> None:
        """Adds a mono frame where its ``pts`` says; what is there already is replaced."""
        at = self._byte(frame.pts)
        self._pcm.extend(bytes(max(0, at - len(self._pcm))))
        self._pcm[at : at + len(frame.data)] = frame.data

    def cut(self, seconds: float) -> None:
        """Takes away what was placed after ``seconds``: it was sent, but thrown away before it was heard."""
        del self._pcm[self._byte(seconds) :]

    def pcm(self, seconds: float = 0.0) -> bytes:
        """All of it, padded with silence to at least ``seconds``."""
        return bytes(self._pcm).ljust(self._byte(seconds), b"\0")

    def _byte(self, seconds: float) -> int:
        return max(0, round(seconds * self.sample_rate)) * 2


def make_room(path: Path) -> None:
    """Makes the folder of an output file, before minutes of conversation would be lost for want of it.

    Raises:
        ConfigError: ``invalid_config`` if the file could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error.strerror or "no folder can be made there") from error
    if path.is_dir():
        raise _unwritable(path, "it is a folder")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _unwritable(path, "permission denied")


def _unwritable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        "talk", "invalid_config", f"--out {path} cannot be written: {reason}; choose another file"
    )


def save(path: Path, agent: bytes, user: bytes | None, sample_rate: int) -> None:
    """Writes the agent's side, or with ``user`` both: the user on the left, the agent on the right.

    Args:
        path: the WAV file.
        agent: mono s16le.
        user: likewise, at the same rate, or None.
        sample_rate: in Hz.
    """
    if user is None:
        write_wav(path, agent, sample_rate)
        return
    length = max(len(user), len(agent))
    sides = [pcm_to_array(side.ljust(length, b"\0")) for side in (user, agent)]
    write_wav(path, np.stack(sides, axis=1).tobytes(), sample_rate, 2)
