"""Recordings on disk, by libsndfile: WAV of any width, rate and channel count in; 16-bit WAV out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from beluga_voice.audio.pcm import float_to_pcm
from beluga_voice.errors import FormatError

__all__ = ["Recording", "read_wav", "write_wav"]

# Longer recordings are not conversations; reading one into memory would only hurt.
MAX_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as one channel.

    Attributes:
        pcm: mono s16le.
        sample_rate: in Hz.
        channels: how many the file had; they were averaged.
        format: what the file held, e.g. ``PCM_16`` or ``FLOAT``.
    """

    pcm: bytes
    sample_rate: int
    channels: int = 1
    format: str = "PCM_16"

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.pcm) / 2 / self.sample_rate


def read_wav(path: Path | str) -> Recording:
    """Reads a WAV file (also FLAC, OGG and what else libsndfile knows) and mixes it to one channel.

    A file that was cut off is read as far as it goes.

    Raises:
        FormatError: ``invalid_format``, naming the file and what is wrong with it.
    """
    path = Path(path)
    if not path.exists():
        raise _error(path, "no such file")
    if path.is_dir():
        raise _error(path, "is a directory")
    if path.stat().st_size == 0:
        raise _error(path, "is empty")
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.samplerate <= 0 or file.channels <= 0 or file.frames > MAX_SECONDS * max(1, file.samplerate):
                raise _error(path, f"has an absurd header ({file.samplerate} Hz, {file.channels} channels)")
            samples = file.read(dtype="float32", always_2d=True)
            rate, channels, subtype = file.samplerate, file.channels, file.subtype
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
        reason = str(error).split(": ", 1)[-1].strip().rstrip(".")
        raise _error(path, f"is not a readable WAV file ({reason})") from error
    if len(samples) == 0:
        raise _error(path, "holds no audio")
    mono = np.nan_to_num(samples.mean(axis=1))
    return Recording(float_to_pcm(mono), rate, channels, subtype)


def write_wav(path: Path | str, pcm: bytes, sample_rate: int, channels: int = 1) -> None:
    """Writes interleaved s16le as a 16-bit WAV.

    Raises:
        FormatError: ``invalid_format`` if the file cannot be written.
    """
    samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels)
    try:
        soundfile.write(str(path), samples, sample_rate, subtype="PCM_16", format="WAV")
    except (soundfile.SoundFileError, OSError) as error:
        raise FormatError("write_wav", "invalid_format", f"cannot write {path}: {error}") from error


def _error(path: Path, what: str) -> FormatError:
    return FormatError("read_wav", "invalid_format", f"{path} {what}; give a WAV file with speech", {"path": str(path)})
