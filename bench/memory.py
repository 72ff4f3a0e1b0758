"""Memory and tasks of a session in the parent process: real VAD and voice, a recogniser that costs nothing.

A real recogniser is a process for each speaker and is told apart.
"""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import beluga_voice as bv
from beluga_voice.registry import registry_for
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import ScriptedSTT
from bench.figures import Result, process_rss
from bench.speech import RATE, Utterance, speak

__all__ = ["measure"]

_SECONDS = 2.0


def measure(quick: bool) -> Result:
    return asyncio.run(_measure(20 if quick else 50))


async def _measure(count: int) -> Result:
    speech = (await speak("Here are two seconds and more of somebody who speaks without an end."))[0]
    registry_for("stt").register("scripted", lambda settings: ScriptedSTT())
    config = bv.Config(provider="embedded", stt_provider="scripted", max_concurrent_sessions=0)
    async with bv.new_backend("embedded", config) as backend:

        async def make(number: int) -> list[Session]:
            sessions = [await backend.create_session(_session()) for _ in range(number)]
            await asyncio.gather(*(s.start() for s in sessions))
            await asyncio.gather(*(_feed(s, speech) for s in sessions))
            gc.collect()
            return sessions

        for session in await make(count):  # buffers that all sessions share grow only once
            await session.stop()
        gc.collect()
        before, tasks = process_rss(), len(asyncio.all_tasks())
        sessions = await make(count)
        after = process_rss()
        per_session = (len(asyncio.all_tasks()) - tasks) / count
        assert all(s.state == "user_speaking" for s in sessions), "the speech was not heard"
    result = Result(data={"sessions": count, "before_mb": before, "after_mb": after})
    note = f"{count} sessions: {before:.0f} → {after:.0f} MB, after {_SECONDS:g} s of speech each"
    result.add("memory per session, without recogniser", (after - before) / count, "MB", 0.5, note)
    result.add("asyncio tasks per session", per_session, "", 8)
    result.add(
        "memory of a recogniser's process", await _recogniser(), "MB", note="its own, not shared (USS)"
    )
    return result


async def _feed(session: Session, speech: Utterance) -> None:
    """Speech by the clock; `process_audio` keeps the pace."""
    await session.process_audio(speech.pcm[: int(RATE * _SECONDS) * 2])


async def _recogniser() -> float:
    """Private memory of the process that pocketsphinx has for a speaker, after it has heard something."""
    speech = (await speak("What time do you open on Saturday?"))[0]
    stt = registry_for("stt").create("pocketsphinx", {})
    await stt.start()
    try:
        stream = await stt.open(sample_rate=RATE)
        stream.push(speech.pcm, 0.0)
        stream.speech_started(0.0)
        stream.push(speech.pcm, 0.0)
        stream.finalize(0.0)
        async with asyncio.timeout(20):
            async for event in stream.events():
                if event.final:
                    break
        used = _private_mb(stream.pid)
        await stream.close()
        return used
    finally:
        await stt.close()


def _private_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6


def _session() -> bv.SessionConfig:
    return bv.SessionConfig(user_id="bench", agent_callback=_answer)


async def _answer(transcript: str) -> str:
    return transcript
