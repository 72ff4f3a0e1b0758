"""One job in virtual time: when it ends, what is told, and that nothing can hold it up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.backends.base import Backend
from beluga_voice.testing.loop import run
from beluga_voice.worker.jobs import Job, Outcome
from beluga_voice.worker.messages import Assigned
from beluga_voice.worker.running import Deadlines, RunningJob
from stage import Stage, echo

ASSIGNED = Assigned(Job("AJ_1", room="lobby", agent_name="desk"), "", "token", "agent-AJ_1")


class House:
    """A worker as a job sees it; its rooms are memory."""

    url = "ws://127.0.0.1:1"

    def __init__(self, stage: Stage) -> None:
        self.config = stage.config()
        self._backend = bv.new_backend("embedded", self.config)
        self.told: list[Outcome] = []

    @property
    def api(self) -> Any:
        raise AssertionError("no server here")

    async def backend(self) -> Backend:
        await self._backend.start()
        return self._backend

    def job(
        self, entrypoint: Callable[[bv.JobContext], Any], deadlines: Deadlines | None = None
    ) -> RunningJob:
        return RunningJob(ASSIGNED, entrypoint, self, self.told.append, deadlines)

    async def close(self) -> None:
        await self._backend.stop()


async def session_of(job: bv.JobContext, **fields: Any) -> bv.Session:
    memory = bv.transport.new("memory", bv.TransportConfig())
    return await job.create_session(**{"agent_callback": echo, "transport": memory, **fields})


def play(
    stage: Stage, entrypoint: Any, during: Any = None, deadlines: Deadlines | None = None
) -> tuple[Any, ...]:
    """Runs one job; returns its outcome, what was told, and the seconds it took."""

    async def main() -> tuple[Any, ...]:
        house = House(stage)
        job = house.job(entrypoint, deadlines)
        began = asyncio.get_running_loop().time()
        task = asyncio.create_task(job.run())
        if during is not None:
            await during(job, task)
        async with asyncio.timeout(300):
            outcome = await task
        took = asyncio.get_running_loop().time() - began
        await house.close()
        return outcome, house.told, took

    return run(main())


def test_it_ends_when_the_entry_point_returns(stage: Stage) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        await asyncio.sleep(3.0)

    outcome, told, took = play(stage, entrypoint)
    assert outcome == Outcome("success", "", "entry point returned")
    assert told == [outcome]
    assert took == pytest.approx(3.0)


def test_it_goes_on_with_its_session_after_the_entry_point_returned(stage: Stage) -> None:
    sessions: list[bv.Session] = []

    async def entrypoint(job: bv.JobContext) -> None:
        sessions.append(await session_of(job))
        await sessions[0].start()

    async def during(job: RunningJob, task: Any) -> None:
        await asyncio.sleep(60.0)
        assert not task.done()
        assert not job.idle
        await sessions[0].stop()

    outcome, told, _ = play(stage, entrypoint, during)
    assert outcome.reason == "sessions closed"
    assert told == [outcome]


def test_success_is_told_before_the_room_is_left(stage: Stage) -> None:
    order: list[str] = []

    async def entrypoint(job: bv.JobContext) -> None:
        memory: Any = bv.transport.new("memory", bv.TransportConfig())
        close = memory.close

        async def leave() -> None:
            order.append("left")
            await close()

        memory.close = leave
        session = await session_of(job, transport=memory)
        await session.start()
        await session.stop()
        await asyncio.sleep(1.0)
        order.append("epilogue")

    async def with_report() -> None:
        house = House(stage)
        job = RunningJob(ASSIGNED, entrypoint, house, lambda outcome: order.append(f"told {outcome.status}"))
        await job.run()
        await house.close()

    run(with_report())
    assert order == ["told success", "left", "epilogue"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("out of cheese"), "ValueError: out of cheese"),
        (bv.ConfigError("x", "invalid_config", "no such thing"), "no such thing (code: invalid_config)"),
        (SystemExit(3), "RuntimeError: the entry point called sys.exit()"),
    ],
)
def test_an_entry_point_that_raises_fails_its_job(stage: Stage, error: BaseException, text: str) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        await (await session_of(job)).start()
        raise error

    outcome, told, took = play(stage, entrypoint)
    assert told == [outcome] == [Outcome("failed", text, "entry point failed")]
    assert took < 5.0


def test_shutdown_stops_sessions_and_the_entry_point_and_then_runs_the_hooks(stage: Stage) -> None:
    seen: list[str] = []

    async def entrypoint(job: bv.JobContext) -> None:
        async def hook(reason: str) -> None:
            seen.append(f"hook {reason} {job.sessions[0].persistence_status}")

        job.add_shutdown_hook(hook)
        await (await session_of(job)).start()
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    async def during(job: RunningJob, task: Any) -> None:
        await asyncio.sleep(5.0)
        job.context.shutdown("enough")
        job.context.shutdown("again")

    outcome, _, _ = play(stage, entrypoint, during)
    assert outcome == Outcome("success", "", "enough")
    assert seen == ["cancelled", "hook enough completed"]


def test_hooks_that_hang_or_raise_hold_nothing_up(stage: Stage) -> None:
    ran: list[str] = []

    async def entrypoint(job: bv.JobContext) -> None:
        async def hang(reason: str) -> None:
            await asyncio.Event().wait()

        async def fail(reason: str) -> None:
            raise RuntimeError("no")

        async def good(reason: str) -> None:
            ran.append(reason)

        for hook in (hang, fail, good):
            job.add_shutdown_hook(hook)

    outcome, _, took = play(stage, entrypoint, deadlines=Deadlines(hooks=10.0))
    assert outcome.status == "success"
    assert ran == ["entry point returned"]
    assert took == pytest.approx(10.0, abs=0.1)


def test_an_entry_point_that_cannot_be_cancelled_is_abandoned(stage: Stage) -> None:
    stay = True

    async def entrypoint(job: bv.JobContext) -> None:
        while stay:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1.0)

    async def during(job: RunningJob, task: Any) -> None:
        nonlocal stay
        job.end("enough")
        await task
        stay = False
        await asyncio.sleep(2.0)

    outcome, _, took = play(stage, entrypoint, during, Deadlines(cancel=2.0))
    assert outcome.reason == "enough"
    assert took < 6.0


def test_an_entry_point_that_stays_after_its_session_is_cancelled(stage: Stage) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        session = await session_of(job)
        await session.start()
        await session.stop()
        await asyncio.Event().wait()

    outcome, told, took = play(stage, entrypoint, deadlines=Deadlines(linger=10.0))
    assert told == [outcome] == [Outcome("success", "", "sessions closed")]
    assert 10.0 <= took < 11.0


def test_a_session_that_is_never_started_does_not_hold_the_job_for_ever(stage: Stage) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        await session_of(job)

    outcome, _, took = play(stage, entrypoint, deadlines=Deadlines(begin=30.0))
    assert outcome.status == "failed"
    assert "not started" in outcome.error
    assert 30.0 <= took < 32.0


def test_a_second_session_keeps_the_job(stage: Stage) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        one, two = await session_of(job), await session_of(job)
        await one.start()
        await two.start()
        await one.stop()
        assert job.sessions == (one, two)
        await asyncio.sleep(50.0)
        await two.stop()

    outcome, _, took = play(stage, entrypoint, deadlines=Deadlines(linger=10.0))
    assert outcome.status == "success"
    assert took == pytest.approx(50.0, abs=1.0)


def test_what_a_job_tells_about_itself(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        assert (job.id, job.room, job.url, job.identity) == ("AJ_1", "lobby", House.url, "agent-AJ_1")
        assert "token" not in repr(job.token)
        session = await session_of(job, metadata={"x": 1})
        assert session.user_id == "lobby"
        assert session.metadata == {"room": "lobby", "job_id": "AJ_1", "agent_name": "desk", "x": 1}
        job.log.warning("hello", extra={"status": "fine"})
        await session.stop()
        with pytest.raises(bv.ConfigError, match="hook must be"):
            job.add_shutdown_hook("no")  # type: ignore[arg-type]

    outcome, _, _ = play(stage, entrypoint)
    assert outcome.status == "success", outcome
    (record,) = [r for r in caplog.records if r.message == "hello"]
    facts = record.__dict__
    assert (facts["job_id"], facts["room"], facts["agent_name"], facts["status"]) == (
        "AJ_1",
        "lobby",
        "desk",
        "fine",
    )


def test_a_session_config_can_be_given_whole(stage: Stage) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        memory = bv.transport.new("memory", bv.TransportConfig())
        config = bv.SessionConfig(user_id="ann", agent_callback=echo, transport=memory, metadata={"a": 1})
        session = await job.create_session(config, metadata={"b": 2})
        assert session.user_id == "ann"
        assert session.metadata == {"room": "lobby", "job_id": "AJ_1", "agent_name": "desk", "b": 2}
        assert session.transport is memory
        await session.stop()

    outcome, _, _ = play(stage, entrypoint)
    assert outcome.status == "success", outcome
