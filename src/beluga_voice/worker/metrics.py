"""The worker's counters and histograms, by the OpenTelemetry API."""

from __future__ import annotations

from typing import Any

from beluga_voice.observe.metrics import METER
from beluga_voice.worker.jobs import JobStatus

__all__ = ["WorkerMetrics"]


class WorkerMetrics:
    """Instruments of one worker; made when something is first counted, so that starting does not wait for them.

    ============================  =========  ====  ==========================================
    name                          kind       unit  attributes
    ============================  =========  ====  ==========================================
    worker.jobs.offered           counter          agent_name, accepted
    worker.jobs.total             counter          agent_name, status (``success``, ``failed``)
    worker.jobs.active            up-down          agent_name
    worker.job.duration.seconds   histogram  s     agent_name, status
    worker.connections.lost       counter          agent_name
    ============================  =========  ====  ==========================================

    Args:
        agent_name: of the worker.
        enabled: False makes everything a no-op.
    """

    def __init__(self, agent_name: str, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._name = {"agent_name": agent_name}
        self._made: dict[str, Any] = {}

    def offered(self, *, accepted: bool) -> None:
        """The server offered a job and was answered."""
        self._add("worker.jobs.offered", 1, {"accepted": accepted})

    def began(self) -> None:
        """A job began."""
        self._add("worker.jobs.active", 1)

    def ended(self, status: JobStatus, seconds: float) -> None:
        """A job ended after ``seconds``."""
        self._add("worker.jobs.active", -1)
        self._add("worker.jobs.total", 1, {"status": status})
        self._add("worker.job.duration.seconds", seconds, {"status": status})

    def lost(self) -> None:
        """The server could not be reached, or was lost."""
        self._add("worker.connections.lost", 1)

    def _add(self, name: str, value: float, labels: dict[str, Any] | None = None) -> None:
        if not self._enabled:
            return
        if not self._made:
            from opentelemetry import metrics

            meter = metrics.get_meter(METER)
            for counter in ("worker.jobs.offered", "worker.jobs.total", "worker.connections.lost"):
                self._made[counter] = meter.create_counter(counter).add
            self._made["worker.jobs.active"] = meter.create_up_down_counter("worker.jobs.active").add
            duration = meter.create_histogram("worker.job.duration.seconds", unit="s")
            self._made["worker.job.duration.seconds"] = duration.record
        self._made[name](value, {**self._name, **(labels or {})})
