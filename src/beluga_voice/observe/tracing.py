"""Spans around operations, by the OpenTelemetry API."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["TRACER", "span"]

TRACER = "beluga_voice"


@contextmanager
def span(name: str, *, enabled: bool = True, **attributes: str | int | float | bool) -> Generator[None]:
    """A span named ``name`` around the block, with ``backend.<attribute>`` attributes.

    An error is recorded by its class and code only: messages may hold what a user said.
    """
    if not enabled:
        yield
        return
    from opentelemetry import trace
    from opentelemetry.trace import Status, StatusCode

    tracer = trace.get_tracer(TRACER)
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as current:
        for key, value in attributes.items():
            current.set_attribute(f"backend.{key}", value)
        try:
            yield
        except Exception as error:
            current.set_attribute("error.type", str(getattr(error, "code", type(error).__name__)))
            current.set_status(Status(StatusCode.ERROR))
            raise
