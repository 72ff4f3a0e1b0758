"""``import beluga_voice`` in fresh processes: how long until it is there, and how much memory it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from bench.figures import Result, median

__all__ = ["measure"]

_PROGRAM = """
import time
began = time.perf_counter()
import beluga_voice as bv
bv.Config
took = time.perf_counter() - began
import json, os
pages = int(open("/proc/self/statm").read().split()[1])
print(json.dumps([took, pages * os.sysconf("SC_PAGE_SIZE") / 1e6]))
"""


def measure(quick: bool) -> Result:
    """Median of fresh processes; the goal is on the whole process, interpreter and all."""
    _run(_PROGRAM)  # the first one may compile, and reads files that were not in memory
    runs = [_run(_PROGRAM) for _ in range(3 if quick else 7)]
    bare = [_run("print('[0, 0]')")[0] for _ in range(3)]
    result = Result(data={"process_s": [r[0] for r in runs], "import_s": [r[1] for r in runs]})
    inside, empty = median([r[1] for r in runs]), median(bare)
    note = f"the import itself {inside * 1000:.0f} ms, an empty interpreter {empty * 1000:.0f} ms"
    result.add("import: process start to end", median([r[0] for r in runs]) * 1000, "ms", 200, note)
    result.add("import: memory of the process", median([r[2] for r in runs]), "MB", 30)
    return result


def _run(program: str) -> tuple[float, float, float]:
    """Seconds of the whole process, seconds of the import, MB."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    took = time.perf_counter() - began
    inside, memory = json.loads(done.stdout)
    return took, inside, memory
