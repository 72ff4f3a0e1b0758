"""Where a turn's time went."""

from __future__ import annotations

from beluga_voice.events import MetricsEvent
from beluga_voice.pipeline.reply import ReplyTimes

__all__ = ["TurnTimes"]


class TurnTimes:
    """Moments of the present turn, in seconds on the session's timeline.

    Args:
        target: the configured ``latency_target``.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._turn = 0
        self._speech_end = 0.0
        self._committed = 0.0
        self._evidence = ""
        self._final: float | None = None
        self.last_heard = ""

    def asked(self) -> None:
        """A final was asked for."""
        self._final = None

    def final(self, now: float) -> None:
        """A final came."""
        self._final = now

    def commit(self, turn: int, speech_end: float, now: float, evidence: str = "") -> None:
        """The turn was decided, because of ``evidence``."""
        self._turn, self._speech_end, self._committed, self._evidence = turn, speech_end, now, evidence

    def metrics(self, turn: int, reply: ReplyTimes, now: float) -> MetricsEvent | None:
        """The breakdown of ``turn`` when its reply is first heard; None for speech that answers no turn."""
        if turn == 0 or turn != self._turn:
            return None
        text = reply.first_text
        speech = reply.first_speech
        stages = {
            "endpointing": max(0.0, self._committed - self._speech_end),
            "llm": None if text is None else max(0.0, text - self._committed),
            "tts": None if speech is None or text is None else max(0.0, speech - text),
            "playout": None if speech is None else max(0.0, now - speech),
        }
        total = max(0.0, now - self._speech_end)
        slowest = max(stages, key=lambda name: stages[name] or 0.0) if total > self._target else ""
        return MetricsEvent(
            at=now,
            turn=turn,
            speech_end=self._speech_end,
            transcription=None if self._final is None else max(0.0, self._final - self._speech_end),
            total=total,
            target=self._target,
            evidence=self._evidence,
            slowest=slowest,
            **stages,
        )
