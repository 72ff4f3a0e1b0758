"""When each word is said, from the model's own durations.

The network predicts a number of frames (25 ms) per phoneme and uses the running sum of them inside; the
tensor is not among its outputs, but an ONNX file can be given another one. The format is Protocol Buffers,
where a message field that comes twice is merged, so the new output is simply appended to the file
(onnx.proto: ModelProto.graph = 7, GraphProto.output = 12; protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from beluga_voice.frames import Word
from beluga_voice.providers.tts.hibari.text import bare

__all__ = ["DURATIONS", "Span", "align", "with_durations", "within"]

DURATIONS = "/CumSum_output_0"
_INT64 = 7

Span = tuple[str, float, float]
"""A word as it was said, with its start and end in seconds."""


def with_durations(model: bytes) -> bytes:
    """The ONNX model with the running sum of durations as one more output, or unchanged if it has none."""
    name = DURATIONS.encode()
    if name not in model:
        return model
    tensor = bytes((1 << 3, _INT64))
    kind = _field(1, tensor)
    return model + _field(7, _field(12, _field(1, name) + _field(2, kind)))


def align(written: Sequence[str], spoken: Sequence[Span]) -> tuple[Word, ...]:
    """Gives each written word its time.

    Numbers and abbreviations are said differently from how they are written ("9:30" is "nine thirty"): where
    the two differ, the time of what was said is shared out by length.

    Returns:
        One `Word` per written word, in order, times in seconds.
    """
    if not spoken:
        return ()
    left, right = [bare(w) for w in written], [bare(s[0]) for s in spoken]
    words: list[Word] = []
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            words += [Word(w, s[1], s[2]) for w, s in zip(written[a:b], spoken[c:d], strict=True)]
        elif tag == "replace":
            words += _share(written[a:b], spoken[c][1], spoken[d - 1][2])
        elif tag == "delete":
            at = spoken[c - 1][2] if c else spoken[0][1]
            words += [Word(w, at, at) for w in written[a:b]]
        elif words:
            words[-1] = Word(words[-1].text, words[-1].start, spoken[d - 1][2])
    return tuple(words)


def within(words: Sequence[Word], start: float, end: float) -> tuple[Word, ...]:
    """The words that begin in ``[start, end)``, their times counted from ``start``."""
    return tuple(Word(w.text, w.start - start, w.end - start) for w in words if start <= w.start < end)


def _share(written: Sequence[str], start: float, end: float) -> list[Word]:
    total = sum(len(w) for w in written)
    edges, done = [start], 0
    for word in written:
        done += len(word)
        edges.append(start + (end - start) * done / total)
    return [Word(w, a, b) for w, (a, b) in zip(written, pairwise(edges), strict=True)]


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field; all lengths here are below 128, so each is one byte."""
    return bytes((number << 3 | 2, len(content))) + content
