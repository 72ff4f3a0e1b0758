"""What runs in each process of a worker with several."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from socket import socket

from beluga_voice.errors import AuthError, BackendError, ConfigError, ConnectError
from beluga_voice.observe.otlp import exported_if_asked
from beluga_voice.worker.local import LocalWorker
from beluga_voice.worker.program import run_bounded
from beluga_voice.worker.task import WorkerTask
from beluga_voice.worker.wiring import Line

__all__ = ["child_main"]

log = logging.getLogger("beluga_voice.worker")

_HEARTBEAT, _QUIET = 0.5, 0.05


def child_main(task: WorkerTask, line: socket) -> None:
    """Works until the supervisor says so, or is gone; the process ends here."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the supervisor says what follows
    status = 1
    try:
        if task.process_init is not None:
            task.process_init()
        with exported_if_asked() if task.settings.export_telemetry else contextlib.nullcontext():
            status = run_bounded(_work(task, line))
    except Exception:
        log.exception("a worker process failed")
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # a thread of an entry point that never ends must not hold the exit up


async def _work(task: WorkerTask, sock: socket) -> int:
    line = await Line.over(sock)
    try:
        return await _Child(task, line).run()
    except (ConfigError, AuthError, ConnectError) as error:
        # Another life would not change it; a machine too busy to load the models in time may be better later.
        line.say("fatal", op=error.op, code=error.code, message=error.message)
        return 2
    except BackendError as error:
        log.error("a worker process failed: %s", error.message)
        return 1
    finally:
        await line.flush()
        line.close()


class _Child:
    """A `LocalWorker` under orders."""

    def __init__(self, task: WorkerTask, line: Line) -> None:
        self._worker = LocalWorker(task.settings, task.entrypoint, task.on_request)
        self._line = line
        self._end = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._all_ended = True

    async def run(self) -> int:
        """Returns the exit status: 0 as ordered, 1 if a drain cut jobs off.

        Raises:
            BackendError: if the worker cannot go on.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._drain)  # to this process alone: drain it
        listening = asyncio.create_task(self._listen(), name="worker:orders")
        beating = asyncio.create_task(self._beat(), name="worker:heartbeat")
        working = asyncio.create_task(self._work(), name="worker:work")
        ended = asyncio.create_task(self._end.wait(), name="worker:end")
        try:
            await asyncio.wait([working, ended, beating], return_when=asyncio.FIRST_COMPLETED)
            for task in (working, beating):  # neither ends but by an error
                if task.done() and not self._end.is_set():
                    task.result()
            return 0 if self._all_ended else 1
        finally:
            for task in (listening, beating, working, ended, *([self._draining] if self._draining else [])):
                task.cancel()
            await self._worker.stop()
            self._line.say("status", **self._worker.status())

    async def _work(self) -> None:
        """Raises when the worker cannot go on."""
        await self._worker.start()
        raise await self._worker.wait_failed()

    async def _beat(self) -> None:
        """A status now and then, and soon when something changed; its absence tells that the loop is stuck."""
        while True:
            self._line.say("status", **self._worker.status())
            await asyncio.sleep(_QUIET)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEARTBEAT):
                    await self._worker.wait_changed()

    async def _listen(self) -> None:
        async for order in self._line.hear():
            match order.get("is"):
                case "drain":
                    self._drain(order["timeout"])
                case "stop":
                    self._end.set()
                case "simulate":
                    with contextlib.suppress(BackendError):
                        self._worker.simulate_job(order["room"])
                case _:
                    pass
        log.error("the supervisor is gone; draining")
        self._drain()

    def _drain(self, timeout: float | None = None) -> None:
        async def drain() -> None:
            self._all_ended = await self._worker.drain(timeout)
            self._end.set()

        if self._draining is None:
            self._draining = asyncio.create_task(drain(), name="worker:drain")
