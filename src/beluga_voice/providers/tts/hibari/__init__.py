"""The built-in voice: hibari, English, 24 kHz, offline, on the CPU.

PyPI ``hibari-tts`` 0.2.1 (Apache-2.0); the voice ``heart`` is in the wheel. Checked 2026-11: sentence by
sentence, about 60 to 150 times as fast as speech; ONNX inference and the numpy signal path release the GIL
(longest event-loop gap while speaking: 4 ms). Each sentence comes with about 0.3 s of silence before its
first sound, which is cut to 20 ms, and with the model's own durations, which give exact word times.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import Field

from beluga_voice.config import Settings
from beluga_voice.errors import PipelineError
from beluga_voice.frames import SpeechChunk
from beluga_voice.providers.tts.hibari.text import sentences
from beluga_voice.providers.tts.hibari.timing import within
from beluga_voice.providers.tts.hibari.voice import (
    SAMPLE_RATE,
    Speech,
    Voice,
    VoiceKey,
    acquire,
    locate,
    release,
)

__all__ = ["HibariTTS", "SettingsModel", "create"]

_PIECE = 4800  # samples: 0.2 s, so that a cancelled request stops soon


class SettingsModel(Settings):
    """Settings of the hibari voice.

    Attributes:
        voice: ``heart`` (American, in the package), or ``emma``, ``fable``, ``fenrir``, ``kore`` if their file
            is on this machine.
        speed: 1 is the voice's own pace; 0.5 slow to 2 fast.
        seed: of the noise in the voice; the same text and seed give the same samples. None: a new one each time.
        model: path of an ONNX file to use instead of the voice's own.
        threads: of the network, per sentence.
    """

    voice: str = "heart"
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    seed: int | None = Field(default=1, ge=0, le=2**32 - 1)
    model: str = ""
    threads: int = Field(default=1, ge=1, le=16)


class HibariTTS:
    """A `beluga_voice.interfaces.TTS`. Instances with equal settings share one loaded voice.

    Args:
        settings: which voice, and how.

    Raises:
        ConfigError: ``invalid_config`` if the voice is unknown or its file is not on this machine.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, settings: SettingsModel) -> None:
        model, british = locate(settings.voice, settings.model)
        self._settings = settings
        self._key = VoiceKey(model, british, settings.threads)
        self._voice: Voice | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def start(self) -> None:
        """Loads the voice off the event loop, unless another instance has; takes about a second.

        Raises:
            PipelineError: ``pipeline_error`` if the model cannot be loaded, or after `close`.
        """
        async with self._starting:
            if self._closed:
                raise PipelineError(
                    "start_tts", "pipeline_error", "hibari: the voice was closed; make a new one"
                )
            if self._voice is not None:
                return
            loading = asyncio.get_running_loop().run_in_executor(None, acquire, self._key)
            try:
                self._voice = await asyncio.shield(loading)
            except asyncio.CancelledError:
                loading.add_done_callback(self._abandoned)
                raise
            except Exception as error:
                release(self._key)
                raise PipelineError(
                    "start_tts", "pipeline_error", f"hibari: cannot load {self._key.model}: {error}"
                ) from error

    async def synthesize(self, text: str) -> AsyncIterator[SpeechChunk]:
        """Speaks ``text``, sentence by sentence, in pieces of up to 0.2 s.

        Markdown, emoji and the paths of web addresses are left out; text with nothing to say yields nothing.
        Each word of ``text`` gets its time, in the piece it begins in; its end may lie after that piece.

        Raises:
            PipelineError: ``pipeline_error`` if synthesis fails, or after `close`.
        """
        if not any(c.isalnum() for c in text):
            return
        await self.start()
        voice = self._voice
        assert voice is not None
        loop, settings = asyncio.get_running_loop(), self._settings
        for sentence in sentences(text):
            job = loop.run_in_executor(voice.pool, voice.speak, sentence, settings.speed, settings.seed)
            try:
                speech = await job
            except asyncio.CancelledError:
                if job.cancelled() and self._closed and not _cancelling():
                    raise PipelineError(
                        "synthesize", "context_canceled", "hibari: the voice was closed while it spoke"
                    ) from None
                raise
            except Exception as error:
                raise PipelineError(
                    "synthesize", "pipeline_error", f"hibari: synthesis failed: {error}"
                ) from error
            for piece in pieces(speech):
                yield piece

    def _abandoned(self, loading: asyncio.Future[Voice]) -> None:
        """Gives back a voice whose `start` was cancelled while it loaded."""
        release(self._key)
        if not loading.cancelled():
            loading.exception()

    async def close(self) -> None:
        """Gives the voice back; it is freed when the last instance has."""
        self._closed = True
        async with self._starting:
            if self._voice is not None:
                self._voice = None
                release(self._key)


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def pieces(speech: Speech) -> list[SpeechChunk]:
    """A sentence in pieces of 0.2 s, each with the words that begin in it."""
    out: list[SpeechChunk] = []
    total = len(speech.data) // 2
    for start in range(0, total, _PIECE):
        end = min(start + _PIECE, total)
        # A word may begin in the trimmed part; the last piece takes it.
        until = end / SAMPLE_RATE if end < total else float("inf")
        words = within(speech.words, start / SAMPLE_RATE, until)
        out.append(SpeechChunk(speech.data[start * 2 : end * 2], SAMPLE_RATE, words))
    return out


def create(settings: Mapping[str, Any]) -> HibariTTS:
    """Makes the voice; the registry calls this with ``Config.tts_config``."""
    return HibariTTS(SettingsModel(**settings))
