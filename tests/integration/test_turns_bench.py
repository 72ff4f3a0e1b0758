"""The turn-taking bench runs, and its files hold what the documentation draws from them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(240)
def test_a_few_sentences_are_spoken_to_the_real_pipeline(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "turns", "--set", "fresh", "--each", "2", "--at-once", "6"]
    command += ["--settings", "defaults", "--no-real", "--peers", "", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=220)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "turns.json").read_text(encoding="utf-8"))
    (row,) = told["rows"]
    kinds = ("finished@0", "open@0.4", "open@0.8", "unfinished@0.4", "unfinished@0.8")
    assert sorted(row["cuts"]) == sorted(f"{part}{kind}" for part in ("", "fresh ") for kind in kinds)
    assert [count for _, count in row["cuts"].values()] == [2] * 10
    assert row["unanswered"] == 0
    assert (tmp_path / "turns.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "Beluga Voice" in (tmp_path / "turns.md").read_text(encoding="utf-8")
