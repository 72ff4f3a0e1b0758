"""Beluga Voice by its public API, with the job's fakes as providers of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import harness
from person import Person
from usage import OWN


def make(job: dict[str, Any]) -> harness.System:
    import beluga_voice as bv
    from beluga_voice.frames import SpeechChunk, SttEvent
    from beluga_voice.interfaces import ChatDelta
    from beluga_voice.registry import registry_for

    rate = 24_000
    chunk = harness.tone(0.2, rate)
    words = harness.words_of(job)
    per_character = job["reply_seconds"] / sum(map(len, words))
    opening: list[Person] = []

    class Recogniser:
        """Answers `finalize` with the words that were said, when a recogniser would have them."""

        def __init__(self, person: Person) -> None:
            self._microphone = person.microphone
            self._loop = asyncio.get_running_loop()
            self._events: asyncio.Queue[SttEvent | None] = asyncio.Queue()
            self._segment = 0
            self._told = ""

        def push(self, pcm: bytes, at: float) -> None:
            hears = self._microphone.hears
            now = self._loop.time()
            while hears and hears[0][0] <= now:
                _, text, final = hears[0]
                if final:
                    return  # kept for `finalize`
                hears.popleft()
                self._told = text
                self._events.put_nowait(SttEvent(text, segment=self._segment))

        def speech_started(self, at: float) -> None:
            pass

        def finalize(self, at: float) -> None:
            when, text = self._microphone.segment(self._loop.time())
            event = SttEvent(text or self._told, final=True, segment=self._segment)
            self._segment, self._told = self._segment + 1, ""
            self._loop.call_at(when, self._events.put_nowait, event)

        async def events(self) -> AsyncIterator[SttEvent]:
            while (event := await self._events.get()) is not None:
                yield event

        async def close(self) -> None:
            self._events.put_nowait(None)

    class STT:
        async def start(self) -> None:
            pass

        async def open(
            self, *, sample_rate: int, language: str = "en", phrases: Sequence[str] = ()
        ) -> Recogniser:
            return Recogniser(opening[-1])

        async def close(self) -> None:
            pass

    class LLM:
        async def chat(self, messages: Any, tools: Any = ()) -> AsyncIterator[ChatDelta]:
            await asyncio.sleep(job["llm_first"])
            for word in words:
                yield ChatDelta(text=word)
                await asyncio.sleep(job["llm_token"])

        async def close(self) -> None:
            pass

    class TTS:
        sample_rate = rate

        async def start(self) -> None:
            pass

        async def synthesize(self, text: str) -> AsyncIterator[SpeechChunk]:
            await asyncio.sleep(job["tts_first"])
            left = int(len(text) * per_character * rate) * 2
            while left > 0:
                yield SpeechChunk(chunk[:left], rate)
                left -= len(chunk)

        async def close(self) -> None:
            pass

    class Beluga:
        name = "beluga-voice"
        version = bv.__version__
        settings = f"defaults, embedded backend, {job['loop']}"

        def __init__(self) -> None:
            for kind, factory in (("stt", STT), ("tts", TTS), ("llm", LLM)):
                registry_for(kind).register("bench", lambda _, make=factory: make(), override=True)
            config = bv.Config(
                provider="embedded",
                stt_provider="bench",
                tts_provider="bench",
                llm_provider="bench",
                max_concurrent_sessions=0,
                **job.get("config", {}),
            )
            self._backend = bv.new_backend("embedded", config)
            self._agent = bv.Agent("Be brief.")
            self._tasks: list[asyncio.Task[None]] = []

        async def start(self) -> None:
            await self._backend.start()

        async def open(self, person: Person) -> None:
            opening.append(person)
            session = await self._backend.create_session(
                bv.SessionConfig(user_id=f"user-{person.number}", agent=self._agent)
            )
            await session.start()

            async def speak() -> None:
                while True:
                    await session.process_audio(await person.next_frame())

            async def listen() -> None:
                loop = asyncio.get_running_loop()
                async for frame in session.receive_audio():
                    person.speaker.frame(loop.time(), frame.duration, frame.data)

            for side in (speak, listen):
                self._tasks.append(asyncio.create_task(side(), name=OWN + side.__name__))

    return Beluga()


if __name__ == "__main__":
    harness.main(make)
