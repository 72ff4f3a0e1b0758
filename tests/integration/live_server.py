"""A real server on a free port, on scripted or real speech parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import beluga_voice as bv
from beluga_voice.backends.base import Backend
from beluga_voice.server.app import VoiceServer, create_app
from beluga_voice.server.run import serve


@dataclass
class Live:
    url: str
    backend: Backend
    voice: VoiceServer

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws") + "/ws"


@asynccontextmanager
async def live(config: bv.Config, answer: Any, **options: Any) -> AsyncGenerator[Live]:
    """Serves until the block ends, then stops within its deadline."""
    backend = bv.new_backend("embedded", config)

    def session_config(transport: Any, token: str, metadata: Any) -> bv.SessionConfig:
        return bv.SessionConfig(
            user_id="u", transport=transport, token=token, metadata=metadata, agent_callback=answer
        )

    app = create_app(backend, session_config, **options)
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(app, "127.0.0.1", 0, ready=url.set_result))
    await asyncio.wait([server, url], timeout=20, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield Live(url.result(), backend, app.state.voice)
    finally:
        server.cancel()
        await asyncio.wait([server], timeout=10)
        assert server.done(), "the server did not stop"
