"""One session's connection to its model: opened, read, opened again when it is lost, and replaced before it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from beluga_voice.core.resilience import CircuitBreaker, backoff
from beluga_voice.errors import BackendError, ConnectError, PipelineError
from beluga_voice.speech_to_speech import S2S, S2SEvent, S2SSetup, S2SStream

__all__ = ["LinkEvents", "ModelLink"]

_CLOSE_DEADLINE = 1.0


@dataclass(slots=True)
class LinkEvents:
    """Who is told; all are called on the event loop.

    Attributes:
        event: the model said something.
        linked: a connection stands; the first or one after a loss.
        lost: the connection is gone; another is being opened.
        renewed: the one that was asked for by `ModelLink.renew` stands.
        renew_failed: … or could not be opened.
        error: something failed.
        gone: the model cannot be reached any more.
    """

    event: Callable[[S2SEvent], None]
    linked: Callable[[], None]
    lost: Callable[[], None]
    renewed: Callable[[], None]
    renew_failed: Callable[[], None]
    error: Callable[[BackendError], None]
    gone: Callable[[], None]


class ModelLink:
    """Keeps a connection.

    Args:
        s2s: the model.
        breaker: shared by all sessions of the backend.
        setup: how the next connection begins.
        spawn: starts a task that its owner awaits.
        events: told what happens.
        timeout: seconds a connection may take.
        max_retries: tries after the first, in a row.
        retry_delay: seconds before the second time, doubled each further time.

    Attributes:
        stream: the present connection, or None.
    """

    def __init__(
        self,
        s2s: S2S,
        breaker: CircuitBreaker,
        *,
        setup: Callable[[], Awaitable[S2SSetup]],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        events: LinkEvents,
        timeout: float,
        max_retries: int,
        retry_delay: float,
    ) -> None:
        self._s2s = s2s
        self._breaker = breaker
        self._setup = setup
        self._spawn = spawn
        self._tell = events
        self._timeout = timeout
        self._max_retries = max_retries
        self._retry_delay = retry_delay
        self._reader: asyncio.Task[None] | None = None
        self._spare: S2SStream | None = None
        self._closing = False
        self._in_a_row = 0
        self.stream: S2SStream | None = None

    async def open(self) -> None:
        """Connects for the first time.

        Raises:
            BackendError: if it cannot, after all tries.
        """
        self._use(await self._connect_patiently())

    def relink(self) -> None:
        """Gives the present connection up and opens another."""
        if self.stream is not None:
            self._lose(None)

    def renew(self) -> None:
        """Opens another connection beside the present one."""
        self._spawn(self._open_spare(), "s2s-renew")

    def switch_over(self) -> None:
        """Uses the connection that was opened beside."""
        spare, self._spare = self._spare, None
        if spare is None:
            return
        self._leave()
        self._use(spare)

    def drop_spare(self) -> None:
        """Closes it again."""
        spare, self._spare = self._spare, None
        if spare is not None:
            self._spawn(self._close(spare), "s2s-close")

    async def close(self) -> None:
        """Leaves the model; the tasks are cancelled by their owner."""
        self._closing = True
        streams = [s for s in (self.stream, self._spare) if s is not None]
        self.stream = self._spare = None
        if streams:
            await asyncio.wait(
                [asyncio.create_task(self._close(s)) for s in streams], timeout=_CLOSE_DEADLINE
            )

    # --- opening --------------------------------------------------------------------------------------------

    async def _connect(self) -> S2SStream:
        loop = asyncio.get_running_loop()
        if not self._breaker.allow(loop.time()):
            message = "the model failed too often lately; it is tried again in some seconds"
            raise ConnectError("open_s2s", "connection_failed", message)
        try:
            async with asyncio.timeout(self._timeout):
                stream = await self._s2s.open(await self._setup())
        except TimeoutError as error:
            self._breaker.record(loop.time(), ok=False, chance=random.random())
            message = f"the model did not take the connection in {self._timeout:g} s"
            raise ConnectError("open_s2s", "connection_timeout", message) from error
        except BackendError as error:
            # What is refused for good (a wrong key) is no sign that the model is down.
            self._breaker.record(loop.time(), ok=not error.retryable, chance=random.random())
            raise
        self._breaker.record(loop.time(), ok=True)
        return stream

    async def _connect_patiently(self) -> S2SStream:
        attempt = 0
        while True:
            try:
                return await self._connect()
            except BackendError as error:
                if not error.retryable or attempt >= self._max_retries:
                    raise
                after = float(error.details.get("retry_after", 0.0) or 0.0)
                if after > self._timeout:
                    raise
            await asyncio.sleep(max(after, backoff(attempt, self._retry_delay, random.random())))
            attempt += 1

    async def _open_spare(self) -> None:
        try:
            spare = await self._connect()
        except BackendError as error:
            self._tell.error(error)
            self._tell.renew_failed()
            return
        if self._closing:
            await self._close(spare)
            return
        self.drop_spare()
        self._spare = spare
        self._tell.renewed()

    async def _reconnect(self) -> None:
        try:
            # A connection that is taken and dropped at once must not be tried without a pause.
            if self._in_a_row:
                await asyncio.sleep(backoff(self._in_a_row - 1, self._retry_delay, random.random()))
            self._in_a_row += 1
            if self._in_a_row > self._max_retries + 1:
                message = "the model drops every connection"
                raise ConnectError("open_s2s", "connection_failed", message)
            stream = await self._connect_patiently()
        except BackendError as error:
            self._tell.error(error)
            self._tell.gone()
            return
        self._use(stream)
        self._tell.linked()

    # --- reading --------------------------------------------------------------------------------------------

    def _use(self, stream: S2SStream) -> None:
        self.stream = stream
        self._reader = self._spawn(self._read(stream), "s2s")

    async def _read(self, stream: S2SStream) -> None:
        error: BackendError | None = None
        try:
            async for event in stream.events():
                self._in_a_row = 0
                self._tell.event(event)
                if stream is not self.stream:
                    return
        except BackendError as failure:
            error = failure
        except Exception as failure:  # a model is a plug-in; it may fail in any way
            message = f"the model's stream failed: {type(failure).__name__}: {failure}"
            error = PipelineError("s2s", "pipeline_error", message)
            error.__cause__ = failure
        if stream is self.stream and not self._closing:
            self._lose(error or ConnectError("s2s", "connection_failed", "the model ended the connection"))

    def _lose(self, error: BackendError | None) -> None:
        if error is not None:
            self._tell.error(error)
        self._leave()
        if error is not None and not error.retryable and error.code != "pipeline_error":
            self._tell.gone()
            return
        self._tell.lost()
        self._spawn(self._reconnect(), "s2s-reconnect")

    def _leave(self) -> None:
        """Closes the present connection beside everything else."""
        stream, self.stream = self.stream, None
        reader, self._reader = self._reader, None
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()
        if stream is not None:
            self._spawn(self._close(stream), "s2s-close")

    async def _close(self, stream: S2SStream) -> None:
        try:
            async with asyncio.timeout(_CLOSE_DEADLINE):
                await stream.close()
        except Exception as error:  # it is being left anyway
            self._tell.error(
                PipelineError("close_s2s", "pipeline_error", f"leaving the model: {type(error).__name__}")
            )
