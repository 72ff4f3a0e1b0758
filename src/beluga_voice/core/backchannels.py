"""Is it a listener's response, and which words ask the speaker to stop: by language, or by several at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from beluga_voice.core.backchannel_tables import SOUNDS, TABLES, Table

__all__ = ["LANGUAGES", "Listening", "listening"]

LANGUAGES: tuple[str, ...] = tuple(TABLES)
"""ISO 639-1 of the languages that have a table."""

# More than this, or longer, is no mere response any more.
_MAX_UNITS = 4
_LONGEST_PHRASE = 4
# Laughter as recognisers write it.
_LAUGHTER = re.compile(
    r"(?:a?(?:h+[aeiouä]+){2,}h*|j?(?:aj|ej){2,}[ae]?|k{3,}|哈+|呵+|ㅋ+|ㅎ+|はは+|ふふ+|हा(?:हा)+)"
)
_RUN = re.compile(r"(.)\1{2,}")
# Scripts that are written without spaces: kana and Han.
_UNSPACED = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_SMALL = str.maketrans("", "", "-'’‘ʼ")


class Listening:
    """The tables of one or several languages; a word that stops in one of them stops in all.

    Args:
        tables: of the languages.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self._stops = _phrases(phrase for t in tables for phrase in t.stops)
        said = {phrase for t in tables for phrase in (*t.words, *t.phrases)}
        self._phrases = _phrases(said | SOUNDS) - self._stops
        self._answers = _phrases(phrase for t in tables for phrase in t.answers) - self._stops
        self._longest = max((len(p[0]) for p in self._phrases if len(p) == 1), default=1)

    def responds(self, words: Sequence[str]) -> bool:
        """Whether ``words`` (lower case, as `split_words` gives them) are nothing but listener responses.

        Several in a row count ("mm-hmm right", "yeah yeah I see"), up to four; no words are none.
        """
        return self._covered(words, self._phrases, _LAUGHTER)

    def answers(self, words: Sequence[str]) -> bool:
        """Whether ``words`` are listener responses of which one says yes to a question."""
        parts = [fold(word) for word in words]
        said = any(
            tuple(parts[i : i + n]) in self._answers
            for i in range(len(parts))
            for n in range(1, _LONGEST_PHRASE + 1)
        )
        return (said and self.responds(words)) or self._covered(words, self._answers, None)

    def stops(self, words: Sequence[str]) -> bool:
        """Whether ``words`` ask the speaker to stop, or object: "no", "wait", "stop" and their kin."""
        if self.responds(words):
            return False
        parts = [fold(word) for word in words]
        for i, part in enumerate(parts):
            if any(tuple(parts[i : i + n]) in self._stops for n in range(1, _LONGEST_PHRASE + 1)):
                return True
            if _UNSPACED.search(part) and any(len(s) == 1 and part.startswith(s[0]) for s in self._stops):
                return True
        return False

    def _covered(
        self, words: Sequence[str], phrases: frozenset[tuple[str, ...]], also: re.Pattern[str] | None
    ) -> bool:
        """Whether ``words`` can be cut into at most four of ``phrases``."""
        parts = [fold(word) for word in words]
        if not parts or len(parts) > _MAX_UNITS * _LONGEST_PHRASE:
            return False
        # The fewest units that cover the first i words; more than the limit is as good as none.
        fewest = [0] + [_MAX_UNITS + 1] * len(parts)
        for i in range(len(parts)):
            before = fewest[i]
            if before >= _MAX_UNITS:
                continue
            for n in range(1, min(_LONGEST_PHRASE, len(parts) - i) + 1):
                if tuple(parts[i : i + n]) in phrases:
                    fewest[i + n] = min(fewest[i + n], before + 1)
            laughs = also is not None and also.fullmatch(words[i])
            units = 1 if laughs else self._units(parts[i], phrases)
            fewest[i + 1] = min(fewest[i + 1], before + units)
        return fewest[-1] <= _MAX_UNITS

    def _units(self, part: str, phrases: frozenset[tuple[str, ...]]) -> int:
        """How many entries a word without spaces inside is made of; over the limit if it is not."""
        if not _UNSPACED.fullmatch(part):
            return _MAX_UNITS + 1
        fewest = [0] + [_MAX_UNITS + 1] * len(part)
        for end in range(1, len(part) + 1):
            for start in range(max(0, end - self._longest), end):
                if (part[start:end],) in phrases:
                    fewest[end] = min(fewest[end], fewest[start] + 1)
        return fewest[-1]


@lru_cache(maxsize=64)
def listening(language: str) -> Listening:
    """The tables for ``language``.

    Args:
        language: ISO 639-1, with or without a region (``pt-BR``); several separated by commas; empty, ``auto``,
            ``multi`` or a language without a table for all of them.
    """
    wanted = {part.strip().replace("_", "-").split("-")[0].lower() for part in language.split(",")}
    return _listening(frozenset(wanted) if wanted <= TABLES.keys() else frozenset(TABLES))


@cache
def _listening(codes: frozenset[str]) -> Listening:
    return Listening([TABLES[code] for code in TABLES if code in codes])


def fold(word: str) -> str:
    """As the tables write it: composed, without hyphens and apostrophes, a drawn-out letter once."""
    return _RUN.sub(r"\1", unicodedata.normalize("NFC", word).translate(_SMALL))


def _phrases(entries: Iterable[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(fold(word) for word in entry.split()) for entry in entries)
