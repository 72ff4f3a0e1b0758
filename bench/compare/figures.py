"""The lines of the table: what is compared, what it should be, and what each contender came to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bench.compare.contenders import FLOOR, OURS
from bench.compare.summary import Level, Standing
from bench.figures import percentile

__all__ = ["Line", "lines"]

# Where the goals of latency and cost are judged.
AT = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of all contenders.

    Attributes:
        group: lines of a group stand together.
        name: what it is.
        goal: as text, for ours.
        cells: text by contender.
        met: whether ours is; None where there is no goal or no figure.
    """

    group: str
    name: str
    goal: str
    cells: dict[str, str]
    met: bool | None = None


def lines(standings: dict[str, Standing]) -> list[Line]:
    """The table."""
    people = {k: s for k, s in standings.items() if k != FLOOR}
    floor = standings.get(FLOOR, Standing())
    return [
        *_cost(people, floor),
        *_answers(people),
        *_audio(people),
        *_interruptions(people),
        *_size(people),
    ]


def _cost(people: dict[str, Standing], floor: Standing) -> list[Line]:
    group, found = "CPU per session, % of a core", list[Line]()
    for sessions in _levels(people):
        cells = {k: _number(s.levels[sessions].cpu_each) for k, s in people.items() if sessions in s.levels}
        met, goal = None, ""
        if sessions == AT and OURS in cells:
            met, goal = people[OURS].levels[sessions].cpu_each <= 0.5, "≤ 0.5"
        found.append(Line(group, _sessions(sessions), goal, cells, met))
        if sessions in floor.levels and sessions <= AT:
            note = _number(floor.levels[sessions].cpu_each)
            found.append(Line(group, "   of it the bench's own microphones", "", dict.fromkeys(cells, note)))
    ours = people.get(OURS, Standing()).levels
    if len(ours) > 1:
        each = {n: level.cpu_each for n, level in ours.items()}
        low, high = min(each), max(each)
        cells = {k: f"× {_growth(s.levels):.2f}" for k, s in people.items() if len(s.levels) > 1}
        growth = each[high] / each[low]
        found.append(Line(group, f"growth from {low} to the most sessions", "≤ × 1.2", cells, growth <= 1.2))
    capacity = {k: _capacity(s) for k, s in people.items()}
    carried = people[OURS].capacity[0] if OURS in people else 0
    found.append(Line("sessions in one process", "with even answers", "≥ 200", capacity, carried >= 200))
    return found


def _growth(levels: dict[int, Level]) -> float:
    return levels[max(levels)].cpu_each / levels[min(levels)].cpu_each


def _capacity(standing: Standing) -> str:
    carried, too_many = standing.capacity
    return f"≥ {carried}" if too_many is None else f"{carried} (not {too_many})"


def _answers(people: dict[str, Standing]) -> list[Line]:
    group, found = "end of speech → answer, ms", list[Line]()
    for sessions in _levels(people):
        have = {k: s.levels[sessions] for k, s in people.items() if sessions in s.levels}
        cells = {k: f"{_ms(v.p50)} / {_ms(v.p95)} / {_ms(v.p99)}" for k, v in have.items()}
        met, goal = None, ""
        if sessions == AT and OURS in have:
            met, goal = have[OURS].p50 <= 450, "p50 ≤ 450"
        found.append(Line(group, f"p50 / p95 / p99, {_sessions(sessions)}", goal, cells, met))
    wrong = {k: s.levels for k, s in people.items()}
    early = {
        k: f"{sum(v.early for v in levels.values())} / {sum(v.missed for v in levels.values())}"
        f" of {sum(v.asked for v in levels.values())}"
        for k, levels in wrong.items()
    }
    found.append(Line(group, "begun too early / not answered", "", early))
    return found


def _audio(people: dict[str, Standing]) -> list[Line]:
    group, found = "the agent's audio is late by, ms", list[Line]()
    for sessions in _levels(people):
        have = {k: s.levels[sessions] for k, s in people.items() if sessions in s.levels}
        cells = {k: f"{v.late:.0f} / {v.worst:.0f}" for k, v in have.items()}
        met = have[OURS].worst <= 50 if OURS in have else None
        found.append(Line(group, f"p99 of all / of the worst, {_sessions(sessions)}", "≤ 50", cells, met))
    return found


def _interruptions(people: dict[str, Standing]) -> list[Line]:
    group = "interruption, from its first sound, ms"
    have = {k: s for k, s in people.items() if s.interruptions}
    if not have:
        return []
    ducks = {k: _spread(s.ducks) if s.ducks else "does not" for k, s in have.items()}
    silences = {k: _spread(s.silences) for k, s in have.items()}
    counts = {k: f"{len(s.silences)} of {s.interruptions}" for k, s in have.items()}
    ours = have.get(OURS, Standing())
    duck_met = percentile(ours.ducks, 95) <= 150 if ours.ducks else None
    stop_met = percentile(ours.silences, 95) <= 300 if ours.silences else None
    return [
        Line(group, "voice lowered, p50 / p95", "p95 ≤ 150", ducks, duck_met),
        Line(group, "voice silent, p50 / p95", "p95 ≤ 300", silences, stop_met),
        Line(group, "stopped", "", counts),
    ]


def _size(people: dict[str, Standing]) -> list[Line]:
    memory = {k: s.memory_each for k, s in people.items()}
    tasks = {k: max((v.tasks for v in s.levels.values()), default=math.nan) for k, s in people.items()}
    ours = people.get(OURS, Standing())
    found = [
        Line(
            "size",
            "memory per further session, MB",
            "≤ 0.5",
            {k: "–" if v is None else _number(v) for k, v in memory.items()},
            None if memory.get(OURS) is None else (memory[OURS] or 0.0) <= 0.5,
        ),
        Line(
            "size",
            "asyncio tasks per session",
            "≤ 8",
            {k: f"{v:.1f}" for k, v in tasks.items()},
            tasks[OURS] <= 8 if OURS in tasks else None,
        ),
    ]
    for what, name in (
        ("package", "import of the package"),
        ("application", "import of a small application"),
    ):
        cells = {
            k: f"{c:.2f} s, {m:.0f} MB"
            for k, s in people.items()
            if (cm := s.imports.get(what))
            for c, m in [cm]
        }
        cost = ours.imports.get(what)
        met = None if cost is None else cost[0] <= 0.2 and cost[1] <= 30
        goal = "≤ 0.2 s, ≤ 30 MB" if what == "package" else ""
        found.append(Line("size", f"{name}, CPU and memory", goal, cells, met if what == "package" else None))
    first = {k: f"{s.first_session:.1f} s" for k, s in people.items() if s.first_session}
    found.append(Line("size", "start of the process → first session listens", "", first))
    return found


def _levels(people: dict[str, Standing]) -> list[int]:
    return sorted({n for s in people.values() for n in s.levels})


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _spread(values: list[float]) -> str:
    return f"{_ms(percentile(values, 50))} / {_ms(percentile(values, 95))}" if values else "–"


def _ms(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}"


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


Cell = Callable[[Level], str]
