"""The labelled set as audio: the built-in voice says each sentence, and a pause is put in where its mark is.

A sentence is spoken whole and cut at the mark, so the words before a pause have the melody of words that go on.
"""

from __future__ import annotations

import json
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beluga_voice.audio.resample import resample
from beluga_voice.providers.tts import hibari
from bench.peers.timeline import FRAME, RATE

__all__ = ["Sentence", "Spoken", "sentences", "speak", "write_manifest"]

_DATA = Path(__file__).parent / "turns_data" / "sentences.json"
_LEAD, _TAIL = 0.5, 4.0
# A quiet room: -62 dBFS, above what a VAD's gate takes for nobody.
_ROOM = 32768 * 10 ** (-62 / 20)
_FADE = int(0.008 * RATE)
_VOICED = 10 ** (-40 / 20)

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One entry of the set.

    Attributes:
        id: its name.
        kind: ``unfinished`` (the words before the mark plainly go on), ``open`` (they could be all) or ``finished``.
        part: ``develop`` or ``held_out``.
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
        samples: full scale is 32768.
        words: text and end of each, without punctuation, in lower case.
        cut: where the pause belongs, and how many words are before it; None without a mark.
        end: the last voiced sample.
    """

    sentence: Sentence
    samples: Samples
    words: tuple[tuple[str, float], ...]
    cut: tuple[float, int] | None
    end: float


def sentences(path: Path = _DATA, *, part: str = "") -> list[Sentence]:
    """The set, or one part of it."""
    found = [Sentence(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    return [s for s in found if not part or s.part == part]


async def speak(items: Sequence[Sentence]) -> list[Spoken]:
    """The built-in voice says each sentence."""
    voice = hibari.create({})
    try:
        return [await _say(voice, item) for item in items]
    finally:
        await voice.close()


async def _say(voice: Any, item: Sentence) -> Spoken:
    before = item.text.split("|")[0].split() if "|" in item.text else []
    pcm, words, at = bytearray(), list[tuple[str, float]](), 0.0
    async for chunk in voice.synthesize(re.sub(r"\s*\|\s*", " ", item.text)):
        words += [(_plain(w.text), at + w.end) for w in chunk.words]
        pcm += chunk.data
        at += len(chunk.data) / 2 / chunk.sample_rate
    samples = np.frombuffer(resample(bytes(pcm), hibari.HibariTTS.sample_rate, RATE), "<i2").astype(
        np.float64
    )
    end = _last_voiced(samples)
    words = [(w, min(t, end)) for w, t in words if w]
    words[-1] = (words[-1][0], end)
    cut = (words[len(before) - 1][1], len(before)) if before else None
    return Spoken(item, samples, tuple(words), cut, end)


def _plain(word: str) -> str:
    return re.sub(r"[^\w'’-]", "", word).lower()


def _last_voiced(samples: Samples) -> float:
    window = RATE // 100
    cells = samples[: len(samples) // window * window].reshape(-1, window)
    level = np.sqrt((cells**2).mean(axis=1))
    return float(np.flatnonzero(level >= level.max() * _VOICED)[-1] + 1) / 100


def write_manifest(spoken: Sequence[tuple[Spoken, float]], fakes: dict[str, float], folder: Path) -> Path:
    """Writes a take for each sentence and pause (seconds; 0 for none), and the manifest; returns its path."""
    room = np.random.default_rng(1)
    takes: list[dict[str, Any]] = []
    for item, pause in spoken:
        name = f"{item.sentence.id}-{round(pause * 1000)}"
        samples, words, stretches, end = _with_pause(item, pause)
        lead, tail = np.zeros(int(_LEAD * RATE)), np.zeros(int(_TAIL * RATE))
        whole = np.concatenate([lead, samples[: int(end * RATE) + RATE // 4], tail])
        whole = np.concatenate([whole, np.zeros(-len(whole) % int(FRAME * RATE))])
        whole = (whole + room.normal(0, _ROOM, len(whole))).clip(-32768, 32767)
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(whole.astype("<i2").tobytes())
        takes.append(
            {
                "id": name,
                "wav": f"{name}.wav",
                "words": [(w, round(t + _LEAD, 4)) for w, t in words],
                "stretches": [round(t + _LEAD, 4) for t in stretches],
                "end": round(end + _LEAD, 4),
            }
        )
    path = folder / "manifest.json"
    path.write_text(json.dumps({"fakes": fakes, "takes": takes}), encoding="utf-8")
    return path


def _with_pause(item: Spoken, pause: float) -> tuple[Samples, list[tuple[str, float]], list[float], float]:
    if item.cut is None or not pause:
        return item.samples, list(item.words), [item.end], item.end
    at, count = item.cut
    index = int(at * RATE)
    ramp = np.linspace(1.0, 0.0, _FADE)
    head, rest = item.samples[:index].copy(), item.samples[index:].copy()
    head[-_FADE:] *= ramp
    rest[:_FADE] *= ramp[::-1]
    samples = np.concatenate([head, np.zeros(int(pause * RATE)), rest])
    words = [(w, t if n < count else t + pause) for n, (w, t) in enumerate(item.words)]
    return samples, words, [at, item.end + pause], item.end + pause
