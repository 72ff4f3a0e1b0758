"""A loaded hibari voice: text to samples, on the threads of its own small pool."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from beluga_voice.errors import ConfigError
from beluga_voice.frames import Word
from beluga_voice.providers.tts.hibari.text import Sentence, halves, pause_after
from beluga_voice.providers.tts.hibari.timing import DURATIONS, Span, align, with_durations

__all__ = ["SAMPLE_RATE", "Speech", "Voice", "VoiceKey", "acquire", "locate", "release"]

SAMPLE_RATE = 24_000
_MAX_PHONEMES = 300  # the library allows 400; work and memory grow with the longest sentence
_SILENCE = 10 ** (-60 / 20)  # of full scale; the voice's own lead-in is at −140 dBFS
_WINDOW = 120  # 5 ms
_LAG = 0.03  # seconds by which the model's durations run behind the sound, against forced alignment
_LEAD = 0.02  # seconds kept before the first sound: the library makes 0.24 to 0.33
_PUNCTUATION = frozenset(' ;:,.!?—…"“”()')


@dataclass(frozen=True, slots=True)
class VoiceKey:
    """What makes two loaded voices the same: file, spelling rules, threads."""

    model: str
    british: bool
    threads: int


@dataclass(frozen=True, slots=True)
class Speech:
    """One sentence: mono s16le at 24 kHz, and its words in seconds from its start."""

    data: bytes
    words: tuple[Word, ...]


class Voice:
    """The network, the pronunciation and the threads they run on; safe to use from several threads."""

    def __init__(self, key: VoiceKey) -> None:
        import onnxruntime as ort
        from hibari import dsp
        from hibari import g2p as pronunciation
        from hibari.tts import ASSETS

        # None of these libraries is typed.
        runtime, signal, spelling = cast("Any", ort), cast("Any", dsp), cast("Any", pronunciation)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = key.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = with_durations(Path(key.model).read_bytes())
        self._session: Any = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._outputs = ["lh", "theta", "ln", "lr", "phi", "f0"]
        if any(o.name == DURATIONS for o in self._session.get_outputs()):
            self._outputs.append(DURATIONS)
        vocab = json.loads((Path(ASSETS) / "vocab.json").read_text(encoding="utf-8"))
        self._vocab = cast("dict[str, int]", vocab)
        self._g2p = spelling.G2P(british=key.british)
        self._normalize = spelling.normalize
        self._synth = signal.synth
        self.pool = ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 2)), thread_name_prefix="hibari")
        # The first unknown word loads another network, the first sentences are slow: have that done now.
        for text in ("Good morning, this is zyloquent.", "Ready?"):
            self.speak(Sentence(text, None, ()), 1.0, 0)

    def speak(self, sentence: Sentence, speed: float, seed: int | None) -> Speech:
        """Says one sentence (at most 240 characters); empty if nothing in it can be said. Blocks."""
        pcm, spans = self._said(sentence.text, sentence.pause, speed, np.random.default_rng(seed))
        return Speech(pcm, align(sentence.words, spans))

    def _said(
        self, text: str, pause: float | None, speed: float, rng: np.random.Generator
    ) -> tuple[bytes, list[Span]]:
        symbols, groups = self._phonemes(text)
        if len(symbols) > _MAX_PHONEMES and (parts := halves(text)) is not None:
            first, early = self._said(parts[0], pause_after(parts[0]), speed, rng)
            second, late = self._said(parts[1], pause, speed, rng)
            gap = len(first) / 2 / SAMPLE_RATE
            return first + second, early + [(word, start + gap, end + gap) for word, start, end in late]
        ids = [0, *(self._vocab[s] for s, _ in symbols), 0]
        if all(group is None for _, group in symbols):
            return b"", []
        feed = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
        outputs: list[Any] = self._session.run(self._outputs, feed)
        wave: NDArray[np.float32] = self._synth(*(o[0] for o in outputs[:6]), rng)
        start, last, end = audible(wave, pause)
        spans: list[Span] = []
        if len(outputs) > 6:
            frames = np.ravel(outputs[6]).astype(np.float64)
            ends: list[float] = (frames * (len(wave) / frames[-1] / SAMPLE_RATE)).tolist()
            spans = _spans(symbols, groups, ends, start, last)
        pcm = (np.clip(wave[start:end], -1.0, 1.0) * 32767.0).astype("<i2")
        return pcm.tobytes(), spans

    def _phonemes(self, text: str) -> tuple[list[tuple[str, int | None]], list[str]]:
        """Phonemes, each with the number of the word it belongs to (None for pauses), and those words."""
        symbols: list[tuple[str, int | None]] = []
        groups = [""]
        tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(self._normalize(text)))
        for token in tokens:
            groups[-1] += token.text
            for char in token.phonemes or "":
                if char in self._vocab:
                    symbols.append((char, None if char in _PUNCTUATION else len(groups) - 1))
            if token.whitespace:
                groups.append("")
                if symbols and " " in self._vocab:
                    symbols.append((" ", None))
        while symbols and symbols[-1][0] == " ":
            symbols.pop()
        return symbols, groups


def audible(wave: NDArray[np.float32], pause: float | None) -> tuple[int, int, int]:
    """What to keep: (first sample, last sample of sound, last sample), all 0 if there is no sound.

    20 ms are kept before the sound, and ``pause`` seconds after it, or all if that is None.
    """
    blocks = wave[: len(wave) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    loud = np.flatnonzero(np.sqrt(np.mean(np.square(blocks), axis=1)) > _SILENCE)
    if not len(loud):
        return 0, 0, 0
    start = max(0, int(loud[0]) * _WINDOW - int(_LEAD * SAMPLE_RATE))
    last = (int(loud[-1]) + 1) * _WINDOW
    return start, last, len(wave) if pause is None else min(len(wave), last + int(pause * SAMPLE_RATE))


def _spans(
    symbols: list[tuple[str, int | None]], groups: list[str], ends: list[float], start: int, last: int
) -> list[Span]:
    """Start and end of each spoken word, in seconds from sample ``start``.

    ``ends`` has one entry per phoneme and one for each pad around them; the model counts the final decay to
    the last phoneme, so times are held within the sound, which ends at sample ``last``.
    """
    low, high = start / SAMPLE_RATE, last / SAMPLE_RATE
    times = [min(max(t - _LAG, low), high) - low for t in ends]
    begins: dict[int, float] = {}
    finishes: dict[int, float] = {}
    for i, (_, group) in enumerate(symbols):
        if group is not None:
            # The space between two words is not a pause, but the beginning of the second.
            after_space = i > 0 and symbols[i - 1][0] == " "
            begins.setdefault(group, times[i - 1] if after_space else times[i])
            finishes[group] = times[i + 1]
    return [(groups[g], begins[g], finishes[g]) for g in sorted(begins)]


# --- one loaded voice per process and setting -----------------------------------------------------------------


class _Entry:
    def __init__(self) -> None:
        self.users = 0
        self.loading = threading.Lock()
        self.voice: Voice | None = None


_entries: dict[VoiceKey, _Entry] = {}
_entries_lock = threading.Lock()


def acquire(key: VoiceKey) -> Voice:
    """The voice for ``key``, loaded by the first who asks. Blocks; pair with `release`, also if it raises."""
    with _entries_lock:
        entry = _entries.setdefault(key, _Entry())
        entry.users += 1
    with entry.loading:
        if entry.voice is None:
            entry.voice = Voice(key)
        return entry.voice


def release(key: VoiceKey) -> None:
    """Gives back one `acquire`; the last one frees the voice and ends its threads."""
    with _entries_lock:
        entry = _entries[key]
        entry.users -= 1
        if entry.users:
            return
        del _entries[key]
    if entry.voice is not None:
        entry.voice.pool.shutdown(wait=False, cancel_futures=True)


def locate(voice: str, model: str) -> tuple[str, bool]:
    """Path of the voice's model, and whether it speaks British English; nothing is ever downloaded.

    Raises:
        ConfigError: ``invalid_config`` for an unknown voice, or one whose file is not on this machine.
    """
    spec = find_spec("hibari")
    if spec is None or spec.origin is None:
        raise ImportError("hibari is not installed; it comes with beluga-voice", name="hibari")
    assets = Path(spec.origin).parent / "assets"
    voices: dict[str, Any] = json.loads((assets / "voices.json").read_text(encoding="utf-8"))
    if voice not in voices:
        raise _refused(f"voice={voice!r} is unknown; known: {', '.join(sorted(voices))}", "voice")
    british = bool(voices[voice]["british"])
    if model:
        if not Path(model).is_file():
            raise _refused(f"model={model!r}: there is no such file", "model")
        return model, british
    file = str(voices[voice]["file"])
    if voices[voice].get("bundled"):
        return str(assets / file), british
    from hibari.voices import cache_dir

    path = Path(cache_dir()) / file
    if not path.is_file():
        raise _refused(
            f"voice={voice!r} is not in the installed package and is not downloaded by itself; put its file "
            f"{file} at {path}, or set model to where it is, or use voice='heart'",
            "voice",
        )
    return str(path), british


def _refused(message: str, field: str) -> ConfigError:
    return ConfigError("create_tts", "invalid_config", f"hibari: {message}", {"fields": [field]})
