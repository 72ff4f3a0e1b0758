"""Says in the log when turns miss their latency target, and which stage is at fault."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from beluga_voice.events import MetricsEvent

__all__ = ["LatencyWarnings"]

log = logging.getLogger(__name__)

# A backend with many slow sessions says so this often, not with every turn.
EVERY = 10.0
_NAMES = {
    "endpointing": "the end of the turn",
    "transcription": "the transcript",
    "llm": "the agent",
    "tts": "the voice",
    "playout": "playout",
}


class LatencyWarnings:
    """One line for a missed target, at most one in ten seconds for all sessions of a backend.

    Args:
        structured: key-value fields on the log record: ``session_id``, ``turn``, ``total``, ``target``, ``stage``,
            ``stage_seconds``.
        clock: seconds, never going back.
    """

    def __init__(self, *, structured: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._structured = structured
        self._clock = clock
        self._next = float("-inf")
        self._silent = 0

    def missed(self, session_id: str, event: MetricsEvent) -> None:
        """Warns, if this turn missed its target and none was warned of just now."""
        if not event.slowest:
            return
        now = self._clock()
        if now < self._next:
            self._silent += 1
            return
        self._next, silent, self._silent = now + EVERY, self._silent, 0
        total = event.total or 0.0
        # Endpointing that waited for the final words is the recogniser's fault, and as long as it lasted.
        stage = "endpointing" if event.slowest == "transcription" else event.slowest
        seconds: float = getattr(event, stage) or 0.0
        log.warning(
            "session %s turn %d: answered after %.0f ms, target %.0f ms; slowest stage: %s (%s), %.0f ms, %.0f %%%s",
            session_id,
            event.turn,
            total * 1000,
            event.target * 1000,
            event.slowest,
            _NAMES.get(event.slowest, event.slowest),
            seconds * 1000,
            100 * seconds / total if total else 0.0,
            f"; {silent} more since the last such line" if silent else "",
            extra={
                "session_id": session_id,
                "turn": event.turn,
                "total": round(total, 4),
                "target": event.target,
                "stage": event.slowest,
                "stage_seconds": round(seconds, 4),
            }
            if self._structured
            else None,
        )
