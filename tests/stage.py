"""A backend of scripted parts, and conversations in virtual time, for many tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import beluga_voice as bv
from beluga_voice.session.session import Session
from beluga_voice.testing.loop import run
from beluga_voice.testing.scripted import ScriptedSTT, ScriptedTTS, ScriptedVAD, silence, tone


@dataclass
class Stage:
    """A backend of scripted parts and the tools to play a conversation on it."""

    stt: ScriptedSTT = field(default_factory=ScriptedSTT)
    tts: ScriptedTTS = field(default_factory=ScriptedTTS)
    vad: Any = field(default_factory=ScriptedVAD)

    def config(self, **values: Any) -> bv.Config:
        return bv.Config(
            provider="embedded",
            stt_provider="scripted",
            tts_provider="scripted",
            vad_provider="scripted",
            **values,
        )

    def utterances(self, *texts: str) -> None:
        self.stt._queue.extend(texts)

    def run(self, play: Callable[[Session], Awaitable[Any]], callback: Any = None, **options: Any) -> Any:
        """Plays ``play(session)`` in virtual time and checks that nothing is left behind."""
        config = self.config(**options.pop("config", {}))

        async def main() -> Any:
            async with bv.new_backend("embedded", config) as backend:
                options.setdefault("user_id", "somebody")
                if "agent" not in options:
                    options["agent_callback"] = callback or echo
                session = await backend.create_session(bv.SessionConfig(**options))
                try:
                    return await play(session)
                finally:
                    await session.stop()
                    left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
                    await asyncio.sleep(0.01)
                    left = [t.get_name() for t in left if not t.done()]
                    assert left == [], "tasks outlived the session"

        return run(main())


async def echo(transcript: str) -> str:
    return f"You said {transcript}."


async def speak(session: Session, seconds: float = 1.5, after: float = 0.0) -> None:
    """One utterance of the user and the silence after it."""
    await session.process_audio(tone(seconds) + silence(after))


async def collect(session: Session) -> list[Any]:
    return [event async for event in session.events()]


async def frames(session: Session) -> AsyncIterator[bv.AudioFrame]:
    async for frame in session.receive_audio():
        yield frame
