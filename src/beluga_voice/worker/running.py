"""Runs one job from its assignment to the last hook. Whatever an entry point does, only its own job suffers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from beluga_voice.errors import BackendError
from beluga_voice.worker.context import Home, JobContext, ShutdownHook
from beluga_voice.worker.job_sessions import JobSessions
from beluga_voice.worker.jobs import Outcome
from beluga_voice.worker.messages import Assigned

__all__ = ["Deadlines", "Entrypoint", "RunningJob"]

Entrypoint = Callable[[JobContext], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds.

    Attributes:
        linger: for the entry point to return after its last session has closed.
        cancel: for a cancelled entry point to end; then it is abandoned.
        hooks: for all shutdown hooks together.
        begin: for a session to be started after the entry point has returned.
    """

    linger: float = 10.0
    cancel: float = 2.0
    hooks: float = 10.0
    begin: float = 30.0


DEADLINES = Deadlines()


class RunningJob:
    """One job.

    Args:
        assigned: what the server said.
        entrypoint: the application's.
        home: the worker.
        report: told once when it is known how the job ended, before the agent leaves the room: a server takes an
            agent that leaves without a word for failed.
        deadlines: how long ending may take.

    Attributes:
        context: what the entry point got.
        started_at: on the event loop's clock.
    """

    def __init__(
        self,
        assigned: Assigned,
        entrypoint: Entrypoint,
        home: Home,
        report: Callable[[Outcome], None],
        deadlines: Deadlines | None = None,
    ) -> None:
        self._entrypoint = entrypoint
        self._report = report
        self._deadlines = deadlines or DEADLINES
        self._changed = asyncio.Event()
        self._hooks: list[ShutdownHook] = []
        self._sessions = JobSessions(self._changed.set)
        self._ending: Outcome | None = None
        self._reported = False
        self.context = JobContext(assigned, home, self._sessions, self._hooks, self.end)
        self.started_at = asyncio.get_running_loop().time()

    @property
    def idle(self) -> bool:
        """Whether it has no open session."""
        return not self._sessions.open

    def end(self, reason: str, *, error: str = "") -> None:
        """Begins to end the job; the first call's reason counts."""
        if self._ending is None:
            self._ending = Outcome("failed" if error else "success", error, reason)
            self._changed.set()

    async def run(self) -> Outcome:
        """Returns when everything is released."""
        log = self.context.log
        entry = asyncio.create_task(self._enter(), name=f"{self.context.id}:entrypoint")
        entry.add_done_callback(lambda _: self._changed.set())
        try:
            outcome = await self._watch(entry)
        except asyncio.CancelledError:
            outcome = Outcome("failed", "the worker was stopped", "worker stopped")
        self._tell(outcome)
        await self._sessions.stop(outcome.reason)
        entry.cancel()
        await asyncio.wait([entry], timeout=self._deadlines.cancel)
        if not entry.done():
            log.error("the entry point does not end when cancelled and was abandoned")
        await self._run_hooks(outcome.reason)
        log.info("job ended: %s", outcome.reason, extra={"status": outcome.status, "error": outcome.error})
        return outcome

    async def _enter(self) -> None:
        try:
            await self._entrypoint(self.context)
        except SystemExit as error:  # it would end the whole process
            raise RuntimeError("the entry point called sys.exit()") from error

    async def _watch(self, entry: asyncio.Task[None]) -> Outcome:
        """Waits until the job is over, and says how it ended."""
        while True:
            self._changed.clear()
            if outcome := self._verdict(entry):
                return outcome
            timeout = None
            left = self._sessions.opened > 0 and not self._sessions.open
            if left:
                self._tell(self._after_sessions())
                timeout = self._deadlines.linger
            elif entry.done() and self._sessions.starting:
                timeout = self._deadlines.begin
            try:
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            except TimeoutError:
                if left:
                    self.context.log.warning(
                        "the entry point did not return %g s after its last session had closed and was cancelled",
                        self._deadlines.linger,
                    )
                    return self._after_sessions()
                self.end("session not started", error="a session was created and not started")

    def _verdict(self, entry: asyncio.Task[None]) -> Outcome | None:
        if entry.done() and not entry.cancelled() and (error := entry.exception()) is not None:
            text = _text(error)
            self.context.log.error("the entry point failed: %s", text, exc_info=error)
            return Outcome("failed", text, "entry point failed")
        if self._ending is not None:
            return self._ending
        if entry.cancelled():
            return Outcome("failed", "the entry point was cancelled", "entry point cancelled")
        if entry.done() and not self._sessions.open:
            return self._after_sessions()
        return None

    def _after_sessions(self) -> Outcome:
        if self._sessions.error:
            return Outcome("failed", self._sessions.error, "session failed")
        return Outcome("success", "", "sessions closed" if self._sessions.opened else "entry point returned")

    def _tell(self, outcome: Outcome) -> None:
        if not self._reported:
            self._reported = True
            self._report(outcome)

    async def _run_hooks(self, reason: str) -> None:
        if not self._hooks:
            return
        tasks = [asyncio.create_task(_hook(hook, reason)) for hook in self._hooks]
        _, late = await asyncio.wait(tasks, timeout=self._deadlines.hooks)
        for task in late:
            task.cancel()
            self.context.log.warning(
                "a shutdown hook took more than %g s and was cancelled", self._deadlines.hooks
            )
        if late:
            await asyncio.wait(late, timeout=self._deadlines.cancel)
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                self.context.log.error("a shutdown hook failed: %s", _text(error), exc_info=error)


async def _hook(hook: ShutdownHook, reason: str) -> None:
    await hook(reason)


def _text(error: BaseException) -> str:
    if isinstance(error, BackendError):
        return f"{error.message} (code: {error.code})"
    return f"{type(error).__name__}: {error}"
