"""What the turn core remembers of a conversation: plain data, so that it can be saved and replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Candidate", "Conversation", "State"]


class State(StrEnum):
    """Where a conversation stands; `beluga_voice.core.turn` says what each means."""

    LISTENING = "listening"
    USER_SPEAKING = "user_speaking"
    DECIDING = "deciding"
    THINKING = "thinking"
    SPEAKING = "speaking"
    INTERRUPTED = "interrupted"
    DRAINING = "draining"
    CLOSED = "closed"


@dataclass(slots=True)
class Candidate:
    """Speech over the agent that is not judged yet.

    Attributes:
        onset: when it began.
        ended_at: when it ended, or None while it lasts.
        ducked: the agent's voice was lowered for it.
        held: … and then held.
    """

    onset: float
    ended_at: float | None = None
    ducked: bool = False
    held: bool = False


@dataclass(slots=True)
class Conversation:
    """All state of the turn machine. Times are seconds on the session's timeline.

    Attributes:
        now: the latest time told.
        state: where it stands.
        timers: deadlines by name.
        turn: number of the present or last user turn.
        turn_open: the user's turn has begun and is not committed.
        onset: when it began.
        speech_end: when its last voice was heard.
        voiced: the user is speaking now.
        forced: it must be taken as it stands.
        probability: the turn detector's last word on it.
        first_segment: recogniser segments below this number are settled.
        finals: final texts of the turn by segment.
        partial: newest partial of the open segment.
        partial_segment: which segment that is.
        asked: finals asked for since the beginning; also the number of the segment now open.
        answered: segments below this number have their final.
        asked_at: when the last final was asked for.
        merged_text: words of a committed turn that the user continued.
        committed_text: words of the last committed turn.
        committed_at: when it was committed.
        reply: the reply in progress, 0 for none.
        last_reply: the highest number given.
        reply_turn: the turn it answers, 0 for none.
        interruptible: the user may cut it.
        acted: it has run a tool.
        audible: some of it was heard.
        reply_ended: nothing more of it is being made.
        candidate: speech over it.
        interrupted: the candidate that cut it, until settled.
        says: texts that wait for silence, each with whether it may be interrupted.
        close_reason: why it is draining.
    """

    now: float = 0.0
    state: State = State.LISTENING
    timers: dict[str, float] = field(default_factory=dict[str, float])
    turn: int = 0
    turn_open: bool = False
    onset: float = 0.0
    speech_end: float = 0.0
    voiced: bool = False
    forced: bool = False
    probability: float | None = None
    first_segment: int = 0
    finals: dict[int, str] = field(default_factory=dict[int, str])
    partial: str = ""
    partial_segment: int = 0
    asked: int = 0
    answered: int = 0
    asked_at: float = 0.0
    merged_text: str = ""
    committed_text: str = ""
    committed_at: float = -1e9
    reply: int = 0
    last_reply: int = 0
    reply_turn: int = 0
    interruptible: bool = True
    acted: bool = False
    audible: bool = False
    reply_ended: bool = False
    candidate: Candidate | None = None
    interrupted: Candidate | None = None
    says: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    close_reason: str = ""

    def text(self) -> str:
        """All words of the user's turn so far."""
        parts = [self.merged_text, *(self.finals[s] for s in sorted(self.finals))]
        if self.partial and self.partial_segment not in self.finals:
            parts.append(self.partial)
        return " ".join(p.strip() for p in parts if p.strip())

    @property
    def finals_due(self) -> int:
        """How many finals that matter have been asked for and not received."""
        return max(0, self.asked - max(self.first_segment, self.answered))

    def take_words(self, segment: int, text: str, *, final: bool) -> None:
        """Records what the recogniser said of ``segment``."""
        if final:
            self.finals[segment] = text
            self.answered = max(self.answered, segment + 1)
        elif segment not in self.finals:
            self.partial, self.partial_segment = text, segment

    def settle_words(self) -> None:
        """Forgets all words heard so far; later news of their segments is late."""
        self.first_segment = self.asked + (1 if self.voiced else 0)
        self.finals.clear()
        self.partial = self.merged_text = ""
        self.forced = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Conversation:
        """The reverse of ``dataclasses.asdict``, also after a round trip through JSON."""
        data = dict(values)
        data["state"] = State(data["state"])
        data["finals"] = {int(k): v for k, v in data["finals"].items()}
        data["says"] = [(str(text), bool(flag)) for text, flag in data["says"]]
        data["timers"] = dict(data["timers"])
        for name in ("candidate", "interrupted"):
            if data[name] is not None:
                data[name] = Candidate(**data[name])
        return cls(**data)
