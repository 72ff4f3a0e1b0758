"""Where a turn's time went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from beluga_voice.events import MetricsEvent

__all__ = ["ReplyTimes", "TurnTimes"]

# A decision this soon after the final words had waited for them.
_AT_ONCE = 0.005


@dataclass(slots=True)
class ReplyTimes:
    """When the stages of a reply happened, in seconds on the session's timeline; None if not yet.

    Attributes:
        started: the agent, or the model, was asked.
        first_text: it gave its first words.
        first_speech: their first synthesised sample came.
    """

    started: float
    first_text: float | None = None
    first_speech: float | None = None


class TurnTimes:
    """Moments of the present turn, in seconds on the session's timeline.

    Args:
        target: the configured ``latency_target``.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._turn = 0
        self._speech_end = 0.0
        self.decided = 0.0
        self._evidence = ""
        self._waited_for_words = self._guessed_end = False
        self._voice_end: float | None = None
        self._final: float | None = None
        self.last_heard = ""

    def asked(self) -> None:
        """A final was asked for."""
        self._final = None

    def final(self, now: float) -> None:
        """A final came."""
        self._final = now

    def commit(self, turn: int, speech_end: float, now: float, reason: str, evidence: str = "") -> None:
        """The turn was decided, for ``reason``, because of ``evidence``."""
        self._turn, self._speech_end, self.decided, self._evidence = turn, speech_end, now, evidence
        self._guessed_end = False
        came_last = self._final is not None and now - self._final <= _AT_ONCE
        self._waited_for_words = reason == "final_timeout" or (reason == "silence" and came_last)

    def decided_in_voice(self) -> None:
        """The VAD still hears the voice of the turn just decided: it ended where the VAD told, or will tell."""
        self._guessed_end = self._voice_end is None
        if self._voice_end is not None:
            self._speech_end = self._voice_end

    def voice_began(self) -> None:
        """A voice begins or goes on."""
        self._voice_end = None

    def voice_ended(self, at: float) -> None:
        """The VAD has heard no voice since ``at``."""
        self._voice_end = at
        if self._guessed_end:
            self._speech_end, self._guessed_end = min(at, self._speech_end), False

    def metrics(self, turn: int, reply: ReplyTimes, now: float, delivery: float) -> MetricsEvent | None:
        """The breakdown of ``turn`` when its reply is first heard; None for speech that answers no turn.

        What was done before the turn was decided cost nobody a wait: a stage counts from then on.
        """
        if turn == 0 or turn != self._turn:
            return None
        text, speech = reply.first_text, reply.first_speech
        wait = _waits(self.decided)
        stages = {
            "endpointing": max(0.0, self.decided - self._speech_end),
            "llm": wait(speech if text is None else text),
            "tts": None if text is None else wait(speech),
            "playout": wait(now),
        }
        total = max(0.0, now - self._speech_end)
        return MetricsEvent(
            at=now,
            turn=turn,
            speech_end=self._speech_end,
            decided=self.decided,
            asked=reply.started,
            first_text=text,
            first_audio=speech,
            transcription=None if self._final is None else max(0.0, self._final - self._speech_end),
            ahead=max(0.0, self.decided - reply.started),
            delivery=delivery,
            total=total,
            target=self._target,
            evidence=self._evidence,
            slowest=self._slowest(stages) if total > self._target else "",
            **stages,
        )

    def _slowest(self, stages: dict[str, float | None]) -> str:
        slowest = max(stages, key=lambda name: stages[name] or 0.0)
        return "transcription" if slowest == "endpointing" and self._waited_for_words else slowest


def _waits(since: float) -> Callable[[float | None], float | None]:
    """How long each moment was waited for, after ``since`` and the moments before it."""
    reached = since

    def wait(moment: float | None) -> float | None:
        nonlocal reached
        if moment is None:
            return None
        waited = max(0.0, moment - reached)
        reached = max(reached, moment)
        return waited

    return wait
