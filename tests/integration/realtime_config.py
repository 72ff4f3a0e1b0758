"""Sessions against a local server of a speech-to-speech vendor, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import beluga_voice as bv
from beluga_voice.registry import registry_for
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import ScriptedVAD


@asynccontextmanager
async def talking(s2s: str, settings: dict[str, Any], **options: Any) -> AsyncIterator[Session]:
    """A started session; any sound is speech."""
    registry_for("vad").register("any-sound", lambda _: ScriptedVAD(), override=True)
    backend_options = options.pop("backend", {})
    config = bv.Config(
        provider="embedded",
        pipeline_type="s2s",
        s2s_provider=s2s,
        s2s_config=settings,
        vad_provider="any-sound",
        retry_delay=0.1,
        **backend_options,
    )
    try:
        async with bv.new_backend("embedded", config) as backend:
            session = await backend.create_session(bv.SessionConfig(user_id="somebody", **options))
            try:
                await session.start()
                yield session
            finally:
                await session.stop()
    finally:
        registry_for("vad").unregister("any-sound")


async def until(condition: Any, seconds: float = 20.0) -> None:
    """Waits for what must happen, however slow the machine is."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
