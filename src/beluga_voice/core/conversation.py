"""What the turn core remembers of a conversation: plain data, so that it can be saved and replayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        since: when its present or last stretch of voice began.
        voiced: seconds of voice in the stretches that have ended.
        ended_at: when the voice ended, or None while it lasts.
        ducked: the agent's voice was lowered for it.
        held_at: … and held since then, or None.
        first_word: that its words begin with, as far as they are recognised …
        first_word_at: … and since when they do.
    """

    onset: float
    since: float
    voiced: float = 0.0
    ended_at: float | None = None
    ducked: bool = False
    held_at: float | None = None
    first_word: str = ""
    first_word_at: float = 0.0

    @property
    def held(self) -> bool:
        """Whether the agent is silenced for it."""
        return self.held_at is not None

    def voice_begins(self, at: float) -> None:
        """Another stretch of voice."""
        if self.ended_at is not None:
            self.since, self.ended_at = at, None

    def voice_ends(self, at: float) -> None:
        """The stretch is over."""
        if self.ended_at is None:
            self.voiced += max(0.0, at - self.since)
            self.ended_at = at

    def words_steady_for(self, words: Sequence[str], now: float) -> float:
        """Seconds since its words begin as ``words`` do, which are what is recognised at ``now``."""
        first = words[0] if words else ""
        if first != self.first_word:
            self.first_word, self.first_word_at = first, now
        return now - self.first_word_at

    def voiced_for(self, now: float) -> float:
        """Seconds of voice so far, silences left out."""
        return self.voiced + (max(0.0, now - self.since) if self.ended_at is None else 0.0)


@dataclass(slots=True)
class Conversation:
    """All state of the turn machine. Times are seconds on the session's timeline.

    Attributes:
        now: the latest time told.
        state: where it stands.
        timers: deadlines by name.
        active_at: when either side last said something; noise does not count.
        away_told: `UserAway` was told since then.
        turn: number of the present or last user turn.
        turn_open: the user's turn has begun and is not committed.
        onset: when it began.
        speech_end: when its last voice was heard.
        voiced: the user is speaking now.
        voiced_at: when that voice began, or was cut by a commit.
        forced: the turn must be taken as it stands.
        probability: the turn detector's last word on it.
        pace: how long the user's pauses inside turns are against most people's.
        quiet: the voice pauses, maybe only for an instant.
        guess: the answer being prepared, 0 for none.
        last_guess: the highest number given.
        guess_text: the words it answers.
        guesses: how many were begun in this turn.
        first_segment: recogniser segments below this number are settled.
        finals: final texts by segment, of those not settled.
        partials: newest partial texts by segment, likewise.
        asked: number of the segment now open; those below were asked for their final, or gave it unasked.
        answered: segments below this number have their final.
        asked_at: when the last final was asked for.
        merged_text: words of a committed turn that the user continued.
        typed: words typed while a reply could not be interrupted.
        committed_text: words of the last committed turn.
        committed_at: when it was committed.
        reply: the reply in progress, 0 for none.
        last_reply: the highest number given.
        reply_turn: the turn it answers, 0 for none.
        interruptible: the user may cut it.
        continuable: the user may take its turn back by going on.
        acted: it has run a tool.
        audible: some of it was heard.
        reply_ended: nothing more of it is being made.
        suspected: it is lowered for what may be the beginning of a voice.
        candidate: speech over it.
        interrupted: the candidate that cut it, until settled.
        said: words of replies that were heard in the last seconds, each with when.
        questioned_at: when the end of a question was.
        echoes: how often in a row, with little in between, the agent's own words came back …
        echo_at: … and when last.
        noises: how many sounds over the agent in a row had no words …
        noise_at: … and when the last one was.
        over_voice: the user's turn began over the agent's voice, at this time; None if it did not.
        says: texts that wait for silence, each with whether it may be interrupted.
        close_reason: why it is draining.
    """

    now: float = 0.0
    state: State = State.LISTENING
    timers: dict[str, float] = field(default_factory=dict[str, float])
    active_at: float = 0.0
    away_told: bool = False
    turn: int = 0
    turn_open: bool = False
    onset: float = 0.0
    speech_end: float = 0.0
    voiced: bool = False
    voiced_at: float = 0.0
    forced: bool = False
    probability: float | None = None
    pace: float = 1.0
    quiet: bool = False
    guess: int = 0
    last_guess: int = 0
    guess_text: str = ""
    guesses: int = 0
    first_segment: int = 0
    finals: dict[int, str] = field(default_factory=dict[int, str])
    partials: dict[int, str] = field(default_factory=dict[int, str])
    asked: int = 0
    answered: int = 0
    asked_at: float = 0.0
    merged_text: str = ""
    typed: str = ""
    committed_text: str = ""
    committed_at: float = -1e9
    reply: int = 0
    last_reply: int = 0
    reply_turn: int = 0
    interruptible: bool = True
    continuable: bool = False
    acted: bool = False
    audible: bool = False
    reply_ended: bool = False
    suspected: bool = False
    candidate: Candidate | None = None
    interrupted: Candidate | None = None
    said: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    questioned_at: float = -1e9
    echoes: int = 0
    echo_at: float = -1e9
    noises: int = 0
    noise_at: float = -1e9
    over_voice: float | None = None
    says: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    close_reason: str = ""

    def spoken(self, before: int | None = None) -> str:
        """Recognised words that are not settled, of segments below ``before`` if given."""
        heard = {**self.partials, **self.finals}
        return _join(heard[s] for s in sorted(heard) if before is None or s < before)

    def text(self, before: int | None = None) -> str:
        """All words of the user's turn so far; spoken ones of segments below ``before`` if given."""
        return _join((self.merged_text, self.spoken(before), self.typed))

    @property
    def finals_due(self) -> int:
        """How many finals that matter have been asked for and not received."""
        return max(0, self.asked - max(self.first_segment, self.answered))

    def take_words(self, segment: int, text: str, *, final: bool) -> None:
        """Records what the recogniser said of ``segment``."""
        if final:
            self.finals[segment] = text
            self.answered = max(self.answered, segment + 1)
            self.asked = max(self.asked, segment + 1)
        elif segment not in self.finals:
            self.partials[segment] = text

    def settle_words(self) -> None:
        """The words heard so far were used; a segment that gave none yet may still bring some."""
        used = [s for s, text in {**self.partials, **self.finals}.items() if s < self.asked and text.strip()]
        self._settle(1 + max(used, default=-1))

    def drop_words(self) -> None:
        """The words heard so far were no turn; finals still due may say otherwise."""
        self._settle(0)

    def _settle(self, before: int) -> None:
        self.first_segment = max(self.first_segment, self.answered, before)
        # The open segment's words belong to what comes next.
        self.finals = {s: text for s, text in self.finals.items() if s >= self.asked}
        self.partials = {s: text for s, text in self.partials.items() if s >= self.asked}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Conversation:
        """The reverse of ``dataclasses.asdict``, also after a round trip through JSON."""
        data = dict(values)
        data["state"] = State(data["state"])
        for name in ("finals", "partials"):
            data[name] = {int(k): v for k, v in data[name].items()}
        data["said"] = [(float(at), str(text)) for at, text in data.get("said", ())]
        data["says"] = [(str(text), bool(flag)) for text, flag in data["says"]]
        data["timers"] = dict(data["timers"])
        for name in ("candidate", "interrupted"):
            if data[name] is not None:
                data[name] = Candidate(**data[name])
        return cls(**data)


def _join(parts: Iterable[str]) -> str:
    return " ".join(part.strip() for part in parts if part.strip())
