"""Every example runs as a user would run it; so does the README's code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PRINTS = {
    "01_one_function.py": ["transcript: what time do you open on saturday", "ten to two", "answered after"],
    "02_agent_with_tools.py": ["find_table ended table 4 is free", "Table four is yours"],
    "03_your_own_server.py": ["answered over voice/ws"],
    "06_speech_to_speech.py": [
        "user:  Do you have a table",
        "agent: Let me look. Yes, table 4 is free.",
        "answered after",
    ],
}
# Examples that need somebody to talk to have a test of their own.
ELSEWHERE = {"04_livekit_room.py", "05_livekit_worker.py", "07_group_room.py"}


def run(code: str | Path, cwd: Path) -> str:
    command = [sys.executable, str(code)] if isinstance(code, Path) else [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.name not in ELSEWHERE], ids=lambda p: p.name)
def test_example(path: Path, tmp_path: Path) -> None:
    out = run(path, tmp_path)
    for text in PRINTS[path.name]:
        assert text in out
    assert len(path.read_text().splitlines()) <= 60


@pytest.mark.parametrize("name", ["README.md", "docs/s2s.md"])
def test_code_in_the_docs(name: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.S)
    assert blocks
    for block in blocks:
        run(block, tmp_path)
