from __future__ import annotations

import asyncio
import threading
import time
import warnings

import pytest

from beluga_voice.testing.loop import VirtualClock, VirtualLoop, run


def test_an_hour_of_20_ms_ticks_passes_in_seconds() -> None:
    async def ticks() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(3600 * 50):
            await asyncio.sleep(0.02)
        return loop.time()

    began = time.process_time()
    assert run(ticks()) == pytest.approx(3600.0, abs=1e-6)
    assert time.process_time() - began < 10.0  # of the processor, whatever else it does; 1.6 s


def test_time_starts_at_zero_and_moves_only_to_timers() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen = [loop.time()]
        for _ in range(1000):
            await asyncio.sleep(0)
        seen.append(loop.time())
        await asyncio.sleep(12.5)
        seen.append(loop.time())
        return seen

    assert run(main()) == [0.0, 0.0, 12.5]


def test_timers_fire_in_the_order_of_their_times_every_run() -> None:
    async def main() -> list[tuple[int, float]]:
        loop = asyncio.get_running_loop()
        out: list[tuple[int, float]] = []

        async def wait(i: int) -> None:
            await asyncio.sleep((i * 7919 % 101) / 10)
            out.append((i, loop.time()))

        async with asyncio.TaskGroup() as group:
            for i in range(200):
                group.create_task(wait(i))
        return out

    first = run(main())
    assert [t for _, t in first] == sorted(t for _, t in first)
    assert run(main()) == first


def test_time_stands_still_while_a_job_runs() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        ticking = asyncio.create_task(asyncio.sleep(1000))
        await asyncio.sleep(0)
        await loop.run_in_executor(None, time.sleep, 0.1)
        during = loop.time()
        await ticking
        return during, loop.time()

    assert run(main()) == (0.0, 1000.0)


def test_work_after_a_job_sees_the_time_before_it() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        out: list[float] = []
        for _ in range(20):
            await asyncio.sleep(0.5)
            await loop.run_in_executor(None, time.sleep, 0.001)
            out.append(loop.time())
        return out

    assert run(main()) == pytest.approx([0.5 * i for i in range(1, 21)])


def test_a_deadline_of_virtual_time_does_not_pass_during_a_job() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(0.01):
            await loop.run_in_executor(None, time.sleep, 0.1)
        return "in time"

    assert run(main()) == "in time"


def test_a_failing_job_gives_the_clock_back() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def main() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="no"):
            await loop.run_in_executor(None, fail)
        await asyncio.sleep(5)
        return loop.time()

    assert run(main()) == 5.0


def test_the_threads_of_jobs_are_joined_without_a_warning() -> None:
    """From Python 3.12 on the loop sets the joining a deadline, which must not be virtual."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, time.sleep, 0.02) for _ in range(4)))

        def last() -> None:
            time.sleep(0.05)

        loop.run_in_executor(None, last)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main())
    assert [t for t in threading.enumerate() if t.name.startswith("asyncio_")] == []


async def _wait_for_ever() -> None:
    await asyncio.Event().wait()


def test_when_nothing_can_happen_any_more_it_names_who_waits() -> None:
    async def main() -> None:
        task = asyncio.create_task(_wait_for_ever(), name="the-one-that-waits")
        await task

    with pytest.raises(RuntimeError, match="the-one-that-waits"):
        run(main(), hang_after=0.05)


def test_a_job_that_never_ends_is_an_error_too() -> None:
    release = threading.Event()

    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, release.wait)

    loop = VirtualLoop(hang_after=0.05)
    try:
        with pytest.raises(RuntimeError, match="1 executor job"):
            loop.run_until_complete(main())
    finally:
        release.set()
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_a_call_from_another_thread_wakes_it() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        thread = threading.Timer(0.05, loop.call_soon_threadsafe, [future.set_result, "called"])
        thread.start()
        try:
            return await future
        finally:
            thread.join()

    assert run(main()) == "called"


def test_errors_come_out() -> None:
    async def main() -> None:
        await asyncio.sleep(3)
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        run(main())


def test_the_clock_reads_the_loop() -> None:
    async def main() -> list[float]:
        clock = VirtualClock(asyncio.get_running_loop())
        before = clock.now()
        await asyncio.sleep(2.25)
        return [before, clock.now()]

    assert run(main()) == [0.0, 2.25]
