"""Sessions of a worker's jobs in real rooms: heard, reported, many at once, over restarts of the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import api
from livekit_caller import Caller, caller, until
from worker_helpers import Rooms, eventually, logged

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.worker import running
from stage import Stage

Entry = Callable[[bv.JobContext], Awaitable[None]]


@pytest.fixture
async def rooms(livekit_server: LiveKitServer) -> AsyncGenerator[Rooms]:
    async with Rooms(livekit_server) as made:
        yield made


@asynccontextmanager
async def at_work(
    server: LiveKitServer, stage: Stage, entrypoint: Entry, **settings: Any
) -> AsyncGenerator[bv.Worker]:
    """A worker on scripted speech parts."""
    values = {
        "url": server.url,
        "api_key": server.api_key,
        "api_secret": server.api_secret,
        "agent_name": "desk",
    }
    values["max_load"] = 1.0  # a busy test machine must not change who gets which job
    async with bv.Worker(entrypoint, **{"config": stage.config(), **values, **settings}) as worker:
        await worker.wait_ready(20)
        yield worker
    left = [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith(("worker:", "AJ_"))]
    assert left == [], "tasks outlived the worker"


async def echo(transcript: str) -> str:
    return f"You said {transcript}."


async def greets(job: bv.JobContext) -> None:
    session = await job.create_session(agent_callback=echo, greeting="Good morning, this is the desk.")
    await session.start()
    # Again and again: on a slow machine a listener is there only after the first words.
    while session.persistence_status == "active":
        await asyncio.sleep(0.5)
        with contextlib.suppress(bv.SessionError):
            if session.state == "listening":
                await session.say("This is still the desk.")


async def heard(one: Caller) -> None:
    await until(
        lambda: any(level > 0.05 for _, level in one.levels), 40, lambda: f"{one.identity} hears nothing"
    )


async def test_an_agent_greets_whoever_dispatched_it(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage, tmp_path: Path
) -> None:
    seen: list[bv.JobContext] = []

    async def entrypoint(job: bv.JobContext) -> None:
        seen.append(job)
        await greets(job)

    async with at_work(livekit_server, stage, entrypoint) as worker, caller(livekit_server, "lobby") as ann:
        await rooms.dispatch("lobby", "desk")
        await heard(ann)
        (agent,) = ann.room.remote_participants.values()
        assert agent.identity == seen[0].identity
        assert agent.attributes["lk.agent_name"] == "desk"
        (session,) = seen[0].sessions
        assert session.metadata == {"room": "lobby", "job_id": seen[0].id, "agent_name": "desk"}
        assert session.user_id == "lobby"
        assert worker.status["jobs"][0]["room"] == "lobby"
        await rooms.delete("lobby")
        await eventually(lambda: worker.status["finished"] == 1)
        assert worker.status["failed"] == 0
    assert "JS_FAILED" not in (tmp_path / "livekit.log").read_text()


async def test_the_job_ends_with_its_session_and_the_server_knows_it_went_well(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage, tmp_path: Path
) -> None:
    told: list[str] = []

    async def entrypoint(job: bv.JobContext) -> None:
        async def epilogue(reason: str) -> None:
            told.append(f"hook: {reason}")

        job.add_shutdown_hook(epilogue)
        session = await job.create_session(agent_callback=echo, greeting="Bye.")
        await session.start()
        await asyncio.sleep(0.5)
        await session.stop()  # leaves the room: without a word before, the server takes the job for failed
        await asyncio.sleep(0.3)
        told.append("entry point went on")

    async with at_work(livekit_server, stage, entrypoint) as worker, caller(livekit_server, "lobby") as ann:
        await rooms.dispatch("lobby", "desk")
        await eventually(lambda: worker.status["finished"] == 1)
        assert told == ["entry point went on", "hook: sessions closed"]
        await until(lambda: not ann.room.remote_participants)
    await logged(tmp_path, "job ended", "JS_SUCCESS")
    assert "JS_FAILED" not in (tmp_path / "livekit.log").read_text()


async def test_a_session_that_cannot_start_fails_its_job_with_the_reason(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage, tmp_path: Path
) -> None:
    async def entrypoint(job: bv.JobContext) -> None:
        await job.create_session(greeting="nobody answers")

    async with at_work(livekit_server, stage, entrypoint) as worker:
        await rooms.create("lobby")
        await rooms.dispatch("lobby", "desk")
        await eventually(lambda: worker.status["failed"] == 1)
    await logged(tmp_path, "JS_FAILED", "invalid_config")


async def test_an_entry_point_that_stays_after_its_session_is_cancelled(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "DEADLINES", running.Deadlines(linger=0.3))
    cancelled = asyncio.Event()

    async def entrypoint(job: bv.JobContext) -> None:
        session = await job.create_session(agent_callback=echo, greeting="Bye.")
        await session.start()
        await session.stop()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with at_work(livekit_server, stage, entrypoint) as worker:
        await rooms.create("lobby")
        await rooms.dispatch("lobby", "desk")
        await eventually(lambda: worker.status["finished"] == 1)
        assert cancelled.is_set()
        assert worker.status["failed"] == 0


@pytest.mark.timeout(180)
async def test_ten_jobs_at_once_in_one_process(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage
) -> None:
    async with at_work(livekit_server, stage, greets, max_jobs=10) as worker, AsyncExitStack() as stack:
        people = [await _listener(stack, livekit_server, f"r{n}", f"p{n}") for n in range(10)]
        await asyncio.gather(*(rooms.dispatch(f"r{n}", "desk") for n in range(10)))
        await asyncio.gather(*(heard(one) for one in people))
        status = worker.status
        assert len(status["jobs"]) == 10
        assert status["slots"]["free"] == 0
        await asyncio.gather(*(rooms.delete(f"r{n}") for n in range(10)))
        await eventually(lambda: worker.status["finished"] == 10)
        assert worker.status["failed"] == 0
        assert worker.status["slots"]["free"] == 10


async def _listener(stack: AsyncExitStack, server: LiveKitServer, room: str, identity: str) -> Caller:
    one = Caller(identity)
    await one.join(server.url, server.token(identity, room), microphone=False)
    stack.push_async_callback(one.leave)
    return one


async def test_one_job_for_each_publisher_hears_only_them(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage
) -> None:
    seen: dict[str, Any] = {}

    async def entrypoint(job: bv.JobContext) -> None:
        session = await job.create_session(agent_callback=echo, greeting="")
        assert job.participant is not None
        seen[job.participant.identity] = session
        await session.start()

    tone = (np.sin(np.arange(48_000) * 0.05) * 9000).astype(np.int16)
    stage.utterances("good evening")
    worker = at_work(livekit_server, stage, entrypoint, kind="publisher", agent_name="")
    async with worker, caller(livekit_server, "r", "ann") as ann, caller(livekit_server, "r", "bob") as bob:
        silence = np.zeros(4800, np.int16)
        await asyncio.gather(
            ann.play(silence), bob.play(silence)
        )  # a track is published with its first sound
        await eventually(lambda: len(seen) == 2)
        assert {session.user_id for session in seen.values()} == {"ann", "bob"}
        await eventually(lambda: all(session.transport.connected for session in seen.values()))
        for _ in range(10):
            await ann.play(tone)
            await ann.play(np.zeros(48_000, np.int16))
            if seen["ann"].history:
                break
        assert seen["ann"].history[0].content == "good evening"
        assert len(seen["bob"].history) == 0


async def test_sessions_outlive_a_restart_of_the_server(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage
) -> None:
    seen: list[bv.JobContext] = []

    async def entrypoint(job: bv.JobContext) -> None:
        seen.append(job)
        await greets(job)

    async with at_work(livekit_server, stage, entrypoint, retry_delay=0.2) as worker:
        async with caller(livekit_server, "lobby") as ann:
            await rooms.dispatch("lobby", "desk")
            await heard(ann)
        await livekit_server.kill()
        await eventually(lambda: not worker.status["registered"])
        await livekit_server.start()
        await worker.wait_ready(20)
        async with caller(livekit_server, "lobby", "bob") as bob:
            (session,) = seen[0].sessions
            await until(lambda: bob.room.remote_participants, 30)
            assert session.persistence_status == "active"
            await session.say("I am back.")
            await heard(bob)
        assert len(seen) == 1


async def test_a_livekit_backend_brings_its_settings(
    livekit_server: LiveKitServer, rooms: Rooms, stage: Stage
) -> None:
    config = bv.Config(
        provider="livekit",
        stt_provider="scripted",
        tts_provider="scripted",
        vad_provider="scripted",
        provider_config={"leave_after": 0.3, "delete_room": True},  # server and key are the worker's
    )
    async with at_work(livekit_server, stage, greets, config=config) as worker:
        async with caller(livekit_server, "lobby") as ann:
            await rooms.dispatch("lobby", "desk")
            await heard(ann)
        await eventually(lambda: worker.status["finished"] == 1)
        assert worker.status["failed"] == 0
        await eventually_none(rooms)


async def eventually_none(rooms: Rooms) -> None:
    async with asyncio.timeout(10):
        while (await rooms.api.room.list_rooms(api.ListRoomsRequest())).rooms:
            await asyncio.sleep(0.05)
