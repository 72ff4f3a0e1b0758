"""A backend whose agent repeats the user's audio at once: what a server needs, and nothing of speech."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import beluga_voice as bv
from beluga_voice.audio.resample import Resampler
from beluga_voice.interfaces import HealthStatus
from beluga_voice.server.app import create_app
from beluga_voice.server.run import serve


class EchoSession:
    def __init__(self, backend: EchoBackend, config: bv.SessionConfig) -> None:
        self.id = f"echo-{backend.made}"
        self.config = config
        self.transport: Any = config.transport
        self.output_sample_rate: int = self.transport.output_sample_rate
        self.controls: deque[dict[str, Any]] = deque(maxlen=100)
        self.reason = ""
        self._backend = backend
        self._task: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    async def start(self) -> None:
        if self._backend.fails_to_start:
            await self.stop("error")
            raise bv.PipelineError("start", "pipeline_error", "the recogniser did not open")
        self.transport.on_control(self.controls.append)
        self._task = asyncio.create_task(self._echo(), name=self.id)

    async def _echo(self) -> None:
        resampler: Resampler | None = None
        async for frame in self.transport.recv():
            assert frame.channels == 1
            if resampler is None:
                resampler = Resampler(frame.sample_rate, self.output_sample_rate)
            pcm = resampler.process(frame.data)
            await self.transport.send(bv.AudioFrame(pcm, self.output_sample_rate))
        self._end("transport_lost")

    def _end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._backend.sessions.pop(self.id, None)
        self._closed.set()

    async def stop(self, reason: str = "stopped", *, graceful: bool = False) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.transport.close()
        self._end(reason)

    async def wait_closed(self) -> None:
        await self._closed.wait()


class EchoBackend:
    name = "echo"

    def __init__(self) -> None:
        self.sessions: dict[str, EchoSession] = {}
        self.made = 0
        self.running = False
        self.fails_to_start = False

    @property
    def active_session_count(self) -> int:
        return len(self.sessions)

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False
        await asyncio.gather(*(s.stop("backend_stopped") for s in list(self.sessions.values())))

    async def create_session(self, config: bv.SessionConfig) -> EchoSession:
        self.made += 1
        session = EchoSession(self, config)
        self.sessions[session.id] = session
        return session

    def list_sessions(self) -> list[EchoSession]:
        return list(self.sessions.values())

    async def health_check(self) -> HealthStatus:
        return HealthStatus("healthy" if self.running else "unhealthy", {"active": len(self.sessions)})


async def nothing(_: str) -> str:
    return ""


def session_config(transport: Any, token: str, metadata: Any) -> bv.SessionConfig:
    return bv.SessionConfig(
        user_id="u", transport=transport, token=token, metadata=metadata, agent_callback=nothing
    )


@asynccontextmanager
async def echo_server(
    backend: EchoBackend, make_config: Any = session_config, **options: Any
) -> AsyncGenerator[tuple[str, Any]]:
    """Serves until the block ends; gives the URL and the `VoiceServer`."""
    app = create_app(backend, make_config, **options)  # type: ignore[arg-type]
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(app, "127.0.0.1", 0, ready=url.set_result))
    await asyncio.wait([server, url], timeout=20, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield url.result(), app.state.voice
    finally:
        server.cancel()
        await asyncio.wait([server], timeout=15)
        assert server.done(), "the server did not stop"
