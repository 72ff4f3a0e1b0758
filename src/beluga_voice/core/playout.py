"""What the user has really heard of a reply, in seconds and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Playout"]

# Speaking rate assumed for text whose audio is not complete yet (seconds a character, English TTS).
_SECONDS_PER_CHARACTER = 0.065
# A word counts as heard when this share of it was: a listener completes a clipped ending.
_HEARD_SHARE = 0.6


@dataclass(slots=True)
class _Piece:
    text: str
    seconds: float = 0.0
    complete: bool = False
    growing: bool = False
    ends: list[float] = field(default_factory=list[float])


class Playout:
    """The ledger of one reply: text pieces in order, the audio made for each, and how much was played.

    Where a voice gives word timings they are used; otherwise words share a piece's time by their length.
    """

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._played = 0.0
        self._told = 0

    def begin_piece(self, text: str) -> None:
        """The audio that is queued from now on speaks ``text``."""
        if self._pieces:
            self._pieces[-1].complete = True
        self._pieces.append(_Piece(text))

    def add_text(self, text: str) -> None:
        """The present piece says ``text`` too; for a model whose words come beside its audio."""
        piece = self._pieces[-1]
        piece.text += text
        piece.growing = True

    def queue(self, seconds: float, word_ends: tuple[float, ...] = ()) -> None:
        """More audio of the present piece was made.

        Args:
            seconds: its length.
            word_ends: where the piece's next words end, in seconds from the start of this audio.
        """
        piece = self._pieces[-1]
        piece.ends.extend(piece.seconds + end for end in word_ends)
        piece.seconds += seconds

    def end_piece(self) -> None:
        """The present piece has all its audio."""
        if self._pieces:
            self._pieces[-1].complete = True

    def play(self, seconds: float) -> None:
        """``seconds`` more reached the user's ear."""
        self._played += seconds

    @property
    def played(self) -> float:
        """Seconds heard so far."""
        return self._played

    @property
    def queued(self) -> float:
        """Seconds of audio made so far."""
        return sum(p.seconds for p in self._pieces)

    def heard(self) -> str:
        """The words heard so far."""
        return " ".join(self._heard_words())

    def newly_heard(self) -> str:
        """The words heard since the last call."""
        words = self._heard_words()
        new = words[self._told :]
        self._told = max(self._told, len(words))
        return " ".join(new)

    def _heard_words(self) -> list[str]:
        out: list[str] = []
        start = 0.0
        for piece in self._pieces:
            words = piece.text.split()
            inside = self._played - start
            if piece.complete and inside >= piece.seconds - 1e-6:
                out.extend(words)
                start += piece.seconds
                continue
            if inside > 0:
                count = _count(piece, words, inside)
                if piece.growing and not piece.complete and not piece.text[-1:].isspace():
                    count = min(count, len(words) - 1)  # the last word may not be all there
                out.extend(words[: max(0, count)])
            break
        return out


def _count(piece: _Piece, words: list[str], inside: float) -> int:
    """How many of ``words`` were heard after ``inside`` seconds of the piece."""
    if len(piece.ends) >= len(words):
        return sum(end <= inside for end in piece.ends[: len(words)])
    characters = sum(len(w) + 1 for w in words) or 1
    total = piece.seconds if piece.complete else max(piece.seconds, characters * _SECONDS_PER_CHARACTER)
    at, count = 0.0, 0
    for word in words:
        length = (len(word) + 1) / characters * total
        if at + length * _HEARD_SHARE > inside:
            break
        at += length
        count += 1
    return count
