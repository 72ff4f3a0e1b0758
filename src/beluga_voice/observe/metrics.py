"""The backend's counters and histograms, by the OpenTelemetry API.

Labels are the provider, an operation, a stage or an error code: never a session, a user or a word.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from beluga_voice import events as ev
from beluga_voice.errors import BackendError

__all__ = ["METER", "BackendMetrics"]

METER = "beluga_voice"

# Bounds of the histograms, in seconds: OpenTelemetry's own are meant for milliseconds.
BOUNDS = (
    0.01,
    0.02,
    0.05,
    0.1,
    0.15,
    0.2,
    0.25,
    0.3,
    0.35,
    0.4,
    0.45,
    0.5,
    0.6,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    5.0,
    10.0,
)
STAGES = ("endpointing", "transcription", "llm", "tts", "playout", "delivery", "total")


class BackendMetrics:
    """Instruments of one backend.

    ===================================  =============  ======  ===============================
    name                                 kind           unit    attributes
    ===================================  =============  ======  ===============================
    backend.requests.total               counter                provider, operation
    backend.errors.total                 counter                provider, error_code
    backend.latency.seconds              histogram      s       provider, operation
    backend.sessions.active              up-down                provider
    backend.sessions.total               counter                provider
    backend.session.creation.time.seconds  histogram    s       provider
    beluga.voice.turn.latency            histogram      s       provider, stage
    beluga.voice.turn.ahead              histogram      s       provider
    beluga.voice.turn.target_missed      counter                provider, stage
    beluga.voice.turns                   counter                provider
    beluga.voice.interruptions           counter                provider
    beluga.voice.speculations            counter                provider, outcome
    beluga.voice.speculation.pieces      counter                provider, outcome
    beluga.voice.s2s.tokens              counter                provider, direction, wasted
    ===================================  =============  ======  ===============================

    Args:
        provider: the backend's name.
        enabled: False makes everything a no-op.
    """

    def __init__(self, provider: str, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._provider = {"provider": provider}
        if not enabled:
            return
        from opentelemetry import metrics

        meter = metrics.get_meter(METER)
        self._requests = meter.create_counter("backend.requests.total")
        self._errors = meter.create_counter("backend.errors.total")
        self._latency = meter.create_histogram(
            "backend.latency.seconds", unit="s", explicit_bucket_boundaries_advisory=BOUNDS
        )
        self._active = meter.create_up_down_counter("backend.sessions.active")
        self._total = meter.create_counter("backend.sessions.total")
        self._creation = meter.create_histogram(
            "backend.session.creation.time.seconds", unit="s", explicit_bucket_boundaries_advisory=BOUNDS
        )
        self._turn = meter.create_histogram(
            "beluga.voice.turn.latency", unit="s", explicit_bucket_boundaries_advisory=BOUNDS
        )
        self._ahead = meter.create_histogram(
            "beluga.voice.turn.ahead", unit="s", explicit_bucket_boundaries_advisory=BOUNDS
        )
        self._missed = meter.create_counter("beluga.voice.turn.target_missed")
        self._turns = meter.create_counter("beluga.voice.turns")
        self._interruptions = meter.create_counter("beluga.voice.interruptions")
        self._speculations = meter.create_counter("beluga.voice.speculations")
        self._tokens = meter.create_counter("beluga.voice.s2s.tokens")
        self._prepared = meter.create_counter("beluga.voice.speculation.pieces")

    @contextmanager
    def operation(self, name: str) -> Generator[None]:
        """Counts and times one call of the backend."""
        if not self._enabled:
            yield
            return
        labels = {**self._provider, "operation": name}
        self._requests.add(1, labels)
        started = time.perf_counter()
        try:
            yield
        except BackendError as error:
            self._errors.add(1, {**self._provider, "error_code": error.code})
            raise
        finally:
            self._latency.record(time.perf_counter() - started, labels)

    def session_created(self, seconds: float) -> None:
        """A session was made in ``seconds``."""
        if self._enabled:
            self._total.add(1, self._provider)
            self._active.add(1, self._provider)
            self._creation.record(seconds, self._provider)

    def session_ended(self) -> None:
        """A session has ended."""
        if self._enabled:
            self._active.add(-1, self._provider)

    def on_event(self, event: ev.SessionEvent) -> None:
        """Counts what a session tells."""
        if not self._enabled:
            return
        if isinstance(event, ev.MetricsEvent):
            self._on_turn(event)
        elif isinstance(event, ev.TurnEvent) and event.phase == "user_ended":
            self._turns.add(1, self._provider)
        elif isinstance(event, ev.InterruptionEvent):
            self._interruptions.add(1, self._provider)
        elif isinstance(event, ev.SpeculationEvent):
            labels = {**self._provider, "outcome": event.outcome}
            self._speculations.add(1, labels)
            self._prepared.add(event.pieces, labels)
        elif isinstance(event, ev.UsageEvent):
            wasted = {**self._provider, "wasted": event.wasted}
            self._tokens.add(event.input_tokens, {**wasted, "direction": "input"})
            self._tokens.add(event.output_tokens, {**wasted, "direction": "output"})
        elif isinstance(event, ev.ErrorEvent):
            self._errors.add(1, {**self._provider, "error_code": event.code})

    def _on_turn(self, event: ev.MetricsEvent) -> None:
        for stage in STAGES:
            value: float | None = getattr(event, stage)
            if value is not None:
                self._turn.record(value, {**self._provider, "stage": stage})
        if event.ahead:
            self._ahead.record(event.ahead, self._provider)
        if event.slowest:
            self._missed.add(1, {**self._provider, "stage": event.slowest})
