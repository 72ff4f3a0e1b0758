"""Several speakers as the one user that the turn machine knows.

The room has a voice while anybody speaks. Each speaker has a recogniser, whose segments end with that speaker's own
pauses; the room's segment, which the machine counts, ends with the machine's `AskFinal` and holds what everybody said
since the one before, in the order in which they began. Its final is told when all speakers' finals are in.
"""

from __future__ import annotations

from dataclasses import dataclass

from beluga_voice.core import inputs as inp
from beluga_voice.core.voices import attributed

__all__ = ["Crowd", "Finalize", "Step"]

# A final that is this late holds up no others: its partial stands in for it …
_OVERDUE = 2.0
# … and where there was none, words that come within this time are words said now.
_LATE = 4.0


@dataclass(frozen=True, slots=True)
class Finalize:
    """Make ``who``'s recogniser end its segment; ``goes_on`` if they are still speaking."""

    who: str
    at: float
    goes_on: bool


Step = inp.SpeechStarted | inp.SpeechEnded | inp.PartialText | inp.FinalText | Finalize
"""What is to be done: tell the turn machine an input, or ask a recogniser."""


@dataclass(slots=True)
class _Speaker:
    """One person.

    Attributes:
        number: tells one that came back from the one that left.
        voiced: speaks now.
        open: has spoken since the last final was asked for.
        onset: when that began.
        ended: when the last voice was.
        segment: number of the recogniser's open segment.
    """

    number: int
    voiced: bool = False
    open: bool = False
    onset: float = 0.0
    ended: float = 0.0
    segment: int = 0


@dataclass(slots=True)
class _Piece:
    """One segment of one speaker's recogniser."""

    who: str
    onset: float
    text: str = ""
    final: bool = False


@dataclass(slots=True)
class _Due:
    """A segment of the room whose finals were asked for at ``asked``."""

    asked: float
    pieces: dict[tuple[int, int], _Piece]

    @property
    def complete(self) -> bool:
        return all(piece.final for piece in self.pieces.values())


class Crowd:
    """Merges voices and words; a lone speaker passes unchanged. Identities are any text, empty where there is none."""

    def __init__(self) -> None:
        self._speakers: dict[str, _Speaker] = {}
        self._numbers = 0
        self._named = False
        self._segment = 0
        self._open: dict[tuple[int, int], _Piece] = {}
        self._due: dict[int, _Due] = {}
        self._late: dict[tuple[int, int], float] = {}

    @property
    def voiced(self) -> frozenset[str]:
        """Who speaks now."""
        return frozenset(who for who, s in self._speakers.items() if s.voiced)

    @property
    def last_speaker(self) -> str:
        """Who began to speak last."""
        return max(self._speakers, key=lambda who: self._speakers[who].onset, default="")

    def said(self, who: str, text: str) -> str:
        """``text`` with its speaker, as the turn machine is told it; without one as long as nobody has a name."""
        self._named |= bool(who)
        return attributed(who, text) if self._named else text

    # --- voices ---------------------------------------------------------------------------------------------

    def voice_started(self, who: str, at: float) -> list[Step]:
        """``who`` began to speak at ``at``."""
        speaker = self._speaker(who)
        first = not self.voiced
        speaker.voiced = True
        if not speaker.open:
            speaker.open, speaker.onset = True, at
        return [inp.SpeechStarted(at)] if first else []

    def voice_ended(self, who: str, at: float) -> list[Step]:
        """``who`` fell silent at ``at``; the room has, when nobody else speaks."""
        speaker = self._speakers.get(who)
        if speaker is None or not speaker.voiced:
            return []
        speaker.voiced, speaker.ended = False, at
        if not self.voiced:
            return [inp.SpeechEnded(max(s.ended for s in self._speakers.values()))]
        return [self._finalize(who, speaker, at)]

    def left(self, who: str, at: float, now: float) -> list[Step]:
        """``who`` is gone, or cannot be heard any more: what was recognised of them stands."""
        steps: list[Step] = [s for s in self.voice_ended(who, at) if not isinstance(s, Finalize)]
        speaker = self._speakers.pop(who, None)
        if speaker is None:
            return steps
        for pieces in (self._open, *(due.pieces for due in self._due.values())):
            for (number, _), piece in pieces.items():
                piece.final |= number == speaker.number
        return steps + self._settle(now)

    # --- words ----------------------------------------------------------------------------------------------

    def words(self, who: str, segment: int, text: str, now: float, *, final: bool) -> list[Step]:
        """``who``'s recogniser tells what it hears in its ``segment``."""
        speaker = self._speaker(who)
        key = (speaker.number, segment)
        room = next((room for room, due in self._due.items() if key in due.pieces), None)
        pieces = self._open if room is None else self._due[room].pieces
        if key not in pieces:
            if segment < speaker.segment and now > self._late.pop(key, now - 1.0):
                return []  # settled, or too late to matter
            pieces[key] = _Piece(who, speaker.onset if speaker.open else now)
        piece = pieces[key]
        if piece.final:
            return []
        piece.text, piece.final = text, final
        speaker.segment = max(speaker.segment, segment + 1) if final else speaker.segment
        if room is not None:
            return self._settle(now) or [inp.PartialText(room, self._text(pieces))]
        if final and self.voiced <= {who} and all(p.final for p in self._open.values()):
            self._close(now)
            return self._settle(now)
        return [inp.PartialText(self._segment, self._text(self._open))]

    def ask_final(self, at: float, now: float) -> list[Step]:
        """The turn machine's `AskFinal`: everybody's words so far make the room's segment; more begin the next."""
        steps: list[Step] = []
        for who, speaker in self._speakers.items():
            if speaker.open:
                steps.append(self._finalize(who, speaker, at))
                if speaker.voiced:
                    speaker.open, speaker.onset = True, at
        self._close(now)
        return steps + self._settle(now)

    # --- inside ---------------------------------------------------------------------------------------------

    def _speaker(self, who: str) -> _Speaker:
        self._named |= bool(who)
        if who not in self._speakers:
            self._numbers += 1
            self._speakers[who] = _Speaker(self._numbers)
        return self._speakers[who]

    def _finalize(self, who: str, speaker: _Speaker, at: float) -> Finalize:
        self._open.setdefault((speaker.number, speaker.segment), _Piece(who, speaker.onset))
        speaker.open = False
        speaker.segment += 1
        return Finalize(who, at if speaker.voiced else speaker.ended, speaker.voiced)

    def _close(self, now: float) -> None:
        """Ends the room's open segment."""
        self._due[self._segment] = _Due(now, self._open)
        self._segment, self._open = self._segment + 1, {}

    def _settle(self, now: float) -> list[Step]:
        """The finals of the room that are complete, in order; one that is overdue is not waited for."""
        out: list[Step] = []
        for room in sorted(self._due):
            due = self._due[room]
            later = any(d.complete for r, d in self._due.items() if r > room)
            if not due.complete and not (later and now > due.asked + _OVERDUE):
                break
            del self._due[room]
            out.append(inp.FinalText(room, self._text(due.pieces)))
            self._late = {key: until for key, until in self._late.items() if until >= now}
            for key, piece in due.pieces.items():
                if not piece.final and not piece.text.strip():
                    self._late[key] = due.asked + _LATE
        return out

    def _text(self, pieces: dict[tuple[int, int], _Piece]) -> str:
        said = (self.said(p.who, p.text) for p in sorted(pieces.values(), key=lambda p: p.onset))
        return " ".join(text for text in said if text.strip())
