"""Several processes, each a worker of its own: started, watched, started again, ended; no wait is unbounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import pickle
import random
import socket
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from typing import Any

from beluga_voice.errors import CODES, BackendError, ConfigError, ConnectError, PipelineError, error_for_code
from beluga_voice.worker.child import child_main
from beluga_voice.worker.processes import ProcessLife
from beluga_voice.worker.task import WorkerTask
from beluga_voice.worker.wiring import Line

__all__ = ["Supervisor"]

log = logging.getLogger("beluga_voice.worker")

_LOOK = 0.1
_STOP_DEADLINE = 12.0
_DRAIN_GRACE = 15.0


class Supervisor:
    """The same face as `LocalWorker`, on several processes (spawned, so none inherits anything).

    Args:
        task: what each process does.

    Raises:
        ConfigError: ``invalid_config`` if it cannot be sent to another process.
    """

    def __init__(self, task: WorkerTask) -> None:
        try:
            pickle.dumps(task)
        except Exception as error:  # pickling raises whatever the objects inside raise
            raise ConfigError(
                "worker",
                "invalid_config",
                f"with several processes entrypoint, on_request and config must be importable: define them at the top "
                f"of a module, not inside a function ({type(error).__name__}: {error})",
            ) from error
        self._settings = task.settings
        self._children = [
            _Child(n, task, self._on_fatal, self._notify) for n in range(task.settings.processes)
        ]
        self._watching: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._draining = self._stopped = False
        self._error: BackendError | None = None

    async def start(self) -> None:
        """Starts all processes and returns at once; see `wait_ready`."""
        if self._watching is None:
            await asyncio.gather(*(child.start() for child in self._children))
            self._watching = asyncio.create_task(self._watch(), name="worker:supervisor")

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Returns when every process is registered.

        Raises:
            AuthError: ``authentication_failed`` if the server refused the key.
            ConnectError: ``connection_timeout`` if they are not in ``timeout`` seconds; they go on trying.
        """
        try:
            async with asyncio.timeout(timeout):
                while not all(child.registered for child in self._children) and self._error is None:
                    await self.wait_changed()
        except TimeoutError as error:
            ready = sum(child.registered for child in self._children)
            raise ConnectError(
                "worker",
                "connection_timeout",
                f"livekit: {ready} of {len(self._children)} processes registered at {self._settings.url} in "
                f"{timeout:g} s: {self._problem() or 'no answer'}",
            ) from error
        if self._error is not None:
            raise self._error

    async def wait_changed(self) -> None:
        """Returns when `status` says something new."""
        await self._changed.wait()

    async def wait_failed(self) -> BackendError:
        """Returns when the worker cannot go on, with the reason."""
        while self._error is None:
            await self.wait_changed()
        return self._error

    @property
    def error(self) -> BackendError | None:
        """Why the worker cannot go on; None while it can."""
        return self._error

    async def drain(self, timeout: float | None = None) -> bool:
        """Takes no more jobs and waits for those that run; tells whether all have ended."""
        limit = self._settings.drain_timeout if timeout is None else timeout
        self._draining = True
        for child in self._children:
            child.end("drain", timeout=limit)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit + _DRAIN_GRACE):
                while any(child.alive for child in self._children):
                    await self.wait_changed()
        return not any(child.cut_off for child in self._children)

    async def stop(self) -> None:
        """Ends all processes, by force after twelve seconds; idempotent."""
        if self._stopped:
            return
        self._stopped = self._draining = True
        for child in self._children:
            child.end("stop")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_DEADLINE):
                while any(child.alive for child in self._children):
                    await self.wait_changed()
        for child in self._children:
            child.kill()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching], timeout=1.0)
        await asyncio.gather(*(child.close() for child in self._children))
        self._notify()

    def simulate_job(self, room: str) -> None:
        """Asks the server for a job in ``room`` without a dispatch.

        Raises:
            PipelineError: ``pipeline_error`` if no process is registered.
        """
        for child in self._children:
            if child.registered:
                child.say("simulate", room=room)
                return
        raise PipelineError("simulate_job", "pipeline_error", "livekit: the worker is not registered yet")

    def status(self) -> dict[str, Any]:
        """Facts as plain values; ``processes`` has those of each."""
        processes = [child.status() for child in self._children]
        slots = [p["slots"] for p in processes if "slots" in p]
        registered = any(child.registered for child in self._children)
        closed = self._error is not None or self._stopped
        return {
            "state": "closed"
            if closed
            else "draining"
            if self._draining
            else "ready"
            if registered
            else "waiting",
            "pid": os.getpid(),
            "url": self._settings.url,
            "agent_name": self._settings.agent_name,
            "kind": self._settings.kind,
            "registered": registered,
            "draining": self._draining,
            "slots": {name: sum(s[name] for s in slots) for name in ("limit", "used", "free")},
            "load": round(sum(p.get("load", 0.0) for p in processes) / len(processes), 3),
            "jobs": [job for p in processes for job in p.get("jobs", ())],
            "finished": sum(p["finished"] for p in processes),
            "failed": sum(p["failed"] for p in processes),
            "problem": self._error.message if self._error else self._problem(),
            "processes": processes,
        }

    def _problem(self) -> str:
        return next((p["problem"] for p in (c.status() for c in self._children) if p.get("problem")), "")

    async def _watch(self) -> None:
        """Looks after all processes, ten times a second."""
        while True:
            for child in self._children:
                try:
                    await child.look()
                except Exception:  # the machine may be out of processes, memory or descriptors for a while
                    log.exception("process %d could not be looked after", child.number)
            await asyncio.sleep(_LOOK)

    def _on_fatal(self, error: BackendError) -> None:
        if self._error is None and not self._draining:
            self._error = error
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _Child:
    """One process of the worker, whichever life it is in."""

    def __init__(
        self,
        number: int,
        task: WorkerTask,
        on_fatal: Callable[[BackendError], None],
        notify: Callable[[], None],
    ) -> None:
        self.number = number
        self._task = task
        self._on_fatal = on_fatal
        self._notify = notify
        self._life = ProcessLife(task.settings.unresponsive_after)
        self._process: BaseProcess | None = None
        self._line: Line | None = None
        self._listening: asyncio.Task[None] | None = None
        self._said: Mapping[str, Any] = {}
        self._before = {"finished": 0, "failed": 0}
        self.cut_off = False

    @property
    def alive(self) -> bool:
        """Whether the process runs, or is about to be started again."""
        return self._process is not None or self._life.state == "restarting"

    @property
    def registered(self) -> bool:
        """Whether the server has taken it in."""
        return self._life.state == "running" and bool(self._said.get("registered"))

    def status(self) -> dict[str, Any]:
        """Facts as plain values."""
        life = self._life
        said: Mapping[str, Any] = self._said if self._process is not None else {}
        retry = life.retry_at
        now = asyncio.get_running_loop().time()
        return {
            **said,
            "number": self.number,
            "process": life.state,
            "pid": self._process.pid if self._process is not None else None,
            "restarts": life.restarts,
            "last_exit": life.last_exit,
            "restart_in": None if retry is None else round(max(0.0, retry - now), 2),
            "finished": self._before["finished"] + said.get("finished", 0),
            "failed": self._before["failed"] + said.get("failed", 0),
        }

    async def start(self) -> None:
        """Starts the process."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=child_main, args=(self._task, theirs), name=f"beluga-voice-{self.number}"
        )
        self._life.started(asyncio.get_running_loop().time())
        try:
            # Off the loop: it waits until the new interpreter has read what it is to do.
            await asyncio.get_running_loop().run_in_executor(None, process.start)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._process = process
        self._line = await Line.over(ours)
        self._listening = asyncio.create_task(self._listen(self._line), name=f"worker:process-{self.number}")

    async def look(self) -> None:
        """Notices its end, kills it when it is stuck, starts it again when it is time."""
        now = asyncio.get_running_loop().time()
        process = self._process
        if process is not None and process.exitcode is not None:
            await self._ended(process, now)
        elif process is not None and self._life.stuck(now):
            log.error("process %d gives no sign of life and is killed", self.number)
            process.kill()
        elif self._life.due(now):
            await self.start()

    async def _ended(self, process: BaseProcess, now: float) -> None:
        # Its last words may still be on the line; a grandchild may hold the line open, hence the deadline.
        if self._listening is not None:
            await asyncio.wait([self._listening], timeout=0.2)
        jobs = len(self._said.get("jobs", ()))
        expected = self._life.state in ("stopping", "stopped")
        self.cut_off = self.cut_off or (expected and (jobs > 0 or process.exitcode != 0))
        for name in self._before:
            self._before[name] += self._said.get(name, 0)
        self._before["finished"] += jobs
        self._before["failed"] += jobs
        self._life.ended(now, process.exitcode, random.random())
        await self.close()
        if not expected:
            wait = (self._life.retry_at or now) - now
            log.error(
                "process %d ended (%s) with %d jobs; starts again in %.1f s",
                self.number,
                self._life.last_exit,
                jobs,
                wait,
            )
        self._notify()

    def end(self, order: str, **facts: Any) -> None:
        """Orders the process to end."""
        self._life.stopping()
        self.say(order, **facts)
        self._notify()

    def say(self, order: str, **facts: Any) -> None:
        """Tells the process something."""
        if self._line is not None:
            self._line.say(order, **facts)

    def kill(self) -> None:
        """Ends it by force."""
        if self._process is not None and self._process.exitcode is None:
            log.error("process %d does not end and is killed", self.number)
            self._process.kill()

    async def close(self) -> None:
        """Frees what belongs to the process that is gone."""
        process, self._process = self._process, None
        line, self._line = self._line, None
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening], timeout=0.5)
        if line is not None:
            line.close()
        if process is not None:
            await asyncio.get_running_loop().run_in_executor(None, process.join, 1.0)
            with contextlib.suppress(
                ValueError
            ):  # it is still there, which only a stuck kernel call explains
                process.close()
        self._said = {}

    async def _listen(self, line: Line) -> None:
        async for message in line.hear():
            match message.get("is"):
                case "status":
                    self._life.heard(asyncio.get_running_loop().time())
                    before = self._said.get("registered"), len(self._said.get("jobs", ()))
                    self._said = {k: v for k, v in message.items() if k != "is"}
                    if before != (self._said.get("registered"), len(self._said.get("jobs", ()))):
                        self._notify()
                case "fatal":
                    code = message["code"] if message["code"] in CODES else "pipeline_error"
                    self._on_fatal(error_for_code(message["op"], code, message["message"]))
                case _:
                    pass
