"""Who said which words: the speaker's identity travels inside the text that the turn core handles.

The turn machine joins, keeps, settles and drops words without knowing of speakers. Each person's words begin with their
identity between two characters of Unicode's private use area, so attribution follows the words wherever the machine
takes them, through a saved log as well. Words without a mark are those of the only, unnamed speaker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["Utterance", "attributed", "plain", "rendered", "utterances", "voices"]

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_STRAY = str.maketrans("", "", _OPEN + _CLOSE)

Utterance = tuple[str, str]
"""A speaker's identity (empty for the only one) and their words."""


def attributed(who: str, text: str) -> str:
    """``text`` as said by ``who``; empty text stays empty."""
    clean = text.translate(_STRAY)
    return f"{_OPEN}{who.translate(_STRAY)}{_CLOSE}{clean.strip()}" if clean.strip() else ""


def utterances(text: str) -> tuple[Utterance, ...]:
    """Who said what in ``text``, in order; what one person says in a row is one utterance."""
    if _OPEN not in text:
        words = text.strip()
        return (("", words),) if words else ()
    out: list[Utterance] = []
    parts = ["", *_MARK.split(text)]
    for who, said in zip(parts[::2], parts[1::2], strict=True):
        words = said.translate(_STRAY).strip()
        if not words:
            continue
        if out and out[-1][0] == who:
            words = f"{out.pop()[1]} {words}"
        out.append((who, words))
    return tuple(out)


def voices(text: str) -> tuple[str, ...]:
    """The words of each speaker in ``text``, all they said joined, in order of their first words; at least one."""
    if _OPEN not in text:
        return (text,)
    said: dict[str, list[str]] = {}
    for who, words in utterances(text):
        said.setdefault(who, []).append(words)
    return tuple(" ".join(words) for words in said.values()) or ("",)


def plain(text: str) -> str:
    """``text`` without saying who said it."""
    return text if _OPEN not in text else " ".join(words for _, words in utterances(text))


def rendered(said: Iterable[Utterance], name: Callable[[str], str] = str) -> str:
    """What a reader is shown: plain words of one speaker, or a line ``Name: words`` for each utterance of several.

    Args:
        said: in order.
        name: gives the name to show for an identity.
    """
    lines = tuple(said)
    if len({who for who, _ in lines}) <= 1:
        return " ".join(words for _, words in lines)
    return "\n".join(f"{name(who) or 'Somebody'}: {words}" for who, words in lines)
