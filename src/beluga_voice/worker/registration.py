"""Decides everything between a worker and its server: when to connect, which jobs to take, what to tell. No I/O.

Time is an argument, chance comes with the inputs. `TABLE` is the documentation: what is not in it is ignored.

LiveKit's server prefers workers by load and gives none to a worker whose load is above its ``target_load`` (0.7 unless
configured otherwise), so a worker with a free slot always reports less than that.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from beluga_voice.core.resilience import backoff
from beluga_voice.errors import AuthError, BackendError, ConnectError
from beluga_voice.worker import messages as m
from beluga_voice.worker.jobs import Answer
from beluga_voice.worker.slots import Slots

__all__ = ["TABLE", "Limits", "Phase", "Registration", "reported_load"]

# What a worker reports when it is as busy as it may be and still takes jobs; below the server's target of 0.7.
BUSY = 0.65
# A process that was overloaded takes jobs again below this share of what it may be.
RELIEVED = 0.85
_KEPT_UPDATES = 100


class Phase(Enum):
    """Where the worker stands with its server."""

    IDLE = "idle"
    WAITING = "waiting"
    CONNECTING = "connecting"
    REGISTERING = "registering"
    READY = "ready"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds.

    Attributes:
        max_jobs: slots.
        answer: for the ``on_request`` hook; the server waits ten.
        assignment: from the answer to the assignment.
        register: from the open WebSocket to the registration.
        retry_delay: before the first new try to connect.
        retry_cap: longest wait between two tries.
        max_retries: tries in a row before it gives up; None for ever.
        ping: between two pings.
        report: between two reports of the load.
        max_load: above it no job is taken; 1 for no such limit.
        overload: of too much load before jobs are refused; the start of many sessions at once takes less.
    """

    max_jobs: int
    answer: float = 5.0
    assignment: float = 15.0
    register: float = 10.0
    retry_delay: float = 0.5
    retry_cap: float = 15.0
    max_retries: int | None = None
    ping: float = 10.0
    report: float = 2.5
    max_load: float = 0.95
    overload: float = 5.0


def reported_load(load: float, *, full: bool) -> float:
    """What the server is told: 1 when full, else between 0 and `BUSY`."""
    return 1.0 if full else round(BUSY * min(1.0, max(0.0, load)), 3)


