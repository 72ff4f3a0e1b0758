"""The lines of the table: what is compared, what it should be, and what each contender came to."""

from __future__ import annotations

from collections.abc import Callable

from bench.compare.figures import Line
from bench.figures import median, percentile
from bench.livekit_sessions.run import OURS
from bench.livekit_sessions.summary import Level, Standing

__all__ = ["PEER", "lines"]

PEER = "process"  # livekit-agents as it comes
_TIMES_THE_SESSIONS, _SHARE_OF_MEMORY = 2.0, 1 / 20


def lines(standings: dict[str, Standing]) -> list[Line]:
    """The table."""
    have = {k: s for k, s in standings.items() if s.levels}
    return [*_cost(have), *_memory(have), *_answers(have), *_jobs(have)]


def _cost(have: dict[str, Standing]) -> list[Line]:
    group, found = "CPU per session, % of a core", list[Line]()
    for n in _levels(have):
        found.append(Line(group, _sessions(n), "", _cells(have, n, lambda v: f"{v.cpu:.2f}")))
        server = _cells(have, n, lambda v: f"{v.server_cpu:.2f}")
        found.append(Line(group, "   the LiveKit server's for it", "", server))
    tops = {k: s.top for k, s in have.items() if s.top}
    group = "sessions per core (100 / CPU per session)"
    cells = {k: f"{100 / v.cpu:.1f}" for k, v in tops.items()}
    found.append(Line(group, f"at {_sessions(max(_levels(have), default=0))}", "", cells))
    ratio = _ratio(tops, lambda v: 1 / v.cpu)
    goal = f"≥ × {_TIMES_THE_SESSIONS:g}"
    cells = {k: f"× {r:.2f}" for k, r in ratio.items()}
    met = ratio[OURS] >= _TIMES_THE_SESSIONS if OURS in ratio else None
    return [*found, Line(group, "beside livekit-agents", goal, cells, met)]


def _memory(have: dict[str, Standing]) -> list[Line]:
    group = "memory, MB"
    found = [Line(group, "ready, no session", "", {k: f"{s.idle:.0f}" for k, s in have.items()})]
    for n in _levels(have):
        both = _cells(have, n, lambda v: f"{v.pss:.1f} / {v.uss:.1f}")
        found.append(Line(group, f"per session, shared out / private, {_sessions(n)}", "", both))
    tops = {k: s.top for k, s in have.items() if s.top}
    shares = {k: f"1 / {1 / r:.1f}" for k, r in _ratio(tops, lambda v: v.pss).items() if r > 0}
    found.append(Line(group, "   beside livekit-agents", "", shares))
    further = {k: f for k, s in have.items() if (f := _further(s)) is not None}
    found.append(
        Line(group, "per further session, shared out", "", {k: f"{f:.1f}" for k, f in further.items()})
    )
    if further.get(PEER, 0) <= 0:
        return found
    ratios = {k: f / further[PEER] for k, f in further.items() if f > 0}
    cells = {k: f"1 / {1 / r:.1f}" for k, r in ratios.items()}
    met = ratios[OURS] <= _SHARE_OF_MEMORY if OURS in ratios else None
    return [*found, Line(group, "   beside livekit-agents", "≤ 1 / 20", cells, met)]


def _further(standing: Standing) -> float | None:
    """MB for each session between the fewest and the most: without what the first one loads for all."""
    few, most = min(standing.levels), max(standing.levels)
    if few == most:
        return None
    total = {n: n * standing.levels[n].pss for n in (few, most)}
    return (total[most] - total[few]) / (most - few)


def _answers(have: dict[str, Standing]) -> list[Line]:
    group, found = "end of speech → answer heard by the caller, ms", list[Line]()
    for n in _levels(have):
        cells = _cells(have, n, lambda v: _spread(v.latencies))
        found.append(Line(group, f"p50 / p95, {_sessions(n)}", "", cells))
    early = {
        k: f"{sum(v.early for v in s.levels.values())} / {sum(v.missed for v in s.levels.values())}"
        f" of {sum(v.asked for v in s.levels.values())}"
        for k, s in have.items()
    }
    return [*found, Line(group, "begun too early / not answered", "", early)]


def _jobs(have: dict[str, Standing]) -> list[Line]:
    group = "jobs"
    audible = {k: [a for v in s.levels.values() for a in v.audible] for k, s in have.items()}
    cells = {k: _spread(v) for k, v in audible.items()}
    met = median(audible[OURS]) <= 500 if OURS in audible else None
    ready = {k: f"{s.ready:.1f}" for k, s in have.items()}
    tops = {k: s.top for k, s in have.items() if s.top}
    threads = {k: f"{v.threads:.0f}" for k, v in tops.items()}
    return [
        Line(group, "job → agent audible, p50 / p95, ms", "p50 ≤ 500", cells, met),
        Line(
            group,
            "start of the program → models loaded, registered, s",
            "",
            ready,
        ),
        Line(group, f"threads at {_sessions(max(_levels(have), default=0))}", "", threads),
    ]


def _ratio(tops: dict[str, Level], value: Callable[[Level], float]) -> dict[str, float]:
    """Of each to livekit-agents as it comes; empty without it."""
    if PEER not in tops:
        return {}
    return {k: value(v) / value(tops[PEER]) for k, v in tops.items()}


def _cells(have: dict[str, Standing], n: int, text: Callable[[Level], str]) -> dict[str, str]:
    return {k: text(s.levels[n]) for k, s in have.items() if n in s.levels}


def _levels(have: dict[str, Standing]) -> list[int]:
    return sorted({n for s in have.values() for n in s.levels})


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _spread(values: list[float]) -> str:
    return f"{median(values):.0f} / {percentile(values, 95):.0f}" if values else "–"
