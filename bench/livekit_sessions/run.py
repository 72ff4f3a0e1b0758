"""One run: a LiveKit server, callers, one framework with so many rooms; what it used and what the callers heard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beluga_voice.livekit import LiveKitApi
from beluga_voice.testing.livekit_server import LiveKitServer
from bench.livekit_sessions import process_tree as tree

__all__ = ["CONTENDERS", "OURS", "Contender", "RunError", "run"]

_ROOT = Path(__file__).parent.parent.parent
_PEERS = _ROOT / "bench" / "peers"
_CACHE = _ROOT / ".cache" / "bench"
_CALLERS_EACH = 5  # in one process
_READY, _AUDIBLE = 60.0, 30.0
_BETWEEN_JOBS = 0.3
_SETTLE = 4.0  # after the last greeting; livekit-agents hears nobody for 3 s after its first words


class RunError(Exception):
    """A run ended without figures; says why."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that carries sessions.

    Attributes:
        label: for the table.
        driver: file in ``bench/peers`` and its argument.
        env: environment in ``.cache/bench``; empty for the project's own.
        worker: whether it takes jobs; else it is told the rooms.
        settings: in words.
    """

    label: str
    driver: tuple[str, str]
    env: str = ""
    worker: bool = True
    settings: str = ""


OURS = "worker"
_AGENTS = "room_livekit_agents_driver.py"
CONTENDERS = {
    "backend": Contender(
        "Beluga Voice, backend",
        ("room_beluga_driver.py", "backend"),
        worker=False,
        settings="defaults, all sessions in one process",
    ),
    OURS: Contender(
        "Beluga Voice, worker",
        ("room_beluga_driver.py", "worker"),
        settings="defaults, all jobs in one process",
    ),
    "process": Contender(
        "livekit-agents", (_AGENTS, "process"), "livekit-agents", settings="defaults, a process per job"
    ),
    "thread": Contender(
        "livekit-agents, threads",
        (_AGENTS, "thread"),
        "livekit-agents",
        settings="its thread executor, all jobs in one process",
    ),
}


async def run(
    key: str, sessions: int, job: dict[str, Any], warmup: float, seconds: float, probe: str = ""
) -> dict[str, Any]:
    """One run with ``sessions`` rooms; ``job`` has the speech and the fakes.

    ``probe`` is a shell command run in the middle of the window with the pid as ``$PID``, e.g. a profiler.

    Raises:
        RunError: if something did not start, or nobody was heard.
    """
    contender = CONTENDERS[key]
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(LiveKitServer())
        job = {
            **job,
            "mode": "turns",
            "sessions": sessions,
            "url": server.url,
            "api_key": server.api_key,
            "api_secret": server.api_secret,
        }
        callers = [
            await stack.enter_async_context(_callers(server, job, sessions, first))
            for first in range(0, sessions, _CALLERS_EACH)
        ]
        for one in callers:
            await _line(one, _READY, "the callers did not join")
        agent = await stack.enter_async_context(_agent(contender, key, job))
        jobs: dict[str, float] = {}
        ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(_read(agent, jobs, ready))
        stack.callback(reading.cancel)
        try:
            async with asyncio.timeout(_READY):
                started = time.monotonic()
                facts = await ready
        except TimeoutError as error:
            raise RunError(f"{contender.label} was not ready in {_READY:g} s; {_last_words(key)}") from error
        await asyncio.sleep(3.0)  # it may go on warming up
        before = tree.memory_mb(agent.pid)
        await _dispatch(contender, agent, server, sessions)
        await asyncio.sleep(_SETTLE)
        zero = time.monotonic() + 0.5
        start = zero + warmup
        end = start + seconds
        for one in callers:
            await _send(one, {"zero": zero, "start": start, "end": end})
        await asyncio.sleep(start - time.monotonic())
        used = [tree.cpu_seconds(pid) for pid in (agent.pid, server.pid or 0)]
        at = time.monotonic()
        if probe:
            probing = await asyncio.create_subprocess_shell(probe, env={**os.environ, "PID": str(agent.pid)})
            await probing.wait()
        await asyncio.sleep(end - time.monotonic())
        took = time.monotonic() - at
        used = [tree.cpu_seconds(pid) - u for pid, u in zip((agent.pid, server.pid or 0), used, strict=True)]
        busy = tree.memory_mb(agent.pid)
        count = tree.threads(agent.pid)
        heard = [await _line(one, 30.0, "the callers told nothing") for one in callers]
    first = {int(n): at for one in heard for n, at in one["first_heard"].items()}
    missing = [n for n in range(sessions) if not first.get(n) or f"room-{n}" not in jobs]
    if missing:
        raise RunError(f"{contender.label}: nothing was heard in rooms {missing}; {_last_words(key)}")
    return {
        "version": facts["version"],
        "ready_seconds": facts["at"] - started,
        "sessions": sessions,
        "wall_seconds": took,
        "cpu_seconds": used[0],
        "server_cpu_seconds": used[1],
        "memory": {"before": before, "busy": busy},
        "threads": count,
        "audible": [first[n] - jobs[f"room-{n}"] for n in range(sessions)],
        "turns": [t for one in heard for t in one["turns"]],
        "speaking_share": sum(one["speaking_share"] for one in heard) / len(heard),
        "microphone_p99": max(one["microphone"]["p99"] for one in heard),
    }


async def _dispatch(
    contender: Contender, agent: asyncio.subprocess.Process, server: LiveKitServer, sessions: int
) -> None:
    """One room after the other, so that none has to wait for another's start."""
    async with LiveKitApi(server.url, server.api_key, server.api_secret) as livekit:
        for number in range(sessions):
            if contender.worker:
                await livekit.dispatches.create(f"room-{number}", "bench")
            else:
                assert agent.stdin is not None
                agent.stdin.write(f"room-{number}\n".encode())
            deadline = time.monotonic() + _AUDIBLE
            while not await _agent_speaks(livekit, f"room-{number}"):
                if time.monotonic() > deadline:
                    raise RunError(f"{contender.label}: no agent in room {number} in {_AUDIBLE:g} s")
                await asyncio.sleep(0.1)
            await asyncio.sleep(_BETWEEN_JOBS)