class Registration:
    """One worker's standing with its server.

    Args:
        limits: slots and deadlines.

    Attributes:
        phase: where it stands.
        worker_id: the server's name for it; empty before the first registration.
        server: the server's edition, version and node.
        slots: who holds them.
        draining: no new jobs.
        load: measured, 0 to 1.
        attempt: tries to connect in a row that failed.
        last_problem: why the last try failed or the last connection ended.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.phase = Phase.IDLE
        self.worker_id = ""
        self.server: Mapping[str, str] = {}
        self.slots = Slots(limits.max_jobs)
        self.draining = False
        self.load = 0.0
        self.attempt = 0
        self.last_problem = ""
        self._now = 0.0
        self._commands: list[m.Command] = []
        self._asked: set[str] = set()
        self._over: set[str] = set()  # reported as ended, and still releasing what they used
        self._overloaded = False
        self._busy_since: float | None = None
        self._told: m.WorkerStatus | None = None
        self._drained = False
        self._timers: dict[str, float] = {}
        # What ended while no server listened; told to the next one.
        self._unsent: deque[m.JobUpdate] = deque(maxlen=_KEPT_UPDATES)

    # --- the shell's side ----------------------------------------------------------------------------------

    def feed(self, event: m.Input, now: float) -> list[m.Command]:
        """Takes what has happened at ``now`` and returns what is to be done, in order."""
        self._now = now
        act = TABLE.get((self.phase, type(event))) or ANYTIME.get(type(event))
        if act is not None and self.phase is not Phase.CLOSED:
            act(self, event)
            self._settle()
        return self._take()

    def wake(self, now: float) -> list[m.Command]:
        """Does what is due at ``now``."""
        self._now = now
        if self.phase is Phase.CLOSED:
            return []
        for job in self.slots.expired(now):
            self._expire(job)
        for name in [name for name, at in self._timers.items() if at <= now]:
            del self._timers[name]
            _TIMERS[name](self)
        self._settle()
        return self._take()

    def deadline(self) -> float | None:
        """When `wake` is due."""
        if self.phase is Phase.CLOSED:
            return None
        times = [*self._timers.values()]
        slot = self.slots.deadline()
        if slot is not None:
            times.append(slot)
        return min(times, default=None)

    @property
    def full(self) -> bool:
        """Whether it takes no job now."""
        return self.draining or self._overloaded or not self.slots.free

    @property
    def retry_at(self) -> float | None:
        """When the next try to connect is due."""
        return self._timers.get("retry")

    # --- connecting ----------------------------------------------------------------------------------------

    def _connect(self, _: Any = None) -> None:
        self.phase = Phase.CONNECTING
        self._do(m.Connect())

    def _connected(self, _: m.Connected) -> None:
        self.phase = Phase.REGISTERING
        self._timers["register"] = self._now + self.limits.register
        self._tell(m.Register())

    def _refused(self, event: m.Refused) -> None:
        # A worker that was once let in keeps trying: its server may be starting up behind a proxy.
        if not self.worker_id and (error := _fatal(event)):
            self._fail(error)
            return
        self._retry(f"the server answered {event.status} {event.reason}".strip(), event.chance)

    def _failed(self, event: m.Failed) -> None:
        self._retry(event.reason, event.chance)

    def _lost(self, event: m.Lost) -> None:
        self._retry(event.reason or "the connection was closed", event.chance)

    def _leave(self, event: m.ServerLeaves) -> None:
        self._do(m.Disconnect())
        self._retry(event.reason or "the server is about to end", event.chance)

    def _late(self) -> None:
        self._do(m.Disconnect())
        self._retry(f"the server did not register the worker in {self.limits.register:g} s", 0.5)

    def _retry(self, reason: str, chance: float) -> None:
        self.last_problem = reason
        self._timers.clear()
        self._asked.clear()
        self.slots.drop_reservations()
        self._told = None
        most = self.limits.max_retries
        if most is not None and self.attempt >= most:
            message = f"livekit: {reason}; gave up after {self.attempt + 1} tries"
            self._fail(ConnectError("worker", "connection_failed", message))
            return
        self.phase = Phase.WAITING
        wait = backoff(self.attempt, self.limits.retry_delay, chance, cap=self.limits.retry_cap)
        self._timers["retry"] = self._now + wait
        self.attempt += 1

    def _registered(self, event: m.Registered) -> None:
        self.phase = Phase.READY
        self.worker_id, self.server = event.worker_id, event.server
        self.attempt, self.last_problem = 0, ""
        del self._timers["register"]
        self._timers["ping"] = self._now + self.limits.ping
        if going_on := tuple(job for job in self.slots.running if job not in self._over):
            self._tell(m.MigrateJobs(going_on))
            for job in going_on:
                self._tell(m.JobUpdate(job, "running"))
        while self._unsent:
            self._tell(self._unsent.popleft())
        self._report()

    def _fail(self, error: BackendError) -> None:
        self.phase = Phase.CLOSED
        self._do(m.Fail(error))

    def _close(self, _: m.Close) -> None:
        if self.phase in (Phase.REGISTERING, Phase.READY, Phase.CONNECTING):
            self._do(m.Disconnect())
        self.phase = Phase.CLOSED

    def _ping(self) -> None:
        self._tell(m.Ping())
        self._timers["ping"] = self._now + self.limits.ping

    # --- jobs ----------------------------------------------------------------------------------------------

    def _offered(self, event: m.Offered) -> None:
        job = event.job.id
        if self.slots.runs(job):  # the server moves a job to our new connection: it goes on as it is
            self._do(m.Ask(event.job))
        elif self.slots.holds(job):
            return  # it was asked for already
        elif self.full or not self.slots.reserve(job, self._now + self.limits.answer):
            self._tell(m.Availability(job, Answer(False)))
        else:
            self._asked.add(job)
            self._do(m.Ask(event.job))

    def _answered(self, event: m.Answered) -> None:
        job = event.job_id
        if self.slots.runs(job):
            self._tell(m.Availability(job, event.answer))
        elif job in self._asked:
            self._asked.discard(job)
            if event.answer.accepted:
                self.slots.extend(job, self._now + self.limits.assignment)
            else:
                self.slots.release(job)
            self._tell(m.Availability(job, event.answer))

    def _expire(self, job: str) -> None:
        self.slots.release(job)
        if job in self._asked:
            self._asked.discard(job)
            self._tell(m.Availability(job, Answer(False)))

    def _assigned(self, event: m.Assigned) -> None:
        job = event.job.id
        if self.slots.runs(job):
            return
        if self.slots.take(job):
            self._do(m.Begin(event))
        else:
            self._tell(m.JobUpdate(job, "failed", "the worker is full: the assignment came too late"))

    def _terminated(self, event: m.Terminated) -> None:
        if self.slots.runs(event.job_id):
            self._do(m.End(event.job_id, "terminated by the server"))

    def _job_reported(self, event: m.JobReported) -> None:
        update = m.JobUpdate(event.job_id, event.status, event.error)
        if event.status != "running":
            self._over.add(event.job_id)
        if self.phase is Phase.READY:
            self._tell(update)
        elif event.status != "running":
            self._unsent.append(update)

    def _released(self, event: m.Released) -> None:
        self._over.discard(event.job_id)
        self.slots.release(event.job_id)

    def _simulate(self, event: m.Simulate) -> None:
        self._tell(m.SimulateJob(event.room))

    # --- load and drain ------------------------------------------------------------------------------------

    def _measured(self, event: m.Measured) -> None:
        self.load = event.load
        most = self.limits.max_load
        if most >= 1.0 or event.load < (RELIEVED * most if self._overloaded else most):
            self._busy_since, self._overloaded = None, False
            return
        if self._busy_since is None:
            self._busy_since = self._now
        self._overloaded = self._now - self._busy_since >= self.limits.overload

    def _drain(self, _: m.Drain) -> None:
        self.draining = True

    def _report(self) -> None:
        full = self.full
        load = reported_load(max(self.load, self.slots.share), full=full)
        self._told = m.WorkerStatus(full, load, len(self.slots.running), self.draining)
        self._timers["report"] = self._now + self.limits.report
        self._tell(self._told)

    def _settle(self) -> None:
        """Tells what changed, so that the server never learns late that a slot is gone or free."""
        if self.phase is Phase.READY and self._told is not None:
            told, jobs = self._told, len(self.slots.running)
            if (told.full, told.jobs, told.draining) != (self.full, jobs, self.draining):
                self._report()
        if self.draining and not self.slots.used and not self._drained and self.phase is not Phase.CLOSED:
            self._drained = True
            self._do(m.Drained())

    def _do(self, command: m.Command) -> None:
        self._commands.append(command)

    def _tell(self, message: m.ToServer) -> None:
        self._commands.append(m.Send(message))

    def _take(self) -> list[m.Command]:
        commands, self._commands = self._commands, []
        return commands


def _fatal(event: m.Refused) -> BackendError | None:
    """The error of an answer that trying again would not change."""
    if event.status in (401, 403):
        return AuthError(
            "worker",
            "authentication_failed",
            f"livekit: the server refused the worker's key ({event.status} {event.reason}); check LIVEKIT_API_KEY and "
            "LIVEKIT_API_SECRET, and this machine's clock",
        )
    if event.status in (404, 405):
        return ConnectError(
            "worker",
            "connection_failed",
            f"livekit: no agent door at that address (the server answered {event.status}); check LIVEKIT_URL",
            retryable=False,
        )
    return None


_R = Registration
_TIMERS: Mapping[str, Callable[[Registration], None]] = {
    "retry": _R._connect,
    "register": _R._late,
    "ping": _R._ping,
    "report": _R._report,
}
# What is done about an input in a phase …
TABLE: Mapping[tuple[Phase, type[Any]], Callable[[Registration, Any], None]] = {
    (Phase.IDLE, m.Start): _R._connect,
    (Phase.CONNECTING, m.Connected): _R._connected,
    (Phase.CONNECTING, m.Refused): _R._refused,
    (Phase.CONNECTING, m.Failed): _R._failed,
    (Phase.REGISTERING, m.Registered): _R._registered,
    (Phase.REGISTERING, m.Lost): _R._lost,
    (Phase.READY, m.Lost): _R._lost,
    (Phase.READY, m.ServerLeaves): _R._leave,
    (Phase.READY, m.Offered): _R._offered,
    (Phase.READY, m.Answered): _R._answered,
    (Phase.READY, m.Assigned): _R._assigned,
    (Phase.READY, m.Terminated): _R._terminated,
    (Phase.READY, m.Simulate): _R._simulate,
}
# … and in any.
ANYTIME: Mapping[type[Any], Callable[[Registration, Any], None]] = {
    m.JobReported: _R._job_reported,
    m.Released: _R._released,
    m.Measured: _R._measured,
    m.Drain: _R._drain,
    m.Close: _R._close,
}
