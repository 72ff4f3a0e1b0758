"""The labelled set as audio: the built-in voice says each sentence, and a pause is put in where its mark is.

A sentence is spoken whole and cut at the mark, so the words before a pause have the melody of words that go on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beluga_voice.audio.resample import resample
from beluga_voice.providers.tts import hibari
from bench.compare.speech import FRAME, write
from bench.speech import RATE, voiced

__all__ = ["Sentence", "Spoken", "entry", "room", "sentences", "speak", "with_pause"]

_DATA = Path(__file__).parent / "turns_data" / "sentences.json"
_FADE = int(0.008 * RATE)

Samples = npt.NDArray[np.float64]
Word = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One entry of the set.

    Attributes:
        id: its name.
        kind: ``unfinished`` (the words before the mark plainly go on), ``open`` (they could be all) or ``finished``.
        part: ``develop``, ``held_out`` or ``fresh``.
        text: with ``|`` where the pause is.
    """

    id: str
    kind: str
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence as audio at 16 kHz; times are seconds from its first sample.

    Attributes:
        sentence: what is said.
        samples: full scale is 32768; they end soon after the last voiced one.
        words: text, beginning and end of each, without punctuation, in lower case.
        cut: how many words are before the pause; 0 without a mark.
        first: the first voiced sample.
        last: the last voiced sample.
    """

    sentence: Sentence
    samples: Samples
    words: tuple[Word, ...]
    cut: int
    first: float
    last: float


def sentences(path: Path = _DATA) -> list[Sentence]:
    """The labelled set."""
    return [Sentence(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


async def speak(items: Sequence[Sentence]) -> list[Spoken]:
    """The built-in voice says each sentence."""
    voice = hibari.create({})
    try:
        return [await _say(voice, item) for item in items]
    finally:
        await voice.close()


async def _say(voice: hibari.HibariTTS, item: Sentence) -> Spoken:
    cut = len(item.text.split("|")[0].split()) if "|" in item.text else 0
    pcm, words, at = b"", list[Word](), 0.0
    async for chunk in voice.synthesize(re.sub(r"\s*\|\s*", " ", item.text)):
        words += [(_plain(w.text), at + w.start, at + w.end) for w in chunk.words]
        pcm += chunk.data
        at = len(pcm) / (2 * chunk.sample_rate)
    samples = np.frombuffer(resample(pcm, voice.sample_rate, RATE), "<i2").astype(np.float64)
    first, last = voiced(samples)
    words = [(w, a, min(b, last)) for w, a, b in words]
    words[-1] = (words[-1][0], words[-1][1], last)
    return Spoken(item, samples[: round((last + 0.1) * RATE)], tuple(words), cut, first, last)


def _plain(word: str) -> str:
    return re.sub(r"[^\w'’-]", "", word).lower()


def with_pause(item: Spoken, pause: float) -> Spoken:
    """``item`` with so many seconds of silence at its mark."""
    if not item.cut or not pause:
        return item
    index = int(item.words[item.cut - 1][2] * RATE)
    ramp = np.linspace(1.0, 0.0, _FADE)
    head, rest = item.samples[:index].copy(), item.samples[index:].copy()
    head[-_FADE:] *= ramp
    rest[:_FADE] *= ramp[::-1]
    samples = np.concatenate([head, np.zeros(int(pause * RATE)), rest])
    words = [
        (w, a, b) if n < item.cut else (w, a + pause, b + pause) for n, (w, a, b) in enumerate(item.words)
    ]
    return Spoken(item.sentence, samples, tuple(words), item.cut, item.first, item.last + pause)


def entry(item: Spoken, name: str, folder: Path, noise: np.random.Generator) -> dict[str, Any]:
    """Writes the WAV file; returns what a driver's job needs to know of it."""
    path = folder / f"{name}.wav"
    write(path, item.samples, noise)
    return {"wav": str(path), "text": name, "words": item.words, "first": item.first, "last": item.last}


def room(folder: Path, noise: np.random.Generator) -> dict[str, Any]:
    """The noise of a quiet room, likewise."""
    path = folder / "room.wav"
    write(path, np.zeros(FRAME * 97), noise)
    return {"wav": str(path), "text": "", "words": [], "first": 0.0, "last": 0.0}
