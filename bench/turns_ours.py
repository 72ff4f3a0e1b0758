"""Beluga Voice under test: the real pipeline and VAD, fake recogniser, model and voice."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import beluga_voice as bv
from beluga_voice.events import TranscriptEvent
from beluga_voice.frames import SttEvent
from beluga_voice.pipeline.channel import Channel
from beluga_voice.registry import registry_for
from beluga_voice.testing.scripted import ScriptedLLM, ScriptedTTS
from bench.peers.timeline import REPLY, Fakes, Hearing, Take, play, play_all

__all__ = ["run"]


class _TakeSTT:
    """Gives each stream the words of the next take."""

    def __init__(self, fakes: Fakes) -> None:
        self.fakes = fakes
        self.next: deque[Take] = deque()

    async def start(self) -> None: ...

    async def open(
        self, *, sample_rate: int, language: str = "en", phrases: Sequence[str] = ()
    ) -> _TakeStream:
        return _TakeStream(Hearing(self.next.popleft(), self.fakes), self.fakes)

    async def close(self) -> None: ...


class _TakeStream:
    def __init__(self, hearing: Hearing, fakes: Fakes) -> None:
        self._hearing = hearing
        self._fakes = fakes
        self._segment = 0
        self._events: Channel[SttEvent] = Channel(256, "drop_oldest")

    def push(self, pcm: bytes, at: float) -> None:
        self._ahead = at - self._hearing.now - len(pcm) / 32_000
        text = self._hearing.partial(len(pcm) // 2)
        if text:
            self._events.put_nowait(SttEvent(text, segment=self._segment))

    def speech_started(self, at: float) -> None: ...

    def finalize(self, at: float) -> None:
        # No sooner than any recogniser here: so long after the last word, by the clock of the audio.
        text, ended = self._hearing.final(at - self._ahead)
        due = ended + self._fakes.final - self._hearing.now
        event = SttEvent(text, final=True, segment=self._segment)
        self._segment += 1
        asyncio.get_running_loop().call_later(max(0.0, due), self._events.put_nowait, event)

    async def events(self) -> AsyncIterator[SttEvent]:
        async for event in self._events:
            yield event

    async def close(self) -> None:
        self._events.close()


async def _run(takes: list[Take], fakes: Fakes, config: Mapping[str, Any], at_once: int) -> dict[str, Any]:
    stt = _TakeSTT(fakes)
    registry_for("stt").register("take", lambda _: stt, override=True)
    registry_for("tts").register("tone", lambda _: ScriptedTTS(first_audio=fakes.tts), override=True)
    settings = bv.Config(provider="embedded", stt_provider="take", tts_provider="tone", **config)
    commits: dict[str, list[Any]] = {}

    async def one(take: Take) -> None:
        model = ScriptedLLM(replies=(REPLY,), first_token=fakes.llm)
        agent = bv.Agent(instructions="Answer.", llm=model)
        session = await backend.create_session(bv.SessionConfig(user_id="bench", agent=agent, greeting=""))
        stt.next.append(take)
        await session.start()

        async def listen() -> None:
            async for _ in session.receive_audio():
                take.agent_frame()

        async def watch() -> None:
            async for event in session.events():
                if isinstance(event, TranscriptEvent) and event.final:
                    commits.setdefault(take.id, []).append((round(event.at, 3), event.text))

        tasks = [asyncio.create_task(listen()), asyncio.create_task(watch())]
        await play(take, lambda pcm: session.process_audio(pcm))
        await session.stop()
        await asyncio.wait(tasks, timeout=2)

    async with bv.new_backend("embedded", settings) as backend:
        await play_all(takes, one, at_once)
    return {"commits": commits}


def run(takes: list[Take], fakes: Fakes, config: Mapping[str, Any], at_once: int = 8) -> dict[str, Any]:
    """Plays the takes; what was heard is in them."""
    return asyncio.run(_run(takes, fakes, config, at_once))
