"""Is it the agent's own voice, heard again by the microphone? A judgement on words alone.

The words recognised over the agent are laid against those it has just said. A run of them, with the errors that
recognisers make of a distorted voice (words misheard, split, joined, clipped at both ends), is echo; what does not fit
is somebody else's. A word that asks to stop is never explained away as an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from beluga_voice.core.backchannels import listening
from beluga_voice.core.voices import attributed, utterances
from beluga_voice.core.words import split_words

__all__ = ["Echo", "find_echo"]

# Only the newest words are laid against each other: earlier ones were judged when they came.
_MAX_HEARD = 32
_MAX_SAID = 60
# Words alike by so much may be the same one misheard.
_ALIKE = 0.6
# A few words that may match by accident are echo only if they are most of what was heard.
_MOST = 0.6
# At either end of the run up to so many words may be misheard, and inside so many in a row.
_AT_ENDS = 2
_INSIDE = 3
# A gap costs this much, so that a run is preferred to words from here and there.
_GAP = 0.15


@dataclass(frozen=True, slots=True)
class Echo:
    """What the words are made of.

    Attributes:
        words: how many of them are the agent's, misheard ones left out.
        rest: the words that are not, in order; those of somebody else.
    """

    words: int
    rest: str


@lru_cache(maxsize=256)
def find_echo(heard: str, said: str, language: str = "") -> Echo:
    """Takes the agent's own words out of what was recognised; of several people, out of what each is heard to say.

    Args:
        heard: words recognised over the agent.
        said: what the agent said in the time they may be an echo of.
        language: for the words that ask to stop; see `beluga_voice.core.backchannels.listening`.
    """
    ours = _parts(said)[-_MAX_SAID:]
    if not ours or not heard.strip():
        return Echo(0, heard.strip())
    count, rest = 0, list[str]()
    for who, words in utterances(heard):
        found = _in_words(words, ours, language)
        count += found.words
        rest.append(attributed(who, found.rest) if who else found.rest)
    return Echo(count, " ".join(text for text in rest if text))


def _in_words(heard: str, ours: Sequence[str], language: str) -> Echo:
    """`find_echo` in what one person is heard to say."""
    tokens = [(token, _parts(token)) for token in heard.split()]
    parts = [part for _, each in tokens for part in each]
    skipped = max(0, len(parts) - _MAX_HEARD)
    newest = parts[skipped:]
    matches = _align(tuple(newest), tuple(ours))
    strong = _is_run([newest[i] for i, _ in matches])
    if not matches or (not strong and len(matches) < _MOST * len(newest)):
        return Echo(0, heard.strip())
    theirs = {i + skipped for i in _unexplained(newest, ours, matches, language, strong=strong)}
    rest: list[str] = []
    at = 0
    for token, each in tokens:
        left = [part for n, part in enumerate(each) if at + n in theirs]
        at += len(each)
        if left:
            rest.append(token if len(left) == len(each) else "".join(left))
    return Echo(len(matches), " ".join(rest))


def _parts(text: str) -> list[str]:
    """Words; letters where a script is written without spaces."""
    out: list[str] = []
    for word in split_words(text):
        if any("\u3040" <= letter <= "\u9fff" for letter in word):
            out += word
        else:
            out.append(word.replace("'", "").replace("’", ""))
    return out


def _align(heard: tuple[str, ...], ours: tuple[str, ...]) -> list[tuple[int, int]]:
    """The best pairs (index in ``heard``, index in ``ours``); what was split or joined pairs with the first part."""
    rows, columns = len(heard) + 1, len(ours) + 1
    best = [[0.0] * columns for _ in range(rows)]
    step: list[list[tuple[int, int]]] = [[(0, 0)] * columns for _ in range(rows)]
    for i in range(1, rows):
        above, row = best[i - 1], best[i]
        for j in range(1, columns):
            score, move = above[j] - _GAP, (1, 0)
            if row[j - 1] - _GAP > score:
                score, move = row[j - 1] - _GAP, (0, 1)
            for di, dj, alike in _pairs(heard, ours, i, j):
                if best[i - di][j - dj] + alike > score:
                    score, move = best[i - di][j - dj] + alike, (di, dj)
            if score > 0:
                row[j], step[i][j] = score, move
    i, j = max(((i, j) for i in range(rows) for j in range(columns)), key=lambda at: best[at[0]][at[1]])
    pairs: list[tuple[int, int]] = []
    while i and j and step[i][j] != (0, 0):
        di, dj = step[i][j]
        i, j = i - di, j - dj
        if di and dj:
            pairs += [(i + n, j) for n in range(di)][::-1]
    return pairs[::-1]


def _is_run(words: Sequence[str]) -> bool:
    """Whether so many of the agent's words in order are no accident."""
    return sum(len(word) > 3 for word in words) > 1 or len(words) > 3


def _pairs(heard: tuple[str, ...], ours: tuple[str, ...], i: int, j: int) -> Iterator[tuple[int, int, float]]:
    """How the last words up to ``i`` and ``j`` may be the same: one by one, or two on one side joined on the other."""
    h, o = heard[i - 1], ours[j - 1]
    alike = _alike(h, o)
    if alike:
        yield 1, 1, alike
        return
    if (
        j > 1
        and abs(len(ours[j - 2]) + len(o) - len(h)) <= 2
        and (alike := _alike(h, ours[j - 2] + o, joined=True))
    ):
        yield 1, 2, alike
    if (
        i > 1
        and abs(len(heard[i - 2]) + len(h) - len(o)) <= 2
        and (alike := _alike(heard[i - 2] + h, o, joined=True))
    ):
        yield 2, 1, alike


@lru_cache(maxsize=4096)
def _alike(one: str, other: str, *, joined: bool = False) -> float:
    """From 0 to 1 by how alike two words are, long ones counting more; 0 if they are different words."""
    weight = min(1.0, 0.4 + 0.15 * len(other))
    if one == other:
        return weight
    longest, shortest = max(len(one), len(other)), min(len(one), len(other))
    if shortest < 3 or longest - shortest > 3:
        return 0.0
    if not joined and one[0] != other[0] and one[-1] != other[-1]:
        return 0.0
    alike = 1.0 - _distance(one, other) / longest
    return weight * alike if alike >= (0.75 if joined else _ALIKE) else 0.0


def _distance(one: str, other: str) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def _unexplained(
    words: Sequence[str],
    ours: Sequence[str],
    matches: Sequence[tuple[int, int]],
    language: str,
    *,
    strong: bool,
) -> list[int]:
    """Which words are neither the agent's nor errors in the run of its words."""
    matched = {i for i, _ in matches}
    first, last = matches[0], matches[-1]
    stops = listening(language).stops
    out: list[int] = []
    run: list[int] = []
    for i in range(len(words) + 1):
        if i < len(words) and i not in matched:
            run.append(i)
            continue
        if run:
            if run[0] < first[0]:
                room = min(_AT_ENDS, first[1]) if strong else 0
            elif run[-1] > last[0]:
                room = min(_AT_ENDS, len(ours) - last[1] - 1) if strong else 0
            else:
                before = max(j for k, j in matches if k < run[0])
                after = min(j for k, j in matches if k > run[-1])
                room = min(_INSIDE, after - before)
            if len(run) > room or stops([words[k] for k in run]):
                out += run
            run = []
    return out
