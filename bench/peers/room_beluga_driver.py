"""Beluga Voice in LiveKit rooms by its public API: as a backend, or as a worker (first argument)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from harness import tone, words_of
from room_hearing import Hearing
from room_job import entry_of, read_job, tell

import beluga_voice as bv
from beluga_voice.frames import SpeechChunk, SttEvent
from beluga_voice.interfaces import ChatDelta
from beluga_voice.registry import registry_for

RATE = 24_000
JOB = read_job()
CHUNK = tone(0.2, RATE)
WORDS = words_of(JOB)
PER_CHARACTER = JOB["reply_seconds"] / sum(map(len, WORDS))


class Recogniser:
    """Hears what the caller of its room says; answers `finalize` when a recogniser would have its final."""

    def __init__(self, entry: dict[str, Any], rate: int) -> None:
        self._hearing = Hearing(entry, JOB["stt_partial"], rate)
        self._events: asyncio.Queue[SttEvent | None] = asyncio.Queue()
        self._segment = 0

    def push(self, pcm: bytes, at: float) -> None:
        for text in self._hearing.push(pcm):
            self._events.put_nowait(SttEvent(text, segment=self._segment))

    def speech_started(self, at: float) -> None:
        pass

    def finalize(self, at: float) -> None:
        event = SttEvent(self._hearing.segment(), final=True, segment=self._segment)
        self._segment += 1
        late = max(0.0, JOB["stt_final"] - self._hearing.quiet)
        asyncio.get_running_loop().call_later(late, self._events.put_nowait, event)

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
        entry = next(e for e in JOB["utterances"] if e["text"] == phrases[0])
        return Recogniser(entry, sample_rate)

    async def close(self) -> None:
        pass


class LLM:
    async def chat(self, messages: Any, tools: Any = ()) -> AsyncIterator[ChatDelta]:
        await asyncio.sleep(JOB["llm_first"])
        for word in WORDS:
            yield ChatDelta(text=word)
            await asyncio.sleep(JOB["llm_token"])

    async def close(self) -> None:
        pass


class TTS:
    sample_rate = RATE

    async def start(self) -> None:
        pass

    async def synthesize(self, text: str) -> AsyncIterator[SpeechChunk]:
        await asyncio.sleep(JOB["tts_first"])
        left = int(len(text) * PER_CHARACTER * RATE) * 2
        while left > 0:
            yield SpeechChunk(CHUNK[:left], RATE)
            left -= len(CHUNK)

    async def close(self) -> None:
        pass


def config() -> bv.Config:
    return bv.Config(
        provider="livekit",
        stt_provider="bench",
        tts_provider="bench",
        llm_provider="bench",
        provider_config={"url": JOB["url"], "api_key": JOB["api_key"], "api_secret": JOB["api_secret"]},
        max_concurrent_sessions=0,
    )


def agent(room: str) -> bv.Agent:
    return bv.Agent("Be brief.", greeting=JOB["greeting"], phrases=[entry_of(JOB, room)["text"]])


async def as_backend() -> None:
    """A room for each line on stdin."""
    async with bv.new_backend("livekit", config()) as backend:
        tell(state="ready", version=bv.__version__)

        async def open(room: str) -> None:
            tell(state="job", room=room)
            session = await backend.create_session(
                bv.SessionConfig(user_id=room, agent=agent(room), metadata={"room": room})
            )
            await session.start()

        opening: set[asyncio.Task[None]] = set()
        while line := await asyncio.to_thread(sys.stdin.readline):
            opening.add(asyncio.create_task(open(line.strip())))


async def entrypoint(job: bv.JobContext) -> None:
    session = await job.create_session(agent=agent(job.room))
    await session.start()


async def on_request(request: bv.JobRequest) -> None:
    tell(state="job", room=request.job.room)
    request.accept()


async def as_worker() -> None:
    worker = bv.Worker(entrypoint, agent_name="bench", on_request=on_request, config=config())
    async with worker:
        await worker.wait_ready()
        tell(state="ready", version=bv.__version__)
        await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    for kind, factory in (("stt", STT), ("tts", TTS), ("llm", LLM)):
        registry_for(kind).register("bench", lambda _, make=factory: make(), override=True)
    asyncio.run(as_worker() if sys.argv[1] == "worker" else as_backend())


if __name__ == "__main__":
    main()
