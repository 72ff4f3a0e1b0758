"""`Worker`: takes jobs from a LiveKit server and runs an entry point for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from beluga_voice.config import Config
from beluga_voice.errors import AuthError, BackendError, ConfigError
from beluga_voice.observe.otlp import exported_if_asked
from beluga_voice.worker.health import HealthServer
from beluga_voice.worker.program import run_bounded, signals_queue
from beluga_voice.worker.running import Entrypoint
from beluga_voice.worker.settings import OnRequest, WorkerSettings, with_credentials
from beluga_voice.worker.task import WorkerTask

if TYPE_CHECKING:
    from beluga_voice.worker.local import LocalWorker
    from beluga_voice.worker.supervisor import Supervisor

__all__ = ["Worker"]

log = logging.getLogger("beluga_voice.worker")


class Worker:
    """Registers at a LiveKit server, takes the jobs it dispatches and runs ``entrypoint`` for each.

    Args:
        entrypoint: ``async def (job: JobContext)``; with several processes a function at the top of a module.
        on_request: ``async def (request: JobRequest)`` that accepts or rejects an offered job; all are accepted
            while a slot is free if None.
        config: of the backend that makes sessions; ``embedded`` if None.
        process_init: called first in each process when there are several, e.g. to set logging up.
        settings: fields of `WorkerSettings`. url, api_key and api_secret are taken from ``LIVEKIT_URL``,
            ``LIVEKIT_API_KEY`` and ``LIVEKIT_API_SECRET``, else from the config's ``provider_config``.

    Raises:
        ConfigError: ``invalid_config`` that names every wrong or missing field.
    """

    def __init__(
        self,
        entrypoint: Entrypoint,
        *,
        on_request: OnRequest | None = None,
        config: Config | None = None,
        process_init: Callable[[], None] | None = None,
        **settings: Any,
    ) -> None:
        if not callable(entrypoint):
            raise ConfigError(
                "worker",
                "invalid_config",
                f"entrypoint must be an async function of (job), got {entrypoint!r}",
            )
        values = with_credentials(settings, config)
        if config is not None:
            values["config"] = _with_server(config, values)
        self.settings = WorkerSettings(**values)
        self._make = _maker(WorkerTask(self.settings, entrypoint, on_request, process_init))
        self._running: LocalWorker | Supervisor | None = None
        self._health: HealthServer | None = None

    # --- life ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Loads the models and begins to look for the server, for ever unless ``max_retries`` is set.

        Raises:
            BackendError: if the backend cannot be started.
        """
        if self._running is not None:
            return
        self._running = self._make()
        if self.settings.health_port:
            s = self.settings
            self._health = HealthServer(lambda: self.status, s.health_host, s.health_port)
            await self._health.start()
        await self._running.start()

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Returns when the server has taken the worker in.

        Raises:
            AuthError: ``authentication_failed`` if it refused the key.
            ConnectError: ``connection_timeout`` if it did not in ``timeout`` seconds; the worker goes on trying.
        """
        await self._started.wait_ready(timeout)

    async def drain(self, timeout: float | None = None) -> bool:
        """Takes no more jobs and waits until those that run have ended, ``drain_timeout`` at most; tells whether."""
        return await self._started.drain(timeout)

    async def stop(self) -> None:
        """Ends all jobs and leaves the server; idempotent. `start` begins anew."""
        running, self._running = self._running, None
        health, self._health = self._health, None
        if running is not None:
            await running.stop()
        if health is not None:
            await health.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def status(self) -> dict[str, Any]:
        """Facts as plain values: state, slots, jobs, problem."""
        return {"state": "stopped"} if self._running is None else self._running.status()

    def simulate_job(self, room: str) -> None:
        """Asks the server for a job in ``room`` without a dispatch, to try an entry point out.

        Raises:
            PipelineError: ``pipeline_error`` if the worker is not registered.
        """
        self._started.simulate_job(room)

    @property
    def _started(self) -> LocalWorker | Supervisor:
        if self._running is None:
            raise ConfigError(
                "worker", "invalid_config", "the worker is not started: call start() or use async with"
            )
        return self._running

    # --- as a program --------------------------------------------------------------------------------------

    def run(self, room: str = "") -> int:
        """Works until a signal, on an event loop of its own, and returns the exit status.

        The first SIGTERM or SIGINT drains; the second ends everything at once.

        Args:
            room: begin with a job in this room.

        Returns:
            0 after a drain that let every job end, 1 if jobs were cut off or the server was lost for good, 130 or 143
            (by signal) if a second signal came.

        Raises:
            BackendError: if it could not start, e.g. ``authentication_failed``.
        """
        exports = self.settings.export_telemetry and self.settings.processes == 1
        with exported_if_asked() if exports else contextlib.nullcontext():
            return run_bounded(self.serve(room))

    async def serve(self, room: str = "") -> int:
        """`run` on the present event loop."""
        with signals_queue() as signals:
            try:
                await self.start()
                return await self._serve(signals, room)
            finally:
                await self.stop()

    async def _serve(self, signals: asyncio.Queue[int], room: str) -> int:
        running = self._started
        if room:
            await running.wait_ready()
            running.simulate_job(room)
        failing = asyncio.create_task(running.wait_failed(), name="worker:failing")
        first = asyncio.create_task(signals.get(), name="worker:signal")
        try:
            await asyncio.wait([failing, first], return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                return await self._gave_up(running, failing.result())
            jobs = len(running.status()["jobs"])
            log.info("draining: %d jobs go on; a second signal ends them", jobs)
            draining = asyncio.create_task(running.drain(), name="worker:drain")
            second = asyncio.create_task(signals.get(), name="worker:signal")
            await asyncio.wait([draining, second], return_when=asyncio.FIRST_COMPLETED)
            if second.done():
                draining.cancel()
                return 128 + second.result()
            second.cancel()
            return 0 if draining.result() else 1
        finally:
            failing.cancel()
            first.cancel()

    async def _gave_up(self, running: LocalWorker | Supervisor, error: BackendError) -> int:
        if isinstance(error, AuthError):
            raise error
        await running.drain()
        raise error


def _with_server(config: Config, values: Mapping[str, Any]) -> Config:
    """A config of provider ``livekit`` with the worker's server and key, where it has none of its own."""
    if config.provider != "livekit":
        return config
    own = {name: values[name] for name in ("url", "api_key", "api_secret")}
    return config.model_copy(update={"provider_config": {**own, **config.provider_config}})


def _maker(task: WorkerTask) -> Callable[[], LocalWorker | Supervisor]:
    """What makes the worker in this process or, where there are several, their supervisor.

    The first is made at once, so that what is wrong is told where the worker is made.
    """

    def make() -> LocalWorker | Supervisor:
        if task.settings.processes > 1:
            from beluga_voice.worker.supervisor import Supervisor

            return Supervisor(task)
        from beluga_voice.worker.local import LocalWorker

        return LocalWorker(task.settings, task.entrypoint, task.on_request)

    first = [make()]
    return lambda: first.pop() if first else make()
