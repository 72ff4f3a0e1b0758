"""Metrics and spans in memory, by OpenTelemetry's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Telemetry:
    """What was exported so far."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._exporter = InMemorySpanExporter()
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: ReadableSpan) -> list[ReadableSpan]:
        context = parent.context
        assert context is not None
        return [s for s in self.spans if s.parent is not None and s.parent.span_id == context.span_id]

    def points(self, name: str) -> list[Any]:
        """The data points of one instrument."""
        data = self._reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return [point for metric in found for point in metric.data.data_points]

    def counts(self, name: str, *labels: str) -> dict[tuple[Any, ...], float]:
        """A counter's value by its labels."""
        return {
            tuple(dict(point.attributes)[label] for label in labels): point.value
            for point in self.points(name)
        }


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    """Has what is made meanwhile report here: the global providers can be set only once in a process."""
    telemetry = Telemetry()
    monkeypatch.setattr(metrics, "get_meter", telemetry.meters.get_meter)
    monkeypatch.setattr(trace, "get_tracer", telemetry.tracers.get_tracer)
    yield telemetry
    telemetry.tracers.shutdown()
    telemetry.meters.shutdown()


def seconds(span: ReadableSpan, since: ReadableSpan) -> tuple[float, float]:
    """Start and end of ``span`` after the start of ``since``."""
    assert span.start_time is not None and span.end_time is not None and since.start_time is not None
    return (span.start_time - since.start_time) / 1e9, (span.end_time - since.start_time) / 1e9
