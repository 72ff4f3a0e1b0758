"""Values that travel: audio, and what speech providers say about it.

All audio inside the library is signed 16-bit little-endian PCM (``s16le``), channels interleaved. Times are
seconds on the session's timeline: 0 is the moment the session started.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from beluga_voice.errors import FormatError

__all__ = ["AudioFrame", "SpeechChunk", "SttEvent", "ToolCall", "Word"]

BYTES_PER_SAMPLE = 2
MAX_SAMPLE_RATE = 192_000


def _no_facts() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A piece of audio.

    Attributes:
        data: s16le samples, interleaved when ``channels`` is 2.
        sample_rate: in Hz.
        channels: 1 or 2.
        pts: when its first sample plays, in seconds on the session's timeline.
        participant: who sent it, where the transport knows (a room); otherwise empty.
        age: how many seconds ago its last sample was spoken, beyond the usual delay: a recording of what was said
            before the session heard.
        metadata: facts for custom processors; not interpreted.

    Raises:
        FormatError: ``invalid_format`` if the size is not a whole number of samples or a value is out of range.
    """

    data: bytes
    sample_rate: int = 16_000
    channels: int = 1
    pts: float = 0.0
    participant: str = ""
    age: float = 0.0
    metadata: dict[str, Any] = field(default_factory=_no_facts)

    def __post_init__(self) -> None:
        # A hundred frames a second and session come by: what is right is told with one look.
        whole = self.channels in (1, 2) and not len(self.data) % (BYTES_PER_SAMPLE * self.channels)
        if not whole or not 0 < self.sample_rate <= MAX_SAMPLE_RATE:
            self._refuse()

    def _refuse(self) -> None:
        if self.channels not in (1, 2):
            raise FormatError(
                "audio_frame", "invalid_format", f"channels must be 1 or 2, got {self.channels}"
            )
        if not 0 < self.sample_rate <= MAX_SAMPLE_RATE:
            raise FormatError(
                "audio_frame",
                "invalid_format",
                f"sample_rate must be 1 to {MAX_SAMPLE_RATE} Hz, got {self.sample_rate}",
            )
        raise FormatError(
            "audio_frame",
            "invalid_format",
            f"{len(self.data)} bytes are not a whole number of {self.channels}-channel 16-bit samples; "
            "send s16le PCM",
        )

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return len(self.data) // (BYTES_PER_SAMPLE * self.channels)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised or spoken word with its place in the audio.

    Attributes:
        text: the word as written.
        start: seconds from the start of the segment or chunk it belongs to.
        end: likewise, where it ends.
        confidence: 0 to 1, or None if the provider does not say.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class SttEvent:
    """What a recogniser heard.

    Attributes:
        text: all words of the segment so far (a partial replaces the one before it).
        final: True once per segment; the text will not change any more.
        segment: counts up from 0 with every `SttStream.finalize` that was answered.
        words: timings, where the recogniser gives them.
        confidence: 0 to 1, or None.
        language: ISO 639-1 code, or empty.
    """

    text: str
    final: bool = False
    segment: int = 0
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of synthesised speech.

    Attributes:
        data: mono s16le samples.
        sample_rate: in Hz.
        words: timings relative to the start of this chunk, where the voice gives them.
    """

    data: bytes
    sample_rate: int
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A request of the model to run a tool.

    Attributes:
        id: the model's own name for this call; the result carries it back.
        name: the tool.
        arguments: decoded JSON object.
    """

    id: str
    name: str
    arguments: dict[str, Any]
