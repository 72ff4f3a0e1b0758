"""Which runs there are, in which order: ours and the peers take turns, so that noise hits all alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bench.compare.contenders import FLOOR, OURS

__all__ = ["BARGE", "FAKES", "Run", "job", "plan"]

Kind = Literal["turns", "barge_in", "import"]
# Seconds; the same for everybody.
FAKES: dict[str, Any] = {
    "stt_partial": 0.1,
    "stt_final": 0.2,
    "llm_first": 0.2,
    "llm_token": 0.01,
    "tts_first": 0.1,
    "reply": "We are open from nine to five every day of the week.",
    "reply_seconds": 2.2,
}
_LONG_REPLY = {
    "reply": " ".join(["We are open from nine to five every day of the week."] * 4),
    "reply_seconds": 10.0,
}
# People who interrupt, in one process.
BARGE = 4


@dataclass(frozen=True, slots=True)
class Run:
    """One process that measures one thing."""

    contender: str
    kind: Kind
    sessions: int
    warmup: float
    seconds: float

    @property
    def estimate(self) -> float:
        """Seconds it will about take."""
        if self.kind == "import":
            return 3.0
        return 7.0 + 0.03 * self.sessions + self.warmup + self.seconds


def plan(quick: bool, peers: tuple[str, ...]) -> list[Run]:
    """The runs of one measurement.

    Args:
        quick: under five minutes, or as long as it takes.
        peers: keys of contenders besides ours.
    """
    everybody = (OURS, *peers)
    runs: list[Run] = []
    if quick:
        runs += [Run(c, "import", 1, 0, 0) for c in everybody if c != "pipecat-timeout"]
        runs += [Run(c, "turns", 1, 2.0, 7.0) for c in everybody if c != "pipecat-timeout"]
        runs += [Run(c, "turns", 10, 3.0, 13.0) for c in (*everybody, FLOOR)]
        runs += [Run(c, "barge_in", BARGE, 3.0, 11.0) for c in everybody if c != "pipecat-timeout"]
        runs += [Run(c, "turns", 40, 3.0, 13.0) for c in everybody if c in (OURS, "livekit")]
        runs += [Run(OURS, "turns", 200, 4.0, 13.0)]
        return runs
    for turn in range(3):
        order = everybody if turn % 2 == 0 else everybody[::-1]
        runs += [Run(c, "import", 1, 0, 0) for c in order]
        for sessions in (1, 10, 40):
            runs += [Run(c, "turns", sessions, 7.0, 26.0) for c in (*order, FLOOR)]
        for sessions in (20, 60, 100, 200):
            runs += [Run(c, "turns", sessions, 7.0, 26.0) for c in order]
        runs += [Run(c, "barge_in", BARGE, 8.0, 40.0) for c in order]
        runs += [Run(FLOOR, "turns", n, 7.0, 26.0) for n in (100, 200) if turn == 0]
    return runs


def job(run: Run, speech: dict[str, Any], cycle: float, loop: str) -> dict[str, Any]:
    """What the driver is told."""
    fakes = FAKES | _LONG_REPLY if run.kind == "barge_in" else FAKES
    return {
        **speech,
        **fakes,
        "mode": run.kind,
        "sessions": run.sessions,
        "warmup": run.warmup,
        "seconds": run.seconds,
        "cycle": cycle,
        "loop": loop,
    }
