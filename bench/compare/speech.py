"""What people say in the comparison: spoken by the built-in voice, with the noise of a quiet room, as WAV files."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np

from beluga_voice.audio.resample import resample
from beluga_voice.providers.tts import hibari
from bench.speech import RATE, voiced

__all__ = ["FRAME", "prepare", "write"]

FRAME = 320
# Plain sentences without a pause, so that nobody can be blamed for taking a breath for the end.
QUESTIONS = (
    "Hello can you tell me the opening hours please?",
    "How much does it cost to park near the station?",
    "I would like to book a table for two people.",
    "Where can I find the nearest post office?",
    "Please tell me when the last train to town leaves.",
    "Is there any room left in the course on Friday?",
)
INTERRUPTIONS = (
    "Wait I have another question about the price.",
    "Excuse me how much would that be in total?",
    "Stop please I need to know something else.",
    "No I meant the other one next to the bridge.",
    "Can I ask you something about the garden?",
)
# A quiet room, −60 dBFS: what a microphone gives when nobody speaks, with the processing of a browser or a phone.
_ROOM = 32768 * 10 ** (-60 / 20)


async def prepare(folder: Path) -> dict[str, Any]:
    """Writes the files into an existing folder and returns what a job needs to know about them."""
    noise = np.random.default_rng(1)
    voice = hibari.create({})
    try:
        questions = [
            await _say(voice, text, folder / f"question{i}.wav", noise) for i, text in enumerate(QUESTIONS)
        ]
        over = [
            await _say(voice, text, folder / f"interruption{i}.wav", noise)
            for i, text in enumerate(INTERRUPTIONS)
        ]
    finally:
        await voice.close()
    room = folder / "room.wav"
    write(room, np.zeros(FRAME * 97), noise)
    return {
        "utterances": questions,
        "interruptions": over,
        "room": {"wav": str(room), "text": "", "words": [], "first": 0.0, "last": 0.0},
    }


async def _say(voice: hibari.HibariTTS, text: str, path: Path, noise: np.random.Generator) -> dict[str, Any]:
    pcm, words, at = b"", list[tuple[str, float, float]](), 0.0
    async for chunk in voice.synthesize(text):
        words += [(w.text, at + w.start, at + w.end) for w in chunk.words]
        pcm += chunk.data
        at = len(pcm) / (2 * chunk.sample_rate)
    samples = np.frombuffer(resample(pcm, voice.sample_rate, RATE), "<i2").astype(np.float64)
    first, last = voiced(samples)
    end = min(len(samples), round((last + 0.1) * RATE))
    write(path, samples[:end], noise)
    return {
        "wav": str(path),
        "text": text,
        "words": [(w, a, min(b, last)) for w, a, b in words],
        "first": first,
        "last": last,
    }


def write(path: Path, samples: np.ndarray[Any, Any], noise: np.random.Generator) -> None:
    """Mono s16le at 16 kHz, with the noise of the room."""
    mixed = samples + noise.normal(0, _ROOM, len(samples))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(mixed.clip(-32768, 32767).astype("<i2").tobytes())
