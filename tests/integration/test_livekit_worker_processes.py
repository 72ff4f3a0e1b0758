"""Several processes and the command: crashes, stuck loops, signals, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from collector import Collector
from worker_entries import by_name
from worker_helpers import Rooms, eventually, logged

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer

HERE = Path(__file__).parent


@pytest.fixture
async def rooms(livekit_server: LiveKitServer) -> AsyncGenerator[Rooms]:
    async with Rooms(livekit_server) as made:
        yield made


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@asynccontextmanager
async def at_work(server: LiveKitServer, **settings: Any) -> AsyncGenerator[bv.Worker]:
    values = {
        "url": server.url,
        "api_key": server.api_key,
        "api_secret": server.api_secret,
        "preload": False,
        "max_load": 1.0,
        "processes": 2,
        "max_jobs": 4,
    }
    worker = bv.Worker(by_name, **{**values, **settings})
    async with worker:
        await worker.wait_ready(40)
        yield worker
        pids = [p["pid"] for p in worker.status["processes"]]
    assert all(gone(pid) for pid in pids if pid)


def jobs(worker: bv.Worker) -> list[list[str]]:
    return [[job["room"] for job in p.get("jobs", ())] for p in worker.status["processes"]]


async def test_a_crash_takes_only_the_jobs_of_its_process(
    livekit_server: LiveKitServer, rooms: Rooms
) -> None:
    async with at_work(livekit_server) as worker:
        for n in range(8):  # the server chooses by load, with some chance
            await rooms.create(f"stay-{n}")
            await eventually(lambda n=n: sum(map(len, jobs(worker))) == n + 1)
            if all(jobs(worker)) and n < 7:
                break
        before = worker.status["processes"]
        await rooms.create("crash")
        await eventually(lambda: any(p["last_exit"] for p in worker.status["processes"]))
        (dead,) = [p["number"] for p in worker.status["processes"] if p["last_exit"]]
        other = 1 - dead
        assert worker.status["processes"][dead]["last_exit"] == "signal 9"
        assert worker.status["processes"][other]["pid"] == before[other]["pid"]
        assert jobs(worker)[other] == [job["room"] for job in before[other]["jobs"]]
        await eventually(lambda: worker.status["processes"][dead].get("registered"), 40)
        assert worker.status["processes"][dead]["restarts"] == 1
        assert worker.status["failed"] >= len(before[dead]["jobs"])


async def test_a_stuck_process_is_killed_and_started_again(
    livekit_server: LiveKitServer, rooms: Rooms
) -> None:
    async with at_work(livekit_server, unresponsive_after=3.0) as worker:
        await rooms.create("block")
        await eventually(lambda: sum(p["restarts"] for p in worker.status["processes"]) == 1, 40)
        await eventually(lambda: all(p.get("registered") for p in worker.status["processes"]), 40)


async def test_stop_does_not_wait_for_a_stuck_process(
    livekit_server: LiveKitServer, rooms: Rooms, tmp_path: Path
) -> None:
    async with at_work(livekit_server, unresponsive_after=600.0):
        await rooms.create("block")
        await logged(tmp_path, "assigned job")
        await asyncio.sleep(0.3)


async def test_a_wrong_key_ends_all_processes(livekit_server: LiveKitServer) -> None:
    worker = bv.Worker(
        by_name,
        url=livekit_server.url,
        api_key=livekit_server.api_key,
        api_secret="x" * 40,
        preload=False,
        processes=2,
    )
    with pytest.raises(bv.AuthError, match="LIVEKIT_API_SECRET"):
        await worker.serve()


async def test_a_config_that_only_the_processes_find_wrong(livekit_server: LiveKitServer) -> None:
    worker = bv.Worker(
        by_name,
        url=livekit_server.url,
        api_key=livekit_server.api_key,
        api_secret=livekit_server.api_secret,
        config=bv.Config(provider="embedded", tts_provider="nobody"),
        processes=2,
    )
    with pytest.raises(bv.ConfigError, match="nobody"):
        await worker.serve()


# --- the command ---------------------------------------------------------------------------------------------


class Command:
    """``beluga-voice worker`` as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def until(self, text: str, timeout: float = 40.0) -> dict[str, Any]:
        """Reads JSON lines up to one whose message holds ``text``."""
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout):
            while line := await self.process.stdout.readline():
                self.lines.append(json.loads(line))
                if text in str(self.lines[-1]):
                    return self.lines[-1]
        raise AssertionError(f"no {text!r} in {self.lines}")

    async def end(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            rest = await self.process.stdout.read()
            self.lines += [json.loads(line) for line in rest.splitlines()]
            return await self.process.wait()


@asynccontextmanager
async def command(server: LiveKitServer, *options: str, **changes: str) -> AsyncGenerator[Command]:
    environment = {
        **os.environ,
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.api_key,
        "LIVEKIT_API_SECRET": server.api_secret,
        **changes,
    }
    words: Sequence[str] = (
        "-m",
        "beluga_voice",
        "worker",
        "worker_entries:by_name",
        "--json",
        "--health-port",
        "0",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, *options, cwd=HERE, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_each_process_exports_its_metrics(
    livekit_server: LiveKitServer, rooms: Rooms, processes: str
) -> None:
    async with Collector() as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "desk"}
        async with command(livekit_server, "--lazy", "--processes", processes, **endpoint) as worker:
            for _ in range(int(processes)):
                await worker.until("registered as")
            await rooms.create("short")
            await worker.until("job ended")
            worker.process.terminate()
            assert await worker.end() == 0
        assert "worker.jobs.total" in {metric.name for metric in collector.metrics}
        assert collector.services == {"desk"}


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_sigterm_drains_and_lets_jobs_end(
    livekit_server: LiveKitServer, rooms: Rooms, processes: str
) -> None:
    async with command(livekit_server, "--processes", processes) as worker:
        for _ in range(int(processes)):
            await worker.until("registered as")
        await rooms.create("short")
        line = await worker.until("job started")
        assert (line["room"], line["logger"]) == ("short", "beluga_voice.job")
        assert line["job_id"].startswith("AJ_")
        worker.process.terminate()
        assert await worker.end() == 0
        assert any("job ended" in line["message"] for line in worker.lines)


@pytest.mark.parametrize("processes", ["2"])
async def test_a_job_that_outlasts_the_drain_is_cut_off(
    livekit_server: LiveKitServer, rooms: Rooms, processes: str
) -> None:
    async with command(livekit_server, "--processes", processes, "--drain-timeout", "0.5") as worker:
        for _ in range(int(processes)):
            await worker.until("registered as")
        await rooms.create("stay")
        await worker.until("job started")
        worker.process.send_signal(signal.SIGINT)
        assert await worker.end() == 1


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_a_second_signal_ends_at_once(
    livekit_server: LiveKitServer, rooms: Rooms, processes: str
) -> None:
    async with command(livekit_server, "--processes", processes) as worker:
        for _ in range(int(processes)):
            await worker.until("registered as")
        await rooms.create("stay")
        await worker.until("job started")
        worker.process.terminate()
        await worker.until("draining: 1 jobs")
        worker.process.terminate()
        assert await worker.end() == 143


async def test_processes_end_when_their_supervisor_is_killed(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    async with command(livekit_server, "--processes", "2") as worker:
        await worker.until("registered as")
        await worker.until("registered as")
        worker.process.kill()
        await worker.end()
        await logged(tmp_path, "last worker deregistered")
        assert sum("supervisor is gone" in line["message"] for line in worker.lines) == 2


async def test_a_wrong_key_is_an_exit_status(livekit_server: LiveKitServer) -> None:
    async with command(livekit_server, LIVEKIT_API_SECRET="x" * 40) as worker:
        assert await worker.end() == 2
        assert worker.lines[-1]["error"]["code"] == "authentication_failed"


async def test_missing_credentials_are_named(livekit_server: LiveKitServer) -> None:
    async with command(livekit_server, LIVEKIT_URL="", LIVEKIT_API_SECRET="") as worker:
        assert await worker.end() == 2
        message = worker.lines[-1]["error"]["message"]
        assert "LIVEKIT_URL" in message
        assert "LIVEKIT_API_SECRET" in message
        assert "LIVEKIT_API_KEY" not in message


async def test_a_first_room_without_a_dispatch(livekit_server: LiveKitServer) -> None:
    async with command(livekit_server, "--room", "short", "--agent-name", "desk") as worker:
        await worker.until("job started")
        await worker.until("job ended")
        worker.process.terminate()
        assert await worker.end() == 0
