"""Asks a model a second time when its first token is slow; whichever answer begins first is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

from beluga_voice.interfaces import ChatDelta
from beluga_voice.observe.metrics import METER

__all__ = ["hedged"]

_AHEAD = 8
_END_WITHIN = 1.0


async def hedged(ask: Callable[[], AsyncIterator[ChatDelta]], after: float) -> AsyncIterator[ChatDelta]:
    """The answer of one of two requests; the other is cancelled as soon as one of them has begun to answer.

    Each hedge is counted in ``beluga.voice.llm.hedges`` with the ``outcome`` ``first`` or ``second``.

    Args:
        ask: makes a request.
        after: seconds without a first piece after which the second request is made.

    Raises:
        BackendError: what the first request raises, if it fails before it is hedged or both fail.
    """
    attempts = [_Attempt(ask())]
    try:
        await asyncio.wait([attempts[0].begun], timeout=after)
        if not attempts[0].begun.done():
            attempts.append(_Attempt(ask()))
        winner = await _first_to_begin(attempts)
        if len(attempts) > 1:
            _count("first" if winner is attempts[0] else "second")
        for attempt in attempts:
            if attempt is not winner:
                attempt.task.cancel()
        while (delta := await winner.deltas.get()) is not None:
            yield delta
        if winner.error is not None:
            raise winner.error
    finally:
        for attempt in attempts:
            attempt.task.cancel()
        await asyncio.wait([attempt.task for attempt in attempts], timeout=_END_WITHIN)


async def _first_to_begin(attempts: list[_Attempt]) -> _Attempt:
    """The first that gave a piece; the first of all where none did."""
    while True:
        begun = [attempt for attempt in attempts if attempt.begun.done()]
        for attempt in begun:
            if attempt.begun.result():
                return attempt
        if len(begun) == len(attempts):
            return attempts[0]
        await asyncio.wait([a.begun for a in attempts if a not in begun], return_when=asyncio.FIRST_COMPLETED)


class _Attempt:
    """One request, read in a task of its own.

    Attributes:
        begun: whether it gave a piece, once that is known.
        deltas: what it gives, and None at its end.
        error: why it failed, or None.
    """

    def __init__(self, stream: AsyncIterator[ChatDelta]) -> None:
        self.begun: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.deltas: asyncio.Queue[ChatDelta | None] = asyncio.Queue(_AHEAD)
        self.error: Exception | None = None
        self.task = asyncio.create_task(self._run(stream), name="llm-attempt")

    async def _run(self, stream: AsyncIterator[ChatDelta]) -> None:
        try:
            async with aclosing(cast("Any", stream)):
                async for delta in stream:
                    self._begin(gave=True)
                    await self.deltas.put(delta)
        except Exception as error:  # a model is a plug-in; whoever reads the answer is told
            self.error = error
        finally:
            self._begin(gave=False)
        await self.deltas.put(None)

    def _begin(self, *, gave: bool) -> None:
        if not self.begun.done():
            self.begun.set_result(gave)


def _count(outcome: str) -> None:
    from opentelemetry import metrics

    metrics.get_meter(METER).create_counter("beluga.voice.llm.hedges").add(1, {"outcome": outcome})
