"""The code in docs/barge-in.md runs as it is written, and its table is the one that was measured."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "barge-in.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
PRINTS = {0: "True True False\nTrue True\n", 3: "[]\n"}


@pytest.mark.parametrize("number", range(len(CODE)))
def test_the_code_runs(number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE[number]], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTS.get(number, "")


def test_the_table_is_the_one_that_was_measured() -> None:
    measured = (ROOT / "bench" / "results" / "barge-in-noise.md").read_text(encoding="utf-8")
    table = measured.split("\n\n")[0]
    assert table.count("\n") > 8
    assert table in DOCS
