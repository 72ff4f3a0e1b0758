"""The bench of barge-in in noise runs, and its files hold what the documentation draws from them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(240)
def test_a_person_in_a_room_that_echoes(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bench",
        "noise",
        "--runs",
        "1",
        "--only",
        "echo -20",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=220)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "barge-in-noise.json").read_text(encoding="utf-8"))
    cancelled, bare = told["rows"]
    assert (cancelled["name"], bare["name"]) == ("echo -20 dB, canceller", "echo -20 dB, none")
    assert (cancelled["runs"], cancelled["false"], cancelled["missed"]) == (1, 0, 0)
    assert 100 < cancelled["silence_p50_ms"] < 1000
    assert bare["false"] == 1, "the echo is loud enough to matter"
    table = (tmp_path / "barge-in-noise.md").read_text(encoding="utf-8")
    assert "| echo -20 dB, canceller | 0 of 1 |" in table
