"""From runs to figures: medians over repetitions, latencies of all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.compare.plan import Run
from bench.figures import median, percentile

__all__ = ["SPREAD_MS", "Level", "Standing", "summarise"]

# Sessions are carried while the 95th percentile of the answers is within this of their median.
SPREAD_MS = 50.0
_FULL = 97.0  # percent of a core: an event loop that has no more to give


@dataclass(slots=True)
class Level:
    """One contender at one number of sessions.

    Attributes:
        cpu: percent of a core in all, median of the runs.
        latencies: of all answers, in ms.
        early: answers that began while the person was speaking.
        asked: utterances.
        late: 99th percentile of the lateness of the agent's audio, in ms.
        lag: the same of the microphone: how late the event loop took a frame.
        worst: the largest 99th percentile of a single session's audio.
        tasks: of asyncio per session, at most.
        uss: private memory at the end, in MB.
    """

    sessions: int
    cpu: float
    latencies: list[float]
    early: int
    asked: int
    late: float
    lag: float
    worst: float
    tasks: float
    uss: float

    @property
    def cpu_each(self) -> float:
        """Percent of a core per session."""
        return self.cpu / self.sessions

    @property
    def p50(self) -> float:
        return percentile(self.latencies, 50) if self.latencies else float("nan")

    @property
    def p95(self) -> float:
        return percentile(self.latencies, 95) if self.latencies else float("nan")

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 99) if self.latencies else float("nan")

    @property
    def missed(self) -> int:
        """Utterances without an answer."""
        return self.asked - self.early - len(self.latencies)


@dataclass(slots=True)
class Standing:
    """All that is known of one contender."""

    version: str = ""
    settings: str = ""
    levels: dict[int, Level] = field(default_factory=dict[int, Level])
    imports: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    first_session: float = 0.0
    ducks: list[float] = field(default_factory=list[float])
    silences: list[float] = field(default_factory=list[float])
    interruptions: int = 0
    failures: list[str] = field(default_factory=list[str])

    @property
    def capacity(self) -> tuple[int, int | None]:
        """The most sessions that were carried, and the next number, which was not (None if there is none)."""
        carries_all = {n: carries(level, self.base) for n, level in self.levels.items()}
        carried = max((n for n, well in carries_all.items() if well), default=0)
        too_many = min((n for n in carries_all if n > carried), default=None)
        return carried, too_many

    @property
    def base(self) -> Level | None:
        """At the fewest sessions."""
        return self.levels[min(self.levels)] if self.levels else None

    @property
    def memory_each(self) -> float | None:
        """MB of private memory per further session, between the fewest and the most that were carried."""
        levels = sorted(self.levels)
        top = max((n for n in levels if n <= max(10, self.capacity[0])), default=0)
        low = levels[0] if levels else 0
        if top <= low:
            return None
        return (self.levels[top].uss - self.levels[low].uss) / (top - low)


def carries(level: Level, base: Level | None) -> bool:
    """Whether answers come evenly. What spreads them without any load (a turn model's mind) does not count."""
    if not level.latencies or level.missed > max(1, 0.01 * level.asked) or level.cpu > 2 * _FULL:
        return False
    spread = SPREAD_MS
    if base is not None and base.latencies:
        spread = max(spread, SPREAD_MS + base.p95 - base.p50)
    return level.p95 - level.p50 <= spread


def summarise(results: list[tuple[Run, dict[str, Any]]]) -> dict[str, Standing]:
    """Figures by contender."""
    standings: dict[str, Standing] = {}
    for key in dict.fromkeys(run.contender for run, _ in results):
        own = [(run, r) for run, r in results if run.contender == key]
        full = next((r for run, r in own if run.kind != "import"), {})
        standing = standings[key] = Standing(full.get("version", ""), full.get("settings", ""))
        for run, r in own:
            if run.kind == "barge_in":
                standing.ducks += [1000 * i["duck"] for i in r["interruptions"] if i["duck"] is not None]
                standing.silences += [
                    1000 * i["silence"] for i in r["interruptions"] if i["silence"] is not None
                ]
                standing.interruptions += len(r["interruptions"])
        imports = [r for run, r in own if run.kind == "import"]
        for what in ("package", "application") if imports else ():
            cpu, rss = median([r[what]["cpu"] for r in imports]), median([r[what]["rss"] for r in imports])
            standing.imports[what] = (cpu, rss)
        turns = [(run, r) for run, r in own if run.kind == "turns"]
        if turns:
            standing.first_session = median([r["first_session_seconds"] for _, r in turns])
        for sessions in sorted({run.sessions for run, _ in turns}):
            standing.levels[sessions] = _level(sessions, [r for run, r in turns if run.sessions == sessions])
    return standings


def _level(sessions: int, results: list[dict[str, Any]]) -> Level:
    turns = [t for r in results for t in r["turns"]]
    return Level(
        sessions=sessions,
        cpu=median([100 * r["cpu_seconds"] / r["wall_seconds"] for r in results]),
        latencies=[1000 * t["latency"] for t in turns if t["latency"] is not None],
        early=sum(t["early"] for t in turns),
        asked=len(turns),
        late=1000 * median([r["audio"]["p99"] for r in results]),
        lag=1000 * median([r["microphone"]["p99"] for r in results]),
        worst=1000 * median([max(r["audio"]["each_p99"], default=0.0) for r in results]),
        tasks=max(r["tasks"] for r in results),
        uss=median([r["memory"]["settled"]["uss"] for r in results]),
    )
