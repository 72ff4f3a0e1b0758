"""`doctor`'s last and best question: can this machine speak a sentence and understand it?"""

from __future__ import annotations

import asyncio
import time

from beluga_voice.cli.checks import Finding
from beluga_voice.errors import BackendError
from beluga_voice.interfaces import STT, TTS, VAD
from beluga_voice.registry import registry_for

__all__ = ["speech"]

_SENTENCE = "what time do you open on saturday"
_DEADLINE = 30.0


async def speech() -> list[Finding]:
    """Loads voice, recogniser and voice detector, speaks a sentence and recognises it."""
    out: list[Finding] = []
    stt: STT = registry_for("stt").create("pocketsphinx", {})
    tts: TTS = registry_for("tts").create("hibari", {})
    vad: VAD = registry_for("vad").create("silero", {})
    parts = (("voice (hibari)", tts), ("recogniser (pocketsphinx)", stt), ("voice activity (silero)", vad))
    try:
        for name, part in parts:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(_DEADLINE):
                    await part.start()
            except (BackendError, TimeoutError, OSError, ImportError) as error:
                found = (
                    error.message if isinstance(error, BackendError) else f"{type(error).__name__}: {error}"
                )
                return [*out, Finding(name, "fail", found, "pip install --force-reinstall beluga-voice")]
            out.append(Finding(name, "ok", f"loaded in {time.perf_counter() - began:.2f} s"))
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_DEADLINE):
                heard = await _said_and_heard(stt, tts)
        except TimeoutError:
            return [
                *out,
                Finding("speak and recognise", "fail", f"took over {_DEADLINE:g} s", "is the machine busy?"),
            ]
        seconds = time.perf_counter() - began
    finally:
        for _, part in parts:
            await part.close()
    if heard == _SENTENCE:
        return [*out, Finding("speak and recognise", "ok", f"“{heard}” in {seconds:.2f} s")]
    return [*out, Finding("speak and recognise", "warn", f"said “{_SENTENCE}”, heard “{heard}”")]


async def _said_and_heard(stt: STT, tts: TTS) -> str:
    pcm = b"".join([chunk.data async for chunk in tts.synthesize(_SENTENCE + "?")])
    quiet = bytes(tts.sample_rate // 2)  # a quarter of a second
    end = 0.25 + len(pcm) / 2 / tts.sample_rate
    stream = await stt.open(sample_rate=tts.sample_rate)
    try:
        stream.push(quiet, 0.25)
        stream.speech_started(0.25)
        stream.push(pcm, end)
        stream.push(quiet, end + 0.25)
        stream.finalize(end)
        async for event in stream.events():
            if event.final:
                return event.text
        return ""
    finally:
        await stream.close()
