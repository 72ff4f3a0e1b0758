"""What is observed of one session: metrics, spans and warnings, all from its events."""

from __future__ import annotations

import contextvars

from beluga_voice import events as ev
from beluga_voice.observe.latency import LatencyWarnings
from beluga_voice.observe.metrics import BackendMetrics
from beluga_voice.observe.spans import SessionSpans

__all__ = ["SessionObserver"]


class SessionObserver:
    """Listens to a session's events.

    Args:
        session_id: of the session.
        metrics: the backend's.
        warnings: likewise.
        spans: the session's own, or None.
    """

    def __init__(
        self, session_id: str, metrics: BackendMetrics, warnings: LatencyWarnings, spans: SessionSpans | None
    ) -> None:
        self._id = session_id
        self._metrics = metrics
        self._warnings = warnings
        self._spans = spans

    def task_context(self) -> contextvars.Context | None:
        """What the session's tasks run in, so that spans made by agents and tools are below its own; None for any."""
        return self._spans.task_context() if self._spans is not None else None

    def on_event(self, event: ev.SessionEvent) -> None:
        """Counts, times and warns."""
        if isinstance(event, ev.LevelEvent):
            return
        self._metrics.on_event(event)
        if self._spans is not None:
            self._spans.on_event(event)
        if isinstance(event, ev.MetricsEvent):
            self._warnings.missed(self._id, event)
