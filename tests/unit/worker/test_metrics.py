from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import metrics

from beluga_voice.worker.metrics import WorkerMetrics


class Meter:
    """An OpenTelemetry meter that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, dict[str, Any]]] = []

    def create_counter(self, name: str, **_: Any) -> Any:
        meter = self

        class Instrument:
            def add(self, value: float, labels: dict[str, Any]) -> None:
                meter.seen.append((name, value, labels))

            record = add

        return Instrument()

    create_up_down_counter = create_histogram = create_counter


def test_jobs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    monkeypatch.setattr(metrics, "get_meter", lambda _: meter)
    counts = WorkerMetrics("desk")
    counts.offered(accepted=True)
    counts.began()
    counts.ended("failed", 3.5)
    counts.lost()
    assert meter.seen == [
        ("worker.jobs.offered", 1, {"agent_name": "desk", "accepted": True}),
        ("worker.jobs.active", 1, {"agent_name": "desk"}),
        ("worker.jobs.active", -1, {"agent_name": "desk"}),
        ("worker.jobs.total", 1, {"agent_name": "desk", "status": "failed"}),
        ("worker.job.duration.seconds", 3.5, {"agent_name": "desk", "status": "failed"}),
        ("worker.connections.lost", 1, {"agent_name": "desk"}),
    ]


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "get_meter", lambda _: pytest.fail("not wanted"))
    counts = WorkerMetrics("desk", enabled=False)
    counts.began()
    counts.ended("success", 1.0)
