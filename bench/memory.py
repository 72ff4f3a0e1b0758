"""Memory and tasks of a session in the parent process: real VAD and voice, a recogniser that costs nothing.

A real recogniser is a process for each speaker and is told apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from pathlib import Path

import beluga_voice as bv
from beluga_voice.backends.base import Backend
from beluga_voice.registry import registry_for
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import ScriptedSTT
from bench.figures import Result, process_rss
from bench.speech import RATE, Utterance, speak

__all__ = ["measure"]

_SECONDS = 2.0
_PAUSE = 2.0
_FEED = "bench:feed"


def measure(quick: bool) -> Result:
    return asyncio.run(_measure(20 if quick else 50))


async def _measure(count: int) -> Result:
    speech = (await speak("Here are two seconds and more of somebody who speaks without an end."))[0]
    registry_for("stt").register("scripted", lambda settings: ScriptedSTT(["hello there"] * 2 * count))
    config = bv.Config(provider="embedded", stt_provider="scripted", max_concurrent_sessions=0)
    async with bv.new_backend("embedded", config) as backend:
        kept = await _sessions(backend, 2, speech)  # what all sessions share is there from now on
        before, tasks = _settled_rss(), len(asyncio.all_tasks())
        busiest = 0

        async def count_tasks() -> None:
            nonlocal busiest
            while True:
                feeding = sum(t.get_name() == _FEED for t in asyncio.all_tasks())
                busiest = max(busiest, len(asyncio.all_tasks()) - feeding - tasks - 1)
                await asyncio.sleep(0.05)

        counting = asyncio.create_task(count_tasks())
        sessions = await _sessions(backend, count, speech)
        counting.cancel()
        after = _settled_rss()
        answered = sum(s.metrics.turns for s in sessions)
        assert answered == count, f"{answered} of {count} sessions answered"
        del kept
    result = Result(data={"sessions": count, "before_mb": before, "after_mb": after, "tasks": busiest})
    note = f"{count} sessions that heard {_SECONDS:g} s of speech and answered: {before:.0f} → {after:.0f} MB"
    result.add("memory per session, without recogniser", (after - before) / count, "MB", 0.5, note)
    result.add("asyncio tasks per session", busiest / count, "", 8, "the most there were at once")
    result.add(
        "memory of a recogniser's process", await _recogniser(), "MB", note="its own, not shared (USS)"
    )
    return result


async def _sessions(backend: Backend, count: int, speech: Utterance) -> list[Session]:
    """Sessions that have heard the speech and answered it."""
    sessions = [await backend.create_session(_session()) for _ in range(count)]
    await asyncio.gather(*(s.start() for s in sessions))
    await asyncio.gather(*(asyncio.create_task(_feed(s, speech), name=_FEED) for s in sessions))
    return sessions


def _settled_rss() -> float:
    """What is really in use: garbage is gone and freed memory was given back."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    return process_rss()


async def _feed(session: Session, speech: Utterance) -> None:
    """Speech and the silence after it, by the clock: `process_audio` keeps the pace."""
    await session.process_audio(speech.pcm[: int(RATE * _SECONDS) * 2])
    await session.process_audio(bytes(int(RATE * _PAUSE) * 2))


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
    return "Hello to you too."
