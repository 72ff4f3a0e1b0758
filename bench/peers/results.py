"""From what people heard to figures: answers, cut-offs, interruptions, lateness."""

from __future__ import annotations

import math
from typing import Any

from person import Person

__all__ = ["measured"]

# Of the level of the agent's voice; a frame below it was lowered.
_LOWERED = 0.6
_GAP = 0.25
# Edges of the histogram of lateness, in ms.
EDGES = (0.5, 1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)


def measured(
    job: dict[str, Any],
    people: list[Person],
    start: float,
    end: float,
    lag: list[list[float]],
    late: list[list[float]],
) -> dict[str, Any]:
    """Everything people noticed between ``start`` and ``end``."""
    result: dict[str, Any] = {
        "microphone": _lateness(lag),
        "audio": _lateness(late),
        "speaking_share": _speaking(people, start, end),
    }
    if job["mode"] == "barge_in":
        result["interruptions"] = [i for p in people for i in _interruptions(p, start, end)]
    else:
        turns = [t for p in people for t in _turns(p, start, end)]
        result["turns"] = turns
    return result


def _speaking(people: list[Person], start: float, end: float) -> float:
    total = sum(max(0.0, min(end, s.last) - max(start, s.first)) for p in people for s in p.microphone.spoken)
    return total / (len(people) * (end - start))


def _turns(person: Person, start: float, end: float) -> list[dict[str, Any]]:
    """One entry for each utterance that ended in the window."""
    turns: list[dict[str, Any]] = []
    spoken = person.microphone.spoken
    for index, said in enumerate(spoken):
        if not start <= said.last <= end:
            continue
        until = spoken[index + 1].first if index + 1 < len(spoken) else math.inf
        replies = [r for r in person.speaker.replies if said.first + 0.1 < r < until]
        early = bool(replies) and replies[0] <= said.last
        after = [r for r in replies if r > said.last]
        latency = after[0] - said.last if after and not early else None
        turns.append({"person": person.number, "text": said.text, "early": early, "latency": latency})
    return turns


def _interruptions(person: Person, start: float, end: float) -> list[dict[str, Any]]:
    """One entry for each utterance over the agent: seconds from its first voiced sample."""
    found: list[dict[str, Any]] = []
    sounds = person.speaker.sounds
    levels = sorted(level for _, _, level in sounds)
    full = levels[len(levels) // 2] if levels else 0.0
    for said in person.microphone.spoken:
        if not start <= said.first <= end:
            continue
        before = [s for s in sounds if s[0] <= said.first]
        if not before or before[-1][0] + before[-1][1] < said.first:
            continue  # the agent was silent
        after = [s for s in sounds if s[0] > said.first]
        duck = next((at - said.first for at, _, level in after if level < full * _LOWERED), None)
        silence = _silence(before[-1], after) - said.first
        words = said.last - said.first
        found.append(
            {
                "person": person.number,
                "text": said.text,
                "duck": duck if duck is not None and duck < silence else None,
                "silence": silence if silence < words + 2.5 else None,
                "words": words,
            }
        )
    return found


def _silence(last: tuple[float, float, float], after: list[tuple[float, float, float]]) -> float:
    """When the last sound before the first long gap is over."""
    until = last[0] + last[1]
    for at, seconds, _ in after:
        if at > until + _GAP:
            break
        until = at + seconds
    return until


def _lateness(each: list[list[float]]) -> dict[str, Any]:
    """Of all, and of each person: seconds; and a histogram of all."""
    everything = sorted(v for values in each for v in values)
    counts = [0] * (len(EDGES) + 1)
    for value in everything:
        counts[sum(value * 1000 > edge for edge in EDGES)] += 1
    return {
        "count": len(everything),
        "p50": _at(everything, 50),
        "p99": _at(everything, 99),
        "max": everything[-1] if everything else 0.0,
        "each_p99": [_at(sorted(values), 99) for values in each],
        "edges_ms": list(EDGES),
        "histogram": counts,
    }


def _at(ordered: list[float], share: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share / 100) - 1)]
