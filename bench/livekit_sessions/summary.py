"""From runs to figures: medians over repetitions, latencies of all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.figures import median

__all__ = ["Level", "Standing", "summarise"]


@dataclass(slots=True)
class Level:
    """One contender at one number of sessions.

    Attributes:
        cpu: percent of a core for each session, the whole process tree.
        server_cpu: the same of the LiveKit server, callers' traffic included.
        uss: MB for each session that no other process has, above the tree without sessions.
        pss: the same with shared pages shared out.
        threads: of the tree.
        latencies: from the end of speech to the first sound heard, in ms.
        early: answers that began while the caller was speaking.
        asked: utterances.
        audible: from the job to the first sound heard, in ms.
    """

    sessions: int
    cpu: float
    server_cpu: float
    uss: float
    pss: float
    threads: float
    latencies: list[float]
    early: int
    asked: int
    audible: list[float]

    @property
    def missed(self) -> int:
        """Utterances without an answer."""
        return self.asked - self.early - len(self.latencies)


@dataclass(slots=True)
class Standing:
    """All that is known of one contender; ``idle`` is the tree's ``pss`` without sessions, ``ready`` its start in s."""

    version: str = ""
    idle: float = 0.0
    ready: float = 0.0
    levels: dict[int, Level] = field(default_factory=dict[int, Level])
    failures: list[str] = field(default_factory=list[str])

    @property
    def top(self) -> Level | None:
        """At the most sessions."""
        return self.levels[max(self.levels)] if self.levels else None


def summarise(results: list[tuple[str, dict[str, Any]]]) -> dict[str, Standing]:
    """Figures by contender."""
    standings: dict[str, Standing] = {}
    for key in dict.fromkeys(key for key, _ in results):
        own = [r for k, r in results if k == key]
        standings[key] = Standing(
            own[0]["version"],
            median([r["memory"]["before"]["pss"] for r in own]),
            median([r["ready_seconds"] for r in own]),
            {
                n: _level(n, [r for r in own if r["sessions"] == n])
                for n in sorted({r["sessions"] for r in own})
            },
        )
    return standings


def _level(sessions: int, runs: list[dict[str, Any]]) -> Level:
    def each(name: str) -> float:
        return median([100 * r[name] / r["wall_seconds"] / sessions for r in runs])

    def memory(kind: str) -> float:
        return median([(r["memory"]["busy"][kind] - r["memory"]["before"][kind]) / sessions for r in runs])

    turns = [t for r in runs for t in r["turns"]]
    return Level(
        sessions,
        cpu=each("cpu_seconds"),
        server_cpu=each("server_cpu_seconds"),
        uss=memory("uss"),
        pss=memory("pss"),
        threads=median([r["threads"] for r in runs]),
        latencies=[1000 * t["latency"] for t in turns if t["latency"] is not None],
        early=sum(t["early"] for t in turns),
        asked=len(turns),
        audible=[1000 * a for r in runs for a in r["audible"]],
    )
