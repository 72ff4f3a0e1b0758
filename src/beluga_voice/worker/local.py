"""A worker in this process: one registration, one event loop, many jobs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from beluga_voice import __version__
from beluga_voice.config import Config
from beluga_voice.errors import BackendError, ConnectError, PipelineError
from beluga_voice.livekit.tokens import ApiKey, agent_token
from beluga_voice.worker import messages as m
from beluga_voice.worker import wire
from beluga_voice.worker.backend_loader import BackendLoader
from beluga_voice.worker.connection import Connection
from beluga_voice.worker.jobs import Answer, Job, JobRequest, JobStatus, Outcome
from beluga_voice.worker.load import LoadMeter
from beluga_voice.worker.metrics import WorkerMetrics
from beluga_voice.worker.registration import Phase, Registration
from beluga_voice.worker.room_watch import PERIOD, RoomWatch
from beluga_voice.worker.running import Entrypoint, RunningJob
from beluga_voice.worker.settings import OnRequest, WorkerSettings

if TYPE_CHECKING:
    from beluga_voice.backends.base import Backend
    from beluga_voice.livekit.client import LiveKitApi

__all__ = ["LocalWorker"]

log = logging.getLogger("beluga_voice.worker")

_STOP_DEADLINE = 5.0
_HEAD_START = 0.25


class LocalWorker:
    """Performs what `Registration` decides, and runs the jobs.

    Args:
        settings: validated.
        entrypoint: awaited for each job.
        on_request: accepts or rejects offered jobs; None accepts all while a slot is free.
    """

    def __init__(
        self, settings: WorkerSettings, entrypoint: Entrypoint, on_request: OnRequest | None = None
    ) -> None:
        self.url = settings.url
        self._settings = settings
        self._entrypoint = entrypoint
        self._on_request = on_request
        self._key = ApiKey(settings.api_key, settings.api_secret.get_secret_value())
        self._agent_url = wire.agent_url(settings.url)
        self._loader = BackendLoader(settings.config)
        self._registration = Registration(settings.limits)
        self._metrics = WorkerMetrics(settings.agent_name, enabled=settings.config.enable_metrics)
        self._connection: Connection | None = None
        self._api: LiveKitApi | None = None
        self._jobs: dict[str, tuple[RunningJob, asyncio.Task[None]]] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._meter = LoadMeter(lambda load: self._feed(m.Measured(load)))
        self._watch = RoomWatch(lambda: self.api, lambda: [job for job, _ in self._jobs.values()], PERIOD)
        self._helpers: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._error: BackendError | None = None
        self._starting = asyncio.Lock()
        self._started = self._stopped = False
        self.finished = 0
        self.failed = 0

    # --- what jobs need ------------------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """Of the backend."""
        return self._settings.config

    async def backend(self) -> Backend:
        """Makes sessions; loaded when first asked for.

        Raises:
            BackendError: if it cannot be started.
        """
        return await self._loader.backend()

    @property
    def api(self) -> LiveKitApi:
        """The server's APIs with this worker's key."""
        if self._api is None:
            from beluga_voice.livekit.client import LiveKitApi

            self._api = LiveKitApi(self.url, self._key.key, self._key.secret)
        return self._api

    # --- life ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to look for the server (see `wait_ready`) and loads the models meanwhile.

        A job that comes before they are loaded waits for them; refusing it would leave its room without an agent.

        Raises:
            BackendError: if the backend cannot be started.
        """
        async with self._starting:
            if self._started:
                return
            self._started = True
            self._spawn(self._helpers, self._meter.run(), "worker:load")
            self._spawn(self._helpers, self._watch.run(), "worker:rooms")
            self._feed(m.Start())
            if self._settings.preload:
                # A thread that imports takes the interpreter from the loop; a quick server has answered by then.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_HEAD_START):
                        await self._ready.wait()
                await self.backend()

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Returns when the server has taken the worker in.

        Raises:
            AuthError: ``authentication_failed`` if it refused the key.
            ConnectError: ``connection_timeout`` if it did not in ``timeout`` seconds; the worker goes on trying.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError as error:
            why = self._registration.last_problem or "no answer"
            raise ConnectError(
                "worker",
                "connection_timeout",
                f"livekit: not registered at {self.url} in {timeout:g} s: {why}",
            ) from error
        if self._error is not None:
            raise self._error

    async def drain(self, timeout: float | None = None) -> bool:
        """Takes no more jobs and waits for those that run.

        Args:
            timeout: seconds; ``drain_timeout`` if None.

        Returns:
            Whether all have ended.
        """
        self._feed(m.Drain())
        self._notify()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_timeout if timeout is None else timeout):
                if self._error is None:
                    await self._drained.wait()
                elif self._jobs:  # cut off from the server, jobs go on in their rooms
                    await asyncio.wait([task for _, task in self._jobs.values()])
        return not self._jobs

    async def stop(self) -> None:
        """Ends all jobs, leaves the server and frees everything; idempotent."""
        if self._stopped:
            return
        self._stopped = True
        for job, _ in list(self._jobs.values()):
            job.end("worker stopped", error="the worker was stopped")
        tasks = [task for _, task in self._jobs.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_DEADLINE)
            for task in late:
                task.cancel()
        if self._connection is not None:
            await self._connection.close()
        self._feed(m.Close())
        helpers = [*self._asking, *self._closing, *self._helpers]
        for task in helpers:
            task.cancel()
        if helpers:
            await asyncio.wait(helpers, timeout=2.0)
        if self._api is not None:
            await self._api.close()
        await self._loader.close()
        self._ready.set()
        self._drained.set()
        self._notify()

    async def wait_failed(self) -> BackendError:
        """Returns when the worker cannot go on, with the reason."""
        while self._error is None:
            await self.wait_changed()
        return self._error

    async def wait_changed(self) -> None:
        """Returns when `status` says something new about the registration or the jobs."""
        await self._changed.wait()

    @property
    def error(self) -> BackendError | None:
        """Why the worker cannot go on; None while it can."""
        return self._error

    def simulate_job(self, room: str) -> None:
        """Asks the server for a job in ``room`` without a dispatch, e.g. to try an entry point out.

        Raises:
            PipelineError: ``pipeline_error`` if the worker is not registered.
        """
        if self._registration.phase is not Phase.READY:
            raise PipelineError("simulate_job", "pipeline_error", "livekit: the worker is not registered yet")
        self._feed(m.Simulate(room))

    def status(self) -> dict[str, Any]:
        """Facts as plain values, for people, health checks and the supervisor."""
        reg, now = self._registration, asyncio.get_running_loop().time()
        retry = reg.retry_at
        return {
            "state": "draining" if reg.draining and reg.phase is Phase.READY else reg.phase.value,
            "pid": os.getpid(),
            "worker_id": reg.worker_id,
            "url": self.url,
            "agent_name": self._settings.agent_name,
            "kind": self._settings.kind,
            "registered": reg.phase is Phase.READY,
            "draining": reg.draining,
            "slots": {"limit": reg.limits.max_jobs, "used": reg.slots.used, "free": reg.slots.free},
            "load": reg.load,
            "jobs": [
                {"id": id, "room": job.context.room, "seconds": round(now - job.started_at, 1)}
                for id, (job, _) in self._jobs.items()
            ],
            "finished": self.finished,
            "failed": self.failed,
            "problem": self._error.message if self._error else reg.last_problem,
            "retry_in": None if retry is None else round(max(0.0, retry - now), 2),
        }

    # --- the registration's shell --------------------------------------------------------------------------

    def _feed(self, event: m.Input) -> None:
        before = self._registration.phase
        self._perform(self._registration.feed(event, asyncio.get_running_loop().time()))
        self._log_change(before)

    def _wake(self) -> None:
        self._timer = None
        before = self._registration.phase
        self._perform(self._registration.wake(asyncio.get_running_loop().time()))
        self._log_change(before)

    def _perform(self, commands: list[m.Command]) -> None:
        for command in commands:
            match command:
                case m.Connect():
                    token = agent_token(self._key)
                    connection = Connection(self._agent_url, token, self._feed)
                    self._connection = connection
                case m.Disconnect():
                    self._disconnect()
                case m.Send(message):
                    self._send(message)
                case m.Ask(job):
                    self._spawn(self._asking, self._ask(job), f"{job.id}:request")
                case m.Begin(assigned):
                    self._begin(assigned)
                case m.End(job_id, reason):
                    if job_id in self._jobs:
                        self._jobs[job_id][0].end(reason)
                case m.Fail(error):
                    self._error = error
                    self._ready.set()
                    self._notify()
                case m.Drained():
                    self._drained.set()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self._registration.deadline()
        self._timer = None if due is None else asyncio.get_running_loop().call_at(due, self._wake)

    def _send(self, message: m.ToServer) -> None:
        if self._connection is None:
            return
        if isinstance(message, m.Register):
            data = wire.registration(
                self._settings.kind,
                self._settings.agent_name,
                __version__,
                ping_interval=self._registration.limits.ping,
                permissions=self._settings.permissions,
            )
        else:
            if isinstance(message, m.Availability):
                self._metrics.offered(accepted=message.answer.accepted)
            data = wire.encode(message, int(time.time() * 1000))
        self._connection.send(data)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._spawn(self._closing, self._connection.close(), "worker:disconnect")
            self._connection = None

    def _spawn(self, owner: set[asyncio.Task[None]], work: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        owner.add(task)
        task.add_done_callback(owner.discard)

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _log_change(self, before: Phase) -> None:
        reg = self._registration
        if reg.phase is before:
            return
        self._notify()
        if reg.phase is Phase.READY:
            self._ready.set()
            log.info(
                "registered as %s at %s (livekit-server %s)",
                reg.worker_id,
                self.url,
                reg.server.get("version", "?"),
            )
        elif reg.phase is Phase.WAITING:
            self._ready.clear()
            self._metrics.lost()
            wait = (reg.retry_at or 0.0) - asyncio.get_running_loop().time()
            log.warning("not registered: %s; next try in %.1f s", reg.last_problem, wait)

    # --- jobs ----------------------------------------------------------------------------------------------

    async def _ask(self, job: Job) -> None:
        request = JobRequest(job)
        if self._on_request is not None:
            try:
                async with asyncio.timeout(self._settings.request_timeout):
                    await self._on_request(request)
            except TimeoutError:
                log.warning(
                    "on_request took more than %g s; job %s is rejected",
                    self._settings.request_timeout,
                    job.id,
                )
                request.reject()
            except Exception:
                log.exception("on_request failed; job %s is rejected", job.id)
                request.reject()
        answer = request.answer
        if running := self._jobs.get(job.id):  # it is being moved to this connection and keeps its identity
            answer = Answer(True, running[0].context.identity)
        self._feed(m.Answered(job.id, answer))

    def _begin(self, assigned: m.Assigned) -> None:
        id = assigned.job.id

        def report(outcome: Outcome) -> None:
            self._feed(m.JobReported(id, outcome.status, outcome.error))

        job = RunningJob(assigned, self._entrypoint, self, report)
        job.context.log.info("job started")
        task = asyncio.create_task(self._run(job), name=f"{id}:job")
        self._jobs[id] = (job, task)
        self._notify()

    async def _run(self, job: RunningJob) -> None:
        id = job.context.id
        self._feed(m.JobReported(id, "running"))
        self._metrics.began()
        status: JobStatus = "failed"
        try:
            status = (await job.run()).status
        except Exception as error:
            log.exception("job %s failed", id)
            self._feed(m.JobReported(id, "failed", f"{type(error).__name__}: {error}"))
        finally:
            self.finished += 1
            self.failed += status == "failed"
            self._metrics.ended(status, asyncio.get_running_loop().time() - job.started_at)
            self._jobs.pop(id, None)
            self._feed(m.Released(id))
            self._notify()
