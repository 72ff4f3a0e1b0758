"""One session with a microphone, ears and all its events, and a clean end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import beluga_voice as bv
from beluga_voice.backends.base import Backend
from beluga_voice.events import SessionEvent
from beluga_voice.session.session import Session
from bench.speech import Ears, Microphone

__all__ = ["Conversation", "conversation"]


@dataclass(slots=True)
class Conversation:
    session: Session
    microphone: Microphone
    ears: Ears
    events: list[SessionEvent]


@asynccontextmanager
async def conversation(backend: Backend, config: bv.SessionConfig) -> AsyncIterator[Conversation]:
    """A started session that is listened to; at the end it is stopped and all its events are there."""
    session = await backend.create_session(config)
    await session.start()
    talk = Conversation(session, Microphone(session), Ears(session), [])

    async def watch() -> None:
        async for event in session.events():
            talk.events.append(event)

    microphone = asyncio.create_task(talk.microphone.run())
    others = [asyncio.create_task(talk.ears.run()), asyncio.create_task(watch())]
    try:
        yield talk
    finally:
        microphone.cancel()
        await asyncio.wait([microphone])
        await session.stop()
        await asyncio.wait(others, timeout=2)
        for task in others:
            task.cancel()
    if not microphone.cancelled():
        microphone.result()
