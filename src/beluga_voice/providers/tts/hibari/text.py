"""Text as it can be spoken: no markdown, no emoji, no paths of web addresses; and cut into sentences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple, cast

__all__ = ["Sentence", "bare", "deal", "halves", "pause_after", "sentences", "speakable"]

_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$|^[ \t|:-]*\|[ \t|:-]*-[ \t|:-]*$", re.MULTILINE)
_LINE_START = re.compile(r"^[ \t]*(?:(?:#{1,6}|>|[-*+•▪◦‣])[ \t]+)+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_URL = re.compile(
    r"<?\b(?:https?|ftp)://(?:www\.)?([^\s/?#<>()\[\]\"']*[^\s/?#<>()\[\]\"'.,;:!])(?:[/?#][^\s<>()\[\]\"']*)?>?"
)
_URL_END = re.compile(r"[.,;:!?]+$")
_EMPHASIS = re.compile(r"\*+(?=\S)|(?<=\S)\*+|~~|`+|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)")
_LOOSE = re.compile(r" +([.,;:!?])(?=\s|$)")  # punctuation that stood after a sign
_LONG_NUMBER = re.compile(r"\d(?:,?\d){12,}")
_CLAUSE = re.compile(r"(?<=[,;:—–])\s+")
# Signs of these kinds have no sound: emoji, skin tones, private characters, joiners, selectors.
_SILENT = frozenset({"So", "Sk", "Cs", "Co", "Cn", "Cf", "Cc", "Me"})
_SPOKEN_SIGNS = frozenset("°\n\t")
_CLAUSE_PAUSE, _OPEN_PAUSE = 0.18, 0.04  # seconds
_LONGEST = 240  # characters; the model was made for sentences, and a shorter one is heard sooner


class Sentence(NamedTuple):
    """What is said at once.

    Attributes:
        text: as it is said.
        pause: seconds of silence after it; None keeps the voice's own.
        words: as they were written.
    """

    text: str
    pause: float | None
    words: tuple[str, ...]


def speakable(text: str) -> str:
    """``text`` without marks that are not said; lines are kept, they are pauses. May be empty."""
    text = _FENCE.sub("", text)
    text = _RULE.sub("", text)
    text = _LINE_START.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _URL.sub(_host, text)
    text = _TAG.sub(" ", text)
    text = _EMPHASIS.sub("", text)
    # A number above a trillion is a code: it is said digit by digit, and the library fails on larger ones.
    text = _LONG_NUMBER.sub(lambda m: " ".join(m.group().replace(",", "")), text)
    text = text.replace("_", " ").replace("|", ", ")
    text = "".join(c if _sounds(c) else " " for c in text)
    lines = (_LOOSE.sub(r"\1", " ".join(line.split())) for line in text.splitlines())
    return "\n".join(line.strip(" ,") if line.startswith(",") else line for line in lines if _has_words(line))


def sentences(text: str) -> list[Sentence]:
    """What to say of ``text``, sentence by sentence, none longer than 240 characters; may be empty.

    Every word of ``text`` belongs to one of them, also those without sound.
    """
    from hibari import Hibari

    split = cast("Any", Hibari).split_sentences
    out: list[tuple[str, float | None]] = []
    for line in speakable(text).split("\n"):
        parts = [p for s in cast("list[str]", split(line)) for p in _shortened(s.strip()) if _has_words(p)]
        out += [(part, pause_after(part)) for part in parts]
        if parts and out[-1][1] == _OPEN_PAUSE:
            out[-1] = (parts[-1], None)  # the line ends here, as an item of a list does
    if out:
        out[-1] = (out[-1][0], pause_after(out[-1][0]))
    words = deal(text.split(), [said.split() for said, _ in out])
    return [Sentence(said, pause, tuple(w)) for (said, pause), w in zip(out, words, strict=True)]


def deal(written: Sequence[str], said: Sequence[Sequence[str]]) -> list[list[str]]:
    """Deals the words as they were written to the sentences as they are said, in order, leaving none out."""
    hands: list[list[str]] = [[] for _ in said]
    owners = [number for number, words in enumerate(said) for _ in words]
    if not owners:
        return hands
    left, right = [bare(w) for w in written], [bare(w) for words in said for w in words]
    for _, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for n, word in enumerate(written[a:b]):
            at = c + n * (d - c) // (b - a) if d > c else max(c - 1, 0)
            hands[owners[at]].append(word)
    return hands


def bare(word: str) -> str:
    """The letters and digits of ``word`` in lower case, to compare it with another."""
    return "".join(c for c in word.lower() if c.isalnum())


def pause_after(sentence: str) -> float | None:
    """Seconds of pause to keep after ``sentence``; None keeps the voice's own (0.3 to 0.5)."""
    last = sentence.rstrip("\"'”’)]} ")[-1:]
    if last in (".", "!", "?", "…"):
        return None
    return _CLAUSE_PAUSE if last in (",", ";", ":", "—", "–", "-") else _OPEN_PAUSE


def halves(text: str) -> tuple[str, str] | None:
    """``text`` cut near its middle, at a clause if there is one, else at a space; None for a single word."""
    cuts = [m.start() for m in _CLAUSE.finditer(text)] or [m.start() for m in re.finditer(r"\s+", text)]
    if not cuts:
        return None if len(text) < 2 else (text[: len(text) // 2], text[len(text) // 2 :])
    at = min(cuts, key=lambda cut: abs(cut - len(text) // 2))
    return text[:at].strip(), text[at:].strip()


def _shortened(text: str) -> list[str]:
    if len(text) <= _LONGEST:
        return [text]
    parts = halves(text)
    return [text] if parts is None else _shortened(parts[0]) + _shortened(parts[1])


def _host(match: re.Match[str]) -> str:
    after = _URL_END.search(match.group(0).rstrip(">"))
    return match.group(1) + (after.group(0) if after else "")


def _sounds(char: str) -> bool:
    return char in _SPOKEN_SIGNS or (
        unicodedata.category(char) not in _SILENT and not 0xFE00 <= ord(char) <= 0xFE0F
    )


def _has_words(text: str) -> bool:
    return any(c.isalnum() for c in text)
