"""Counts and latencies of one session."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from beluga_voice import events as ev

__all__ = ["MetricsCollector", "SessionMetrics"]


@dataclass(frozen=True, slots=True)
class SessionMetrics:
    """A snapshot; times in seconds.

    Attributes:
        turns: user turns answered or being answered.
        interruptions: replies the user cut.
        backchannels: sounds over the agent or without words that were no turn.
        errors: failures by code.
        tool_calls: tools that ended.
        latency_p50: from the end of speech to the first agent audio, median of the latest 200 turns.
        latency_p95: likewise, 95th percentile.
        last_turn: breakdown of the latest turn.
        targets_missed: turns over ``latency_target``, by the stage at fault.
        wasted_pieces: pieces of text (a model's tokens, roughly) prepared for turns that came out otherwise.
        dropped_frames: agent audio nobody read.
        tasks: asyncio tasks of the session now.
    """

    turns: int = 0
    interruptions: int = 0
    backchannels: int = 0
    errors: dict[str, int] = field(default_factory=dict[str, int])
    tool_calls: int = 0
    latency_p50: float | None = None
    latency_p95: float | None = None
    last_turn: ev.MetricsEvent | None = None
    targets_missed: dict[str, int] = field(default_factory=dict[str, int])
    wasted_pieces: int = 0
    dropped_frames: int = 0
    tasks: int = 0


class MetricsCollector:
    """Listens to a session's events."""

    def __init__(self) -> None:
        self._turns = self._interruptions = self._backchannels = self._tools = 0
        self._errors: dict[str, int] = {}
        self._totals: deque[float] = deque(maxlen=200)
        self._last: ev.MetricsEvent | None = None
        self._missed: dict[str, int] = {}
        self._wasted = 0

    def on_event(self, event: ev.SessionEvent) -> None:
        """Counts one event."""
        if isinstance(event, ev.TurnEvent) and event.phase == "user_ended":
            self._turns = max(self._turns, event.turn)
        elif isinstance(event, ev.InterruptionEvent):
            self._interruptions += 1
        elif isinstance(event, ev.BackchannelEvent):
            self._backchannels += 1
        elif isinstance(event, ev.ErrorEvent):
            self._errors[event.code] = self._errors.get(event.code, 0) + 1
        elif isinstance(event, ev.ToolEvent) and event.phase == "ended":
            self._tools += 1
        elif isinstance(event, ev.MetricsEvent):
            self._last = event
            if event.total is not None:
                self._totals.append(event.total)
            if event.slowest:
                self._missed[event.slowest] = self._missed.get(event.slowest, 0) + 1
        elif isinstance(event, ev.SpeculationEvent) and event.outcome == "abandoned":
            self._wasted += event.pieces

    def snapshot(self, *, dropped_frames: int = 0, tasks: int = 0) -> SessionMetrics:
        """The figures so far."""
        totals = sorted(self._totals)
        return SessionMetrics(
            turns=self._turns,
            interruptions=self._interruptions,
            backchannels=self._backchannels,
            errors=dict(self._errors),
            tool_calls=self._tools,
            latency_p50=_percentile(totals, 0.5),
            latency_p95=_percentile(totals, 0.95),
            last_turn=self._last,
            targets_missed=dict(self._missed),
            wasted_pieces=self._wasted,
            dropped_frames=dropped_frames,
            tasks=tasks,
        )


def _percentile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
