"""Sends metrics and spans to an OpenTelemetry collector."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from beluga_voice.errors import missing_extra

__all__ = ["exported", "exported_if_asked"]

log = logging.getLogger(__name__)

_LAST_WORDS = 3.0
_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


@contextmanager
def exported(service: str = "beluga-voice") -> Generator[None]:
    """Sends this process's metrics and spans by OTLP over HTTP (protobuf).

    What is left at the end is given three seconds.

    OpenTelemetry's own variables say where and how: ``OTEL_EXPORTER_OTLP_ENDPOINT`` (http://localhost:4318 if unset),
    ``OTEL_EXPORTER_OTLP_HEADERS``, ``OTEL_METRIC_EXPORT_INTERVAL`` (ms), ``OTEL_TRACES_SAMPLER``,
    ``OTEL_RESOURCE_ATTRIBUTES``. Once in a process, because its providers can be set only once.

    Args:
        service: ``service.name``, unless ``OTEL_SERVICE_NAME`` says otherwise.

    Raises:
        ConfigError: ``missing_extra`` without the extra ``otel``.
    """
    try:
        from opentelemetry import metrics, trace
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise missing_extra("export_telemetry", "OTLP export", "otel") from error
    # Resource.create puts what it is given above the variables.
    named = os.environ.get("OTEL_SERVICE_NAME") or service
    resource = Resource.create({"service.name": named})
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    metrics.set_meter_provider(meters)
    trace.set_tracer_provider(tracers)
    try:
        yield
    finally:
        _within(_LAST_WORDS, tracers.shutdown, meters.shutdown)


def _within(seconds: float, *calls: Callable[[], None]) -> None:
    """Makes the calls side by side and waits so long: an exporter would try an absent collector for much longer."""
    threads = [threading.Thread(target=call, daemon=True, name="telemetry-end") for call in calls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        log.warning("the collector did not take the last metrics and spans within %.0f s", seconds)


@contextmanager
def exported_if_asked() -> Generator[None]:
    """`exported`, if the environment names an endpoint and does not set ``OTEL_SDK_DISABLED``; else nothing."""
    wanted = any(os.environ.get(name) for name in _ENDPOINTS)
    if not wanted or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield
        return
    with exported():
        yield
