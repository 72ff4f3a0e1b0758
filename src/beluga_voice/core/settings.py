"""The numbers the turn core decides by. All times in seconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["TurnSettings"]


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Deadlines and thresholds of a conversation.

    Attributes:
        language: ISO 639-1 that the user is expected to speak.
        min_endpointing_delay: silence after plainly finished words before the turn is taken.
        max_endpointing_delay: silence after plainly unfinished words before it is taken all the same.
        max_guesses: answers that may be prepared in one turn before it is decided; 0 is none.
        max_guess_pieces: pieces of text (a model's tokens, roughly) such an answer may come to before that.
        final_timeout: how long to wait for a recogniser's final after asking for it, before the newest
            partial stands in for it.
        thinking_timeout: from the decision to the agent's first audio, before the reply is given up.
        reply_gap_timeout: silence inside a reply (the agent or the voice stalled) before it is given up.
        allow_interruptions: False lets every reply be heard to its end.
        duck_after: user speech over the agent for this long lowers its voice; 0 lowers it at the first sign of a
            voice, one window of the VAD, and gives it back with the next if it was none.
        hold_after: … and for this long holds it (silence, nothing lost yet).
        interrupt_after: … and for this long is an interruption even with fewer words than the next asks for; without
            a word, or with back-channels only, it takes 2.5 times as long.
        min_interruption_words: words, other than back-channels, that make an interruption at once; 0 needs none, so
            that ``interrupt_after`` of any voice is enough.
        words_timeout: how long held speech waits for the recogniser's word on a short sound.
        merge_window: user speech that begins this soon after the decision, before any reply was heard, continues
            the turn.
        draining_timeout: how long a graceful stop lets the reply, and what waits to be said, finish.
        user_away_timeout: seconds without a word of either side after which the user is told away; 0 is never.
        idle_timeout: seconds without a word of either side after which the session ends, so that none is left
            behind; noise does not count.
        max_turn: longest user turn, pauses included, before it is taken as it stands.
    """

    language: str = "en"
    min_endpointing_delay: float = 0.2
    max_endpointing_delay: float = 2.5
    max_guesses: int = 0
    max_guess_pieces: int = 400
    final_timeout: float = 1.5
    thinking_timeout: float = 30.0
    reply_gap_timeout: float = 15.0
    allow_interruptions: bool = True
    duck_after: float = 0.0
    hold_after: float = 0.15
    interrupt_after: float = 0.7
    min_interruption_words: int = 1
    words_timeout: float = 0.8
    merge_window: float = 1.5
    draining_timeout: float = 10.0
    user_away_timeout: float = 0.0
    idle_timeout: float = 1800.0
    max_turn: float = 60.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the header of an event log."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TurnSettings:
        """The reverse of `to_dict`; unknown names are ignored so that old logs can be read."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in values.items() if k in known})
