"""The spans of one session: the session itself, and below it each answered turn with its stages."""

from __future__ import annotations

import contextvars
import time
from typing import TYPE_CHECKING, Any

from beluga_voice import events as ev
from beluga_voice.observe.tracing import TRACER

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["SessionSpans", "stage_moments"]


def stage_moments(event: ev.MetricsEvent) -> dict[str, tuple[float, float]]:
    """When each stage of a turn was really under way: start and end, in seconds on the session's timeline.

    Where the agent worked ahead, its stages begin before the turn was decided, so these spans may overlap
    ``endpointing``; `MetricsEvent`'s durations are what the user waited for.
    """
    out: dict[str, tuple[float, float]] = {}
    decided = event.speech_end if event.decided is None else event.decided
    if event.endpointing is not None:
        out["endpointing"] = (event.speech_end, decided)
    if event.transcription is not None:
        out["transcription"] = (event.speech_end, event.speech_end + event.transcription)
    first = event.first_audio if event.first_text is None else event.first_text
    if event.asked is not None and first is not None:
        out["llm"] = (event.asked, first)
    if event.first_text is not None and event.first_audio is not None:
        out["tts"] = (event.first_text, event.first_audio)
    if event.playout is not None:
        out["playout"] = (event.at - event.playout, event.at)
    if event.delivery is not None:
        out["delivery"] = (event.at, event.at + event.delivery)
    return out


class SessionSpans:
    """A span ``session`` from its start to its end; below it ``turn`` spans with a child for each stage.

    ==========  ====================================================================================
    span        attributes
    ==========  ====================================================================================
    session     backend.provider, session.id, session.reason
    turn        backend.provider, session.id, turn.number, turn.total, turn.target, turn.ahead (seconds),
                turn.missed, turn.slowest
    turn.STAGE  turn.waited: the seconds of it that the user waited for
    ==========  ====================================================================================

    No span holds a word that was said.

    Args:
        provider: the backend's name.
        session_id: of the session.
    """

    def __init__(self, provider: str, session_id: str) -> None:
        from opentelemetry import trace

        self._trace = trace
        self._tracer = trace.get_tracer(TRACER)
        self._labels: dict[str, Any] = {"backend.provider": provider, "session.id": session_id}
        self._session: Span | None = None
        self._closed = False

    def task_context(self) -> contextvars.Context | None:
        """The context of the session's tasks, so that spans made in them are below its own; None without an SDK."""
        span = self._begun()
        if not span.is_recording():
            return None
        from opentelemetry import context

        made = contextvars.copy_context()
        made.run(context.attach, self._trace.set_span_in_context(span))
        return made

    def _begun(self) -> Span:
        if self._session is None:
            self._session = self._tracer.start_span("session", attributes=self._labels)
        return self._session

    def on_event(self, event: ev.SessionEvent) -> None:
        """Follows the session."""
        if self._closed:
            return
        session = self._begun()
        if isinstance(event, ev.MetricsEvent):
            self._turn(session, event)
        elif isinstance(event, ev.ErrorEvent):
            session.add_event("error", {"error.type": event.code, "stage": event.stage})
        elif isinstance(event, ev.ClosedEvent):
            self._closed = True
            session.set_attribute("session.reason", event.reason)
            if event.code:
                session.set_attribute("error.type", event.code)
                session.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
            session.end()

    def _turn(self, session: Span, event: ev.MetricsEvent) -> None:
        if not session.is_recording():
            return
        now = time.time_ns()

        def wall(at: float) -> int:
            return now - round((event.at - at) * 1e9)

        turn = self._tracer.start_span(
            "turn",
            self._trace.set_span_in_context(session),
            attributes={
                **self._labels,
                "turn.number": event.turn,
                "turn.total": round(event.total or 0.0, 4),
                "turn.target": event.target,
                "turn.ahead": round(event.ahead, 4),
                "turn.missed": bool(event.slowest),
                "turn.slowest": event.slowest,
            },
            start_time=wall(event.speech_end),
        )
        below = self._trace.set_span_in_context(turn)
        for stage, (start, end) in stage_moments(event).items():
            waited: float = getattr(event, stage) or 0.0
            child = self._tracer.start_span(
                f"turn.{stage}", below, attributes={"turn.waited": round(waited, 4)}, start_time=wall(start)
            )
            child.end(wall(end))
        turn.end(wall(event.at + (event.delivery or 0.0)))
