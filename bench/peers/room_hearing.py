"""What a recogniser would hear in a room: words by when they sound, ends by the level of the audio.

In a room nobody tells the fake recogniser when something is said; it has the audio, as a real one has, and the words
of the only thing its caller says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Hearing"]

# Of full scale; the callers' quiet rooms are at 0.001, their voices at 0.05 and more.
_VOICED = 0.008
_WINDOW = 0.01
# After this much silence the caller begins again.
_NEW = 1.0


class Hearing:
    """Follows one caller.

    Args:
        entry: the utterance, as in a job.
        partial: seconds from the end of a word until it is in a partial.
        rate: of the audio, in Hz.

    Attributes:
        quiet: seconds since the last voiced sample.
    """

    def __init__(self, entry: dict[str, Any], partial: float, rate: int) -> None:
        self._words = [(str(word), float(end) - entry["first"]) for word, _, end in entry["words"]]
        self._partial = partial
        self._size = int(rate * _WINDOW)
        self._voiced = (_VOICED * 32768) ** 2 * self._size
        self._rest = np.empty(0, np.int16)
        self._begun: float | None = None
        self._now = 0.0
        self._told = self._final = 0
        self.quiet = _NEW

    @property
    def open(self) -> bool:
        """Whether there are words that are in no final."""
        return self._begun is not None and self._final < len(self._words)

    def push(self, pcm: bytes) -> list[str]:
        """Takes mono s16le; returns the partials of the present segment that are due."""
        samples = np.frombuffer(pcm, np.int16)
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) // self._size
        self._rest = samples[whole * self._size :]
        windows = samples[: whole * self._size].reshape(-1, self._size).astype(np.float32)
        for power in np.einsum("ij,ij->i", windows, windows).tolist():
            if power > self._voiced:
                if self.quiet >= _NEW:
                    self._begun, self._told, self._final = self._now, 0, 0
                self.quiet = 0.0
            else:
                self.quiet += _WINDOW
            self._now += _WINDOW
        heard = self._heard(self._partial)
        if heard <= self._told or not self.open:
            return []
        self._told = heard
        return [self._text(heard)]

    def segment(self) -> str:
        """The words since the last final; the next begins after them."""
        heard = max(self._told, self._heard(0.0))
        text, self._final = self._text(heard), heard
        self._told = heard
        return text

    def _heard(self, delay: float) -> int:
        if self._begun is None:
            return 0
        # Soft sounds at the end are below the level.
        if self.quiet >= 0.1 and self._now - self.quiet - self._begun >= self._words[-1][1] - 0.25:
            return len(self._words)
        return sum(self._begun + end + delay <= self._now for _, end in self._words)

    def _text(self, heard: int) -> str:
        return " ".join(word for word, _ in self._words[self._final : heard])