async def _agent_speaks(livekit: LiveKitApi, room: str) -> bool:
    """Whether somebody besides the caller is there with a track."""
    return sum(bool(p.tracks) for p in await livekit.participants.list(room)) > 1


@asynccontextmanager
async def _agent(
    contender: Contender, key: str, job: dict[str, Any]
) -> AsyncIterator[asyncio.subprocess.Process]:
    python = _CACHE / contender.env / "bin" / "python" if contender.env else Path(sys.executable)
    if not python.exists():
        raise RunError(f"{python} is missing; run scripts/bench, which makes it")
    path = _CACHE / f"room-job-{key}.json"
    path.write_text(json.dumps(job))
    refused = str(_PEERS / "refused")
    environment = {**os.environ, "BENCH_JOB": str(path), **({"PYTHONPATH": refused} if contender.env else {})}
    with _log(key).open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(_PEERS / contender.driver[0]), contender.driver[1]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await _end(process)


@asynccontextmanager
async def _callers(
    server: LiveKitServer, job: dict[str, Any], sessions: int, first: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    numbers = range(first, min(first + _CALLERS_EACH, sessions))
    tokens = {str(n): server.token(f"caller-{n}", f"room-{n}") for n in numbers}
    with _log("callers").open("a") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(_PEERS / "room_callers.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            limit=1 << 24,
        )
    try:
        await _send(process, {**job, "tokens": tokens})
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """The group, whatever it is doing."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _read(
    agent: asyncio.subprocess.Process, jobs: dict[str, float], ready: asyncio.Future[dict[str, Any]]
) -> None:
    assert agent.stdout is not None
    async for line in agent.stdout:
        if not line.startswith(b'{"bench"'):
            continue
        told = json.loads(line)
        if told["state"] == "job":
            jobs[told["room"]] = told["at"]
        elif not ready.done():
            ready.set_result(told)


async def _send(process: asyncio.subprocess.Process, facts: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(facts).encode() + b"\n")
    await process.stdin.drain()


async def _line(process: asyncio.subprocess.Process, timeout: float, problem: str) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(timeout):
            return json.loads(await process.stdout.readline())
    except (TimeoutError, ValueError) as error:
        raise RunError(f"{problem}; {_last_words('callers')}") from error


def _log(name: str) -> Path:
    folder = _CACHE / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"room-{name}.log"


def _last_words(name: str) -> str:
    return "last: " + "\n".join(_log(name).read_text(errors="replace").splitlines()[-12:])
