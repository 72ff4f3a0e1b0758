"""A person who talks to a session: spoken questions, a microphone on a clock, and ears."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from beluga_voice.audio.resample import resample
from beluga_voice.frames import AudioFrame
from beluga_voice.providers.tts import hibari
from beluga_voice.session.session import Session

__all__ = ["Ears", "Microphone", "Utterance", "rms", "speak", "voiced"]

RATE = 16_000
FRAME = 0.02
_WINDOW = RATE // 100
# A window of 10 ms is voiced when it is not this much softer than the loudest.
_VOICED = 10 ** (-40 / 20)
# A quiet room: -62 dBFS, above what the VAD's gate takes for nobody.
_ROOM = 32768 * 10 ** (-62 / 20)


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech, mono s16le at 16 kHz, and when its first and last voiced samples are, in seconds."""

    text: str
    pcm: bytes
    first: float
    last: float


async def speak(*texts: str) -> list[Utterance]:
    """The built-in voice says each text."""
    voice = hibari.create({})
    try:
        return [_utterance(t, b"".join([c.data async for c in voice.synthesize(t)])) for t in texts]
    finally:
        await voice.close()


def _utterance(text: str, pcm: bytes) -> Utterance:
    pcm = resample(pcm, hibari.HibariTTS.sample_rate, RATE)
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    first, last = voiced(samples)
    return Utterance(text, pcm, first, last)


def voiced(samples: NDArray[np.float64]) -> tuple[float, float]:
    """Where the first and the last voiced sample of speech at 16 kHz are, in seconds."""
    windows = samples[: len(samples) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    level = np.sqrt((windows**2).mean(axis=1))
    loud = np.flatnonzero(level >= level.max() * _VOICED)
    return float(loud[0]) / 100, float(loud[-1] + 1) / 100


def rms(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.sqrt((samples**2).mean())) if len(samples) else 0.0


class Microphone:
    """Feeds a session a frame every 20 ms: the noise of a quiet room, and what is said into it.

    Times are the loop's. A sample's time is when the schedule says it sounded, so a late event loop counts as delay.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._noise = np.random.default_rng(1)
        self._pending = b""
        self._due = 0.0
        self.began = 0.0

    def say(self, utterance: Utterance) -> None:
        """Begins to speak with the next frame."""
        self._pending = utterance.pcm
        self.began = self._due

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        size = int(RATE * FRAME)
        self._due = loop.time()
        while self._session.state != "closed":
            speech, self._pending = self._pending[: 2 * size], self._pending[2 * size :]
            samples = np.frombuffer(speech.ljust(2 * size, b"\0"), "<i2") + self._noise.normal(0, _ROOM, size)
            self._due += FRAME  # when the last sample of this frame has sounded
            await asyncio.sleep(self._due - loop.time())
            await self._session.process_audio(samples.clip(-32768, 32767).astype("<i2").tobytes())


class Ears:
    """Keeps every frame of the agent's voice with the time it came."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.frames: list[tuple[float, AudioFrame]] = []
        self._came = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        async for frame in self._session.receive_audio():
            self.frames.append((loop.time(), frame))
            self._came.set()

    async def first_after(self, at: float) -> float:
        """When the first frame after ``at`` came; waits for it."""
        while not self.frames or self.frames[-1][0] <= at:
            self._came.clear()
            await self._came.wait()
        return next(t for t, _ in self.frames if t > at)
