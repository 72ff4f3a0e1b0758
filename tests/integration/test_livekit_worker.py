"""A worker against a real LiveKit server: registration, dispatch, slots, bad entry points, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit import api
from livekit.protocol.agent import JobStatus
from worker_helpers import Rooms, eventually, logged

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.worker import local


@pytest.fixture
async def rooms(livekit_server: LiveKitServer) -> AsyncGenerator[Rooms]:
    async with Rooms(livekit_server) as made:
        yield made


@asynccontextmanager
async def at_work(server: LiveKitServer, entrypoint: Any, **settings: Any) -> AsyncGenerator[bv.Worker]:
    """A registered worker without speech models."""
    values = {"url": server.url, "api_key": server.api_key, "api_secret": server.api_secret, "preload": False}
    values["max_load"] = 1.0  # a busy test machine must not change who gets which job
    worker = bv.Worker(entrypoint, **{**values, **settings})
    async with worker:
        await worker.wait_ready(20)
        yield worker


class Desk:
    """An entry point that remembers its jobs and works until told."""

    def __init__(self) -> None:
        self.jobs: list[bv.JobContext] = []
        self.done = asyncio.Event()

    async def __call__(self, job: bv.JobContext) -> None:
        self.jobs.append(job)
        await self.done.wait()

    async def has(self, count: int) -> list[bv.JobContext]:
        await eventually(lambda: len(self.jobs) >= count)
        return self.jobs


async def test_every_new_room_gets_a_job(livekit_server: LiveKitServer, rooms: Rooms, tmp_path: Path) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk) as worker:
        await rooms.create("lobby", metadata="blue")
        (job,) = await desk.has(1)
        assert (job.room, job.room_metadata, job.participant) == ("lobby", "blue", None)
        assert job.id.startswith("AJ_")
        assert job.identity == f"agent-{job.id}"
        assert job.url == livekit_server.url
        claims = api.TokenVerifier(livekit_server.api_key, livekit_server.api_secret).verify(
            job.token.get_secret_value()
        )
        assert (claims.identity, claims.kind) == (job.identity, "agent")
        assert [j["room"] for j in worker.status["jobs"]] == ["lobby"]
        desk.done.set()
        await eventually(lambda: worker.status["finished"] == 1)
        assert worker.status["slots"]["used"] == 0
    await logged(tmp_path, "job ended", "JS_SUCCESS")


async def test_explicit_dispatch_by_api(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk, agent_name="desk"):
        await rooms.create("lobby")
        dispatch = await rooms.dispatch("lobby", "desk", metadata="for ann", attributes={"k": "v"})
        (job,) = await desk.has(1)
        assert (job.metadata, dict(job.attributes), job.job.agent_name) == ("for ann", {"k": "v"}, "desk")
        assert job.job.dispatch_id == dispatch.id
        await asyncio.sleep(0.3)
        assert len(desk.jobs) == 1  # the room itself dispatched nobody


async def test_explicit_dispatch_by_token(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    worker = at_work(livekit_server, desk, agent_name="desk")
    async with worker, rooms.person("ann", "party", agents=[("desk", "hello")]):
        (job,) = await desk.has(1)
        assert (job.room, job.metadata) == ("party", "hello")
        person = await job.wait_for_participant(timeout=10)
        assert (person.identity, person.kind) == ("ann", "standard")
        with pytest.raises(bv.ConnectError, match="'bob' did not join room 'party'"):
            await job.wait_for_participant("bob", timeout=0.3)


@pytest.mark.parametrize("kind", ["participant", "publisher"])
async def test_a_job_for_each_participant(livekit_server: LiveKitServer, rooms: Rooms, kind: str) -> None:
    desk = Desk()
    people = rooms.person("ann", "r", publish=True), rooms.person("bob", "r", publish=True)
    async with at_work(livekit_server, desk, kind=kind), people[0], people[1]:
        jobs = await desk.has(2)
        assert {job.participant.identity for job in jobs if job.participant} == {"ann", "bob"}
        assert {job.job.kind for job in jobs} == {kind}


async def test_a_hook_accepts_as_somebody_and_rejects(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    asked: list[str] = []

    async def on_request(request: bv.JobRequest) -> None:
        asked.append(request.job.room)
        match request.job.room:
            case "no":
                request.reject()
            case "broken":
                raise RuntimeError("no idea")
            case "slow":
                await asyncio.sleep(60)
            case _:
                request.accept(identity="clerk", name="Clerk", metadata="m", attributes={"a": "b"})

    async with at_work(livekit_server, desk, on_request=on_request, request_timeout=0.3) as worker:
        for name in ("no", "broken", "slow", "yes"):
            await rooms.create(name)
        (job,) = await desk.has(1)
        assert (job.room, job.identity) == ("yes", "clerk")
        claims = api.TokenVerifier(livekit_server.api_key, livekit_server.api_secret).verify(
            job.token.get_secret_value()
        )
        assert (claims.name, claims.metadata, claims.attributes["a"]) == ("Clerk", "m", "b")  # type: ignore[index]
        await eventually(lambda: sorted(asked) == ["broken", "no", "slow", "yes"])
        await eventually(lambda: worker.status["slots"]["used"] == 1)


async def test_all_slots_are_used_and_no_more(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk, max_jobs=4) as worker:
        for n in range(4):
            await rooms.create(f"r{n}")
        await desk.has(4)  # the server stops at 70 % of what a worker reports; ours must fill up all the same
        assert worker.status["slots"] == {"limit": 4, "used": 4, "free": 0}
        await rooms.create("one too many")
        await asyncio.sleep(1.5)
        assert len(desk.jobs) == 4
        desk.done.set()
        await eventually(lambda: worker.status["slots"]["free"] == 4)


async def test_a_burst_never_oversells(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk, max_jobs=5) as worker:
        await asyncio.gather(*(rooms.create(f"r{n}") for n in range(15)))
        await desk.has(5)
        await asyncio.sleep(1.0)
        assert len(desk.jobs) == 5
        assert worker.status["slots"]["used"] == 5


async def test_a_bad_entry_point_takes_only_its_own_job(
    livekit_server: LiveKitServer, rooms: Rooms, tmp_path: Path
) -> None:
    good = Desk()
    stubborn = True

    async def entrypoint(job: bv.JobContext) -> None:
        match job.room:
            case "raises":
                raise ValueError("out of cheese")
            case "exits":
                raise SystemExit(3)
            case "hangs":
                while stubborn:
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.sleep(60 if stubborn else 0)
            case _:
                await good(job)

    async with at_work(livekit_server, entrypoint) as worker:
        for name in ("fine", "raises", "exits", "hangs"):
            await rooms.create(name)
        await good.has(1)
        await eventually(lambda: worker.status["failed"] == 2)
        await eventually(lambda: sorted(j["room"] for j in worker.status["jobs"]) == ["fine", "hangs"])
        (hanging,) = [j for j in worker._running._jobs.values() if j[0].context.room == "hangs"]  # type: ignore[union-attr]
        hanging[0].context.shutdown("enough")
        await eventually(lambda: [j["room"] for j in worker.status["jobs"]] == ["fine"])
        stubborn = False
        for task in [t for t in asyncio.all_tasks() if t.get_name().endswith(":entrypoint")]:
            task.cancel()
    await logged(tmp_path, "job ended", "JS_FAILED", "ValueError: out of cheese")
    await logged(tmp_path, "job ended", "JS_FAILED", "called sys.exit()")


async def test_shutdown_runs_the_hooks(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    ran: list[str] = []

    async def entrypoint(job: bv.JobContext) -> None:
        async def note(reason: str) -> None:
            ran.append(reason)

        async def fail(reason: str) -> None:
            raise RuntimeError("hook")

        job.add_shutdown_hook(fail)
        job.add_shutdown_hook(note)
        job.shutdown("had enough")
        await asyncio.sleep(60)

    async with at_work(livekit_server, entrypoint) as worker:
        await rooms.create("r")
        await eventually(lambda: worker.status["finished"] == 1)
        assert ran == ["had enough"]
        assert worker.status["failed"] == 0


async def test_a_deleted_dispatch_ends_its_job(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk, agent_name="desk") as worker:
        await rooms.create("r")
        dispatch = await rooms.dispatch("r", "desk")
        await desk.has(1)
        await rooms.api.agent_dispatch.delete_dispatch(dispatch.id, "r")
        await eventually(lambda: worker.status["finished"] == 1)


async def test_a_job_that_only_waits_ends_with_its_room(
    livekit_server: LiveKitServer, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PERIOD", 0.2)
    desk = Desk()
    async with at_work(livekit_server, desk) as worker:
        await rooms.create("kept")
        await rooms.create("deleted")
        await desk.has(2)
        await rooms.delete("deleted")
        await eventually(lambda: [j["room"] for j in worker.status["jobs"]] == ["kept"])
        await asyncio.sleep(0.6)
        assert len(worker.status["jobs"]) == 1


async def test_the_server_is_killed_and_comes_back(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk, retry_delay=0.2) as worker:
        await rooms.create("before")
        await desk.has(1)
        first = worker.status["worker_id"]
        await livekit_server.kill()
        await eventually(lambda: worker.status["state"] == "waiting")
        assert worker.status["problem"]
        assert worker.status["retry_in"] is not None
        assert [j["room"] for j in worker.status["jobs"]] == ["before"]  # jobs go on meanwhile
        await asyncio.sleep(0.5)
        await livekit_server.start()
        await worker.wait_ready(20)
        assert worker.status["worker_id"] != first
        await rooms.create("after")
        jobs = await desk.has(2)
        assert jobs[1].room == "after"
        assert worker.status["slots"]["used"] == 2


async def test_two_workers_of_one_name_share_the_work(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    one, two = Desk(), Desk()
    async with at_work(livekit_server, one, max_jobs=4), at_work(livekit_server, two, max_jobs=4):
        for n in range(8):
            await rooms.create(f"r{n}")
        await eventually(lambda: len(one.jobs) + len(two.jobs) == 8)
        assert len(one.jobs) == len(two.jobs) == 4
        assert len({job.id for job in one.jobs + two.jobs}) == 8


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"api_secret": "x" * 40}, "check LIVEKIT_API_KEY and LIVEKIT_API_SECRET"),
        ({"api_key": "nobody"}, "invalid API key"),
    ],
)
async def test_a_wrong_key_is_told_at_once(
    livekit_server: LiveKitServer, change: dict[str, str], what: str
) -> None:
    values = {
        "url": livekit_server.url,
        "api_key": livekit_server.api_key,
        "api_secret": livekit_server.api_secret,
        "preload": False,
    }
    worker = bv.Worker(Desk(), **{**values, **change})
    with pytest.raises(bv.AuthError, match=what) as caught:
        await worker.serve()
    assert caught.value.code == "authentication_failed"
    assert "eyJ" not in str(caught.value)  # the server repeats the token; we do not


async def test_no_such_server_is_tried_again_for_ever() -> None:
    worker = bv.Worker(
        Desk(), url="ws://127.0.0.1:1", api_key="k", api_secret="s" * 40, preload=False, retry_delay=0.05
    )
    async with worker:
        with pytest.raises(bv.ConnectError, match="not registered at ws://127") as caught:
            await worker.wait_ready(0.5)
        assert caught.value.retryable
        assert worker.status["state"] in ("waiting", "connecting")


async def test_it_gives_up_where_told_to() -> None:
    worker = bv.Worker(
        Desk(),
        url="ws://127.0.0.1:1",
        api_key="k",
        api_secret="s" * 40,
        preload=False,
        retry_delay=0.01,
        max_retries=2,
    )
    with pytest.raises(bv.ConnectError, match="gave up after 3 tries"):
        await worker.serve()


async def test_a_draining_worker_lets_jobs_end(livekit_server: LiveKitServer, rooms: Rooms) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk) as worker:
        await rooms.create("before")
        await desk.has(1)
        draining = asyncio.create_task(worker.drain(20))
        await eventually(lambda: worker.status["state"] == "draining")
        await rooms.create("after")
        await asyncio.sleep(0.7)
        assert not draining.done()
        assert len(desk.jobs) == 1
        desk.done.set()
        assert await draining


async def test_a_drain_has_a_deadline(livekit_server: LiveKitServer, rooms: Rooms, tmp_path: Path) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk) as worker:
        await rooms.create("r")
        await desk.has(1)
        assert not await worker.drain(0.2)
    await logged(tmp_path, "job ended", "the worker was stopped")


async def test_a_job_can_be_simulated(livekit_server: LiveKitServer) -> None:
    desk = Desk()
    async with at_work(livekit_server, desk, agent_name="desk") as worker:
        worker.simulate_job("dev")
        (job,) = await desk.has(1)
        assert job.room == "dev"


async def test_health(livekit_server: LiveKitServer, get: Callable[..., Any]) -> None:
    desk = Desk()
    from beluga_voice.testing.livekit_server import free_port

    port = free_port()
    async with at_work(livekit_server, desk, health_port=port, retry_delay=0.1) as worker:
        code, body = await get(port, "/readyz")
        assert (code, body["state"]) == (200, "ready")
        code, body = await get(port, "/")
        assert body["slots"]["limit"] == 100
        assert body["worker_id"].startswith("AW_")
        await livekit_server.kill()
        await eventually(lambda: not worker.status["registered"])
        assert (await get(port, "/readyz"))[0] == 503
        assert (await get(port, "/healthz"))[0] == 200
        assert (await get(port, "/nothing"))[0] == 404
        with pytest.raises(bv.ConnectError, match="--health-port"):
            await bv.Worker(
                desk,
                url=livekit_server.url,
                api_key="k",
                api_secret="s" * 40,
                preload=False,
                health_port=port,
            ).serve()


@pytest.fixture
def get() -> Callable[..., Any]:
    async def request(port: int, path: str) -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        raw = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        head, _, body = raw.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    return request


async def test_registration_is_quick(livekit_server: LiveKitServer) -> None:
    desk = Desk()
    began = time.monotonic()
    async with at_work(livekit_server, desk):
        assert time.monotonic() - began < 5.0  # a bench row says how quick: a second, models included


def test_the_statuses_are_the_servers() -> None:
    assert (JobStatus.JS_SUCCESS, JobStatus.JS_FAILED) == (2, 3)
