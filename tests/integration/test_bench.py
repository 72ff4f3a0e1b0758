"""The benchmark runs and its JSON has the shape that readers rely on. How fast it was is no matter here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from bench.compare import contenders, plan
from bench.compare.main import prepared
from bench.compare.summary import summarise

ROOT = Path(__file__).parents[2]
PARTS = {"imports", "session_start"}


def test_the_benchmark_tells_machine_goals_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "bench",
        "own",
        "--quick",
        "--only",
        ",".join(sorted(PARTS)),
        "--json",
        str(path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stderr
    assert "create_session + start" in done.stdout
    told = json.loads(path.read_text(encoding="utf-8"))
    assert told["quick"] is True
    assert {"processor", "memory", "system", "packages"} <= told["machine"].keys()
    assert told["parts"].keys() == PARTS
    for part in told["parts"].values():
        assert part["data"]
        for figure in part["figures"]:
            assert figure.keys() == {"name", "value", "unit", "goal", "note", "met"}
            assert figure["value"] > 0
            expected = None if figure["goal"] is None else figure["value"] <= figure["goal"]
            assert figure["met"] is expected
    goals = [f["goal"] for part in told["parts"].values() for f in part["figures"] if f["goal"] is not None]
    assert sorted(set(goals)) == [30, 50, 200]


def test_an_unknown_part_is_refused() -> None:
    command = [sys.executable, "-m", "bench", "own", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55)
    assert done.returncode == 2
    assert "nothing: known are imports" in done.stderr


def test_a_driver_of_the_comparison_answers_and_counts(tmp_path: Path) -> None:
    """Ours on the comparison's timeline; the peers' drivers need environments that only scripts/bench makes."""
    speech, cycle = prepared()
    job = plan.job(plan.Run("beluga", "turns", 2, warmup=1.0, seconds=cycle), speech, cycle, "asyncio")
    result = contenders.run("beluga", job, timeout=50)
    assert result["system"] == "beluga-voice"
    assert len(result["turns"]) >= 1
    assert all(t["latency"] is not None and t["latency"] > 0.1 for t in result["turns"])
    assert 0.2 < result["speaking_share"] < 0.45
    assert 0 < result["tasks"] <= 8
    assert result["audio"]["count"] == sum(result["audio"]["histogram"]) > 0


def test_the_comparison_sums_up_what_drivers_measured() -> None:
    def measured(latencies: list[float | None], cpu: float, late: float = 0.0) -> dict[str, object]:
        lateness = {"p99": late, "each_p99": [late]}
        return {
            "version": "1",
            "settings": "defaults",
            "sessions": 2,
            "cpu_seconds": cpu,
            "wall_seconds": 10.0,
            "tasks": 4.0,
            "first_session_seconds": 1.0,
            "memory": {"settled": {"uss": 20.0}},
            "audio": lateness,
            "microphone": lateness,
            "turns": [{"latency": v, "early": False} for v in latencies],
        }

    few, many = (plan.Run("livekit", "turns", n, 0.0, 10.0) for n in (2, 8))
    standing = summarise(
        [
            (few, measured([0.5, 0.51], 0.4)),
            (few, measured([0.5, 0.52], 0.6)),
            (many, measured([0.5, 0.9, None], 4.0)),
        ]
    )["livekit"]
    assert standing.levels[2].cpu == pytest.approx(5.0)
    assert standing.levels[2].cpu_each == pytest.approx(2.5)
    assert standing.levels[2].p50 == pytest.approx(505.0)
    assert standing.levels[8].missed == 1
    assert standing.capacity == (2, 8)
