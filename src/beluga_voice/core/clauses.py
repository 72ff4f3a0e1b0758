"""Cuts a stream of text into pieces to speak: the first clause early, then sentence by sentence.

What is said first decides how fast the agent answers, so the first piece ends at the first clause boundary.
Later pieces are made while an earlier one plays; whole sentences sound best, so they are preferred.

A cut depends only on the text before it and at most one character after the white space that follows it,
never on how the text was divided into deltas: the same text gives the same pieces.

The caller keeps the time: when `ClauseSplitter.flush_after` is a number and no text has come for that many
seconds, it calls `ClauseSplitter.release`.
"""

from __future__ import annotations

import re
from enum import Enum

__all__ = ["ClauseSplitter", "split_text"]

_CLOSERS = "\"'”’»)]}*_`"
# Never the end of a sentence.
_TITLES = frozenset(
    "mr mrs ms mx dr prof st mt ft fr rev hon gen col sgt capt lt cmdr gov sen rep pres messrs vs cf fig figs "
    "nos vol pp approx est dept tel ext jan feb apr aug sept oct nov dec tues thurs e.g i.e nr bzw ca".split()
)
# The end of a sentence only if a capital follows.
_MAY_END = frozenset("etc inc ltd co corp jr sr a.m p.m ave blvd rd hr hrs min mins sec".split())
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])*\Z")  # "J", "U.S", "e.g"
_WIDE_SENTENCE, _WIDE_CLAUSE = "。！？", "，、；："
# A phrase may begin with one of these: the best places to breathe where there is no punctuation.
_PHRASE_STARTS = frozenset(
    "and but or so because that which who where when while if although though unless until before after since "
    "for from with without about between through during to in on at by of as than".split()
)
# … and where the sentence is still being written, "that" and the like may belong to what is before them.
_EARLY_STARTS = _PHRASE_STARTS - frozenset("that which who as than of to".split())
# Seconds without new text after which `release` should be called.
_AFTER_FIRST_WORDS, _AFTER_SENTENCE, _AFTER_WORDS = 0.15, 0.08, 1.0
_FEW_WORDS = 3


class _Mark(Enum):
    NONE = 0
    CLAUSE = 1
    SENTENCE = 2
    UNSURE = 3  # a full stop: the next character tells


