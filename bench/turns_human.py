"""Real human speech: a reader of "A Tale of Two Cities", from the MIT-licensed wheel of ``moonshine-voice``.

The wheel is a box for the recording and not imported; `scripts/bench turns` puts it into ``.cache/bench``. Without
it this part of the set is left out, and the table says so.
"""

from __future__ import annotations

import hashlib
import json
import wave
from pathlib import Path

import numpy as np

from beluga_voice.audio.resample import resample
from bench.speech import RATE, voiced
from bench.turns_speech import Sentence, Spoken

__all__ = ["human"]

_DATA = Path(__file__).parent / "turns_data" / "human.json"
_WHEEL = Path(__file__).parent.parent / ".cache" / "bench" / "moonshine-voice"


def human() -> list[Spoken]:
    """Each clause of the recording, with its mark; empty where the recording is not there.

    Raises:
        ValueError: if the recording is not the one whose words were timed.
    """
    data = json.loads(_DATA.read_text(encoding="utf-8"))
    path = _WHEEL / data["file"]
    if not path.exists():
        return []
    if hashlib.sha256(path.read_bytes()).hexdigest() != data["sha256"]:
        raise ValueError(f"{path} is another recording than the one that was timed")
    with wave.open(str(path)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(resample(pcm, rate, RATE), "<i2").astype(np.float64)
    return [_clause(samples, entry) for entry in data["clauses"]]


def _clause(samples: np.ndarray[tuple[int], np.dtype[np.float64]], entry: dict[str, object]) -> Spoken:
    text = str(entry["text"])
    timed: list[tuple[str, float, float]] = entry["words"]  # type: ignore[assignment]
    start = max(0.0, timed[0][1] - 0.05)
    part = samples[int(start * RATE) : int(timed[-1][2] * RATE)]
    first, last = voiced(part)
    words = [(str(w), a - start, min(b - start, last)) for w, a, b in timed]
    words[-1] = (words[-1][0], words[-1][1], last)
    sentence = Sentence(str(entry["id"]), "unfinished", "human", text)
    return Spoken(sentence, part, tuple(words), len(text.split("|")[0].split()), first, last)
