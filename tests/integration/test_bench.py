"""The benchmark runs and its JSON has the shape that readers rely on. How fast it was is no matter here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = {"imports", "session_start"}


def test_the_benchmark_tells_machine_goals_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "bench",
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
    command = [sys.executable, "-m", "bench", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55)
    assert done.returncode == 2
    assert "nothing: known are imports" in done.stderr
