"""What an agent program of the LiveKit bench is told, and how it answers.

The job is a file named by ``BENCH_JOB``, because the frameworks' own child processes read it too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["entry_of", "read_job", "tell"]


def read_job() -> dict[str, Any]:
    """The job."""
    return json.loads(Path(os.environ["BENCH_JOB"]).read_text())


def entry_of(job: dict[str, Any], room: str) -> dict[str, Any]:
    """What the caller of a room says, again and again."""
    return job["utterances"][int(room.rpartition("-")[2]) % len(job["utterances"])]


def tell(**facts: Any) -> None:
    """Tells the bench something, with the time."""
    line = json.dumps({"bench": True, "at": time.monotonic(), **facts})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
