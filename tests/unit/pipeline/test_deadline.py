"""The deadline that arms no timer where nothing waits."""

from __future__ import annotations

import asyncio

import pytest

from beluga_voice.pipeline.deadline import within
from beluga_voice.testing.loop import run


def test_what_is_ready_at_once_needs_no_timer() -> None:
    async def work() -> str:
        return "done"

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.call_later = loop.call_at = None  # type: ignore[assignment,method-assign]
        try:
            return await within(1.0, work())
        finally:
            del loop.call_later, loop.call_at

    assert asyncio.run(main()) == "done"


def test_results_and_errors_come_through_whatever_was_awaited() -> None:
    async def work(fail: bool) -> int:
        await asyncio.sleep(0)
        first = await asyncio.get_running_loop().run_in_executor(None, lambda: 20)
        await asyncio.sleep(0.01)
        if fail:
            raise LookupError("no")
        return first + 1

    async def main() -> None:
        assert await within(5.0, work(False)) == 21
        with pytest.raises(LookupError):
            await within(5.0, work(True))

    asyncio.run(main())


def test_what_waits_too_long_is_cancelled() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await within(5.0, work())

    run(main())
    assert ended == ["cancelled"]


def test_the_caller_can_be_cancelled_and_work_may_resist_once() -> None:
    ended: list[str] = []

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            ended.append("tidied up")
            raise
        return "never"

    async def main() -> None:
        task = asyncio.create_task(within(30.0, work()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert ended == ["tidied up"]