class ClauseSplitter:
    """Splits one reply. White space is folded; no other character is lost, added or moved.

    Args:
        first: shortest first piece, in characters.
        sentence: shortest later piece; shorter sentences are joined with the next.
        clause: later pieces at least this long may end at a clause boundary instead of a sentence's.
        longest: no piece is longer; it is cut at a clause boundary, else at a space, else anywhere.

    Raises:
        ValueError: unless 1 ≤ each of them ≤ ``longest``.
    """

    def __init__(self, *, first: int = 12, sentence: int = 24, clause: int = 120, longest: int = 220) -> None:
        if not 1 <= min(first, sentence, clause) <= max(first, sentence, clause) <= longest:
            raise ValueError(f"lengths must be 1 to longest: {first=}, {sentence=}, {clause=}, {longest=}")
        self._min_first, self._min_sentence, self._min_clause = first, sentence, clause
        self._longest = longest
        self._buffer = ""  # starts with a word; each run of white space is one " ", or "\n" if it had one
        self._emitted = False

    @property
    def pending(self) -> str:
        """Text that was fed and not given out yet, white space folded."""
        return _fold(self._buffer)

    @property
    def flush_after(self) -> float | None:
        """Seconds without new text after which to call `release`; None: wait for more text.

        A pending first clause waits 0.15 s, once it has three whole words; a pending sentence whose full stop
        waits only for the next character waits 0.08 s; other text waits 1 s.
        """
        words = self._whole_words()
        if self._sounds_complete():
            return _AFTER_SENTENCE
        if len(words.split()) < _FEW_WORDS:
            return None
        return _AFTER_WORDS if self._emitted else _AFTER_FIRST_WORDS

    def feed(self, delta: str) -> list[str]:
        """Takes more text; returns the pieces that became complete, in order."""
        out: list[str] = []
        for char in delta:
            cut = self._push(char)
            while cut:
                self._cut(cut, out)
                cut = self._overlong()
        return out

    def flush(self) -> list[str]:
        """The text has ended: returns all that is left."""
        out: list[str] = []
        self._cut(len(self._buffer), out)
        return out

    def release_first(self) -> list[str]:
        """The model keeps writing and nothing is spoken yet: returns the first words, up to where a phrase begins.

        Three words or more, and only if nothing was given out before: they are spoken while the rest of the sentence is
        being written.
        """
        out: list[str] = []
        if self._emitted:
            return out
        words = self._whole_words()
        starts = [m.start() for m in re.finditer(r"\S+", words)]
        for at in starts[_FEW_WORDS:]:
            if words[at:].split(maxsplit=1)[0].lower() in _EARLY_STARTS:
                self._cut(at, out)
                break
        return out

    def release(self) -> list[str]:
        """The text has stalled: returns what can be spoken without cutting a word, at a natural break.

        Without any boundary in it, the text is cut before the last word that can begin a phrase.
        """
        out: list[str] = []
        if self._sounds_complete():
            self._cut(len(self._buffer), out)
            return out
        words = self._whole_words()
        starts = [m.start() for m in re.finditer(r"\S+", words)]
        for at in reversed(starts[_FEW_WORDS:]):
            if words[at:].split(maxsplit=1)[0].lower() in _PHRASE_STARTS:
                self._cut(at, out)
                return out
        if len(starts) >= _FEW_WORDS:
            self._cut(len(words), out)
        return out

    def _push(self, char: str) -> int:
        """Adds one character; returns where to cut now, or 0."""
        text = self._buffer
        if char.isspace():
            if not text:
                return 0
            if text[-1].isspace():
                if char == "\n" and text[-1] == " ":
                    self._buffer = text[:-1] + "\n"
                    return self._at_newline(text[:-1])
                return 0
            self._buffer += "\n" if char == "\n" else " "
            return self._at_newline(text) if char == "\n" else self._at_space(text)
        self._buffer += char
        if char in _WIDE_SENTENCE + _WIDE_CLAUSE + "—":
            mark = _Mark.SENTENCE if char in _WIDE_SENTENCE else _Mark.CLAUSE
            # Chinese and Japanese say about twice as much per character.
            wide = 1 if char == "—" else 2
            if self._enough(len(self._buffer) * wide, mark):
                return len(self._buffer)
        elif text[-1:] == " " and _mark(text[:-1]) is _Mark.UNSURE and _confirmed(text[:-1], char):
            before = text[:-1]
            if self._enough(len(before), _Mark.SENTENCE):
                return len(before)
        return self._overlong()

    def _at_space(self, before: str) -> int:
        mark = _mark(before)
        sure = mark in (_Mark.CLAUSE, _Mark.SENTENCE)
        return len(before) if sure and self._enough(len(before), mark) else 0

    def _at_newline(self, before: str) -> int:
        return len(before) if self._enough(len(before), _Mark.SENTENCE) else 0

    def _enough(self, length: int, mark: _Mark) -> bool:
        if not self._emitted:
            return length >= self._min_first
        return length >= (self._min_sentence if mark is _Mark.SENTENCE else self._min_clause)

    def _overlong(self) -> int:
        if len(self._buffer) <= self._longest:
            return 0
        spaces = [m.start() for m in re.finditer(r"\s", self._buffer[: self._longest + 1])]
        for at in reversed(spaces):
            if at * 4 >= self._longest and _mark(self._buffer[:at]) is not _Mark.NONE:
                return at
        return spaces[-1] if spaces else self._longest

    def _sounds_complete(self) -> bool:
        text = self._buffer.rstrip()
        if _mark(text) not in (_Mark.SENTENCE, _Mark.UNSURE):
            return False
        # "at 9." may go on as "at 9.30".
        return text[-2:-1].isalpha() or text[-2:-1] in _CLOSERS or text != self._buffer

    def _whole_words(self) -> str:
        """The buffer without its last word, which may still grow."""
        at = max(self._buffer.rfind(" "), self._buffer.rfind("\n"))
        return self._buffer[: at + 1]

    def _cut(self, at: int, out: list[str]) -> None:
        piece, self._buffer = _fold(self._buffer[:at]), self._buffer[at:].lstrip()
        if piece:
            out.append(piece)
            self._emitted = True


def split_text(text: str, longest: int = 220) -> list[str]:
    """Cuts a text that is known as a whole, sentence by sentence, joining short ones."""
    splitter = ClauseSplitter(first=min(24, longest), sentence=min(24, longest),
                              clause=min(120, longest), longest=longest)  # fmt: skip
    return splitter.feed(text) + splitter.flush()


def _mark(before: str) -> _Mark:
    """What kind of boundary white space after ``before`` would be."""
    text = before.rstrip(_CLOSERS)
    last = text[-1:]
    if last in ("!", "?"):
        return _Mark.SENTENCE
    if last in (",", ";", ":", "—"):
        return _Mark.CLAUSE
    if last in ("–", "-"):
        return _Mark.CLAUSE if text[-2:-1].isspace() else _Mark.NONE
    if last != "." or text.endswith(".."):
        return _Mark.NONE
    word = _last_word(text)
    if word in _MAY_END:
        return _Mark.UNSURE
    return _Mark.NONE if not word or word in _TITLES or _INITIALS.match(word) else _Mark.UNSURE


def _confirmed(before: str, following: str) -> bool:
    """Whether the full stop at the end of ``before`` ends a sentence, given the next character."""
    word = _last_word(before.rstrip(_CLOSERS))
    if word in _MAY_END:
        return following.isupper()
    if word == "no" and following.isdigit():
        return False
    return not following.islower()


def _last_word(text: str) -> str:
    """The word that the full stop at the end of ``text`` follows, in lower case."""
    parts = text[:-1].rsplit(maxsplit=1)
    return parts[-1].lstrip("\"'“‘«([{*_`").lower() if parts else ""


def _fold(text: str) -> str:
    return " ".join(text.split())
