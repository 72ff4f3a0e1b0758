"""Recordings on disk, by libsndfile: WAV of any width, rate and channel count in; 16-bit WAV out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from beluga_voice.audio.pcm import array_to_pcm
from beluga_voice.errors import FormatError
from beluga_voice.frames import MAX_SAMPLE_RATE

__all__ = ["Recording", "read_wav", "write_wav"]

# Longer recordings are not conversations; reading one into memory would only hurt.
MAX_SECONDS = 2 * 3600
_MIN_RATE, _MAX_CHANNELS = 4000, 64
_BLOCK_SAMPLES = 1 << 20
# These fit into 16 bits, so they are read without going through floats.
_NARROW = frozenset({"PCM_16", "PCM_U8", "PCM_S8", "ULAW", "ALAW"})
# Programs that write to a pipe cannot know the length and leave a number this high instead.
_UNKNOWN_LENGTH = 0x7FFF0000
_SHORT_DATA = re.compile(r"^data : (\d+) \(should be \d+\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as one channel.

    Attributes:
        pcm: mono s16le.
        sample_rate: in Hz.
        channels: how many the file had; they were averaged.
        format: what the file held, e.g. ``PCM_16`` or ``FLOAT``.
        truncated: the file ends before its header says; ``pcm`` is what there was.
    """

    pcm: bytes
    sample_rate: int
    channels: int = 1
    format: str = "PCM_16"
    truncated: bool = False

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.pcm) / 2 / self.sample_rate


def read_wav(path: Path | str) -> Recording:
    """Reads a WAV file (also FLAC, OGG and what else libsndfile knows) and mixes it to one channel.

    A file that was cut off is read as far as it goes. Values beyond full scale are clipped.

    Raises:
        FormatError: ``invalid_format``, naming the file and what is wrong with it.
    """
    path = Path(path)
    _check_readable(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            _check_header(path, file)
            pcm = _read_mono(file)
            recording = Recording(pcm, file.samplerate, file.channels, file.subtype, _is_cut_off(file))
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
        reason = str(error).split(": ", 1)[-1].strip().rstrip(".")
        raise _error(path, f"is not a readable WAV file ({reason})") from error
    if not recording.pcm:
        raise _error(path, "holds no audio")
    return recording


def write_wav(path: Path | str, pcm: bytes, sample_rate: int, channels: int = 1) -> None:
    """Writes interleaved s16le as a 16-bit WAV.

    Raises:
        FormatError: ``invalid_format`` if the file cannot be written or the size is not whole samples.
    """
    if len(pcm) % (2 * channels):
        raise FormatError(
            "write_wav", "invalid_format", f"{len(pcm)} bytes are not whole samples of {channels} channel(s)"
        )
    samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels)
    try:
        soundfile.write(str(path), samples, sample_rate, subtype="PCM_16", format="WAV")
    except (soundfile.SoundFileError, OSError) as error:
        reason = str(error).split(": ", 1)[-1].strip().rstrip(".")
        raise FormatError(
            "write_wav",
            "invalid_format",
            f"cannot write {path} ({reason}); is the folder there and writable?",
        ) from error


def _check_readable(path: Path) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be opened ({error})"
        raise _error(path, reason) from error
    if path.is_dir():
        raise _error(path, "is a directory")
    if path.is_file() and found.st_size == 0:
        raise _error(path, "is empty")


def _check_header(path: Path, file: soundfile.SoundFile) -> None:
    rate, channels = file.samplerate, file.channels
    if not _MIN_RATE <= rate <= MAX_SAMPLE_RATE or not 1 <= channels <= _MAX_CHANNELS:
        raise _error(path, f"has a header that cannot be right ({rate} Hz, {channels} channels)")
    if file.frames > MAX_SECONDS * rate:
        raise _error(
            path, f"is {file.frames / rate / 3600:.1f} hours long, the limit is {MAX_SECONDS // 3600}"
        )


def _read_mono(file: soundfile.SoundFile) -> bytes:
    """All samples, averaged over the channels; in blocks, so that many channels need little memory."""
    out = bytearray()
    frames = _BLOCK_SAMPLES // file.channels
    narrow = file.subtype in _NARROW
    while True:
        block = file.read(frames, dtype="int16" if narrow else "float32", always_2d=True)
        if not len(block):
            return bytes(out)
        if not narrow:
            block = np.clip(np.nan_to_num(block), -1.0, 1.0) * 32768.0
        out += array_to_pcm(block.mean(axis=1))


def _is_cut_off(file: soundfile.SoundFile) -> bool:
    """Whether the data chunk is shorter than its header says; libsndfile notes that in its log only."""
    note = _SHORT_DATA.search(file.extra_info)
    return note is not None and int(note[1]) < _UNKNOWN_LENGTH


def _error(path: Path, what: str) -> FormatError:
    return FormatError(
        "read_wav", "invalid_format", f"{path} {what}; give a WAV file with speech", {"path": str(path)}
    )
