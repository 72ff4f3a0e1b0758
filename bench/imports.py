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
{statement}
took = time.perf_counter() - began
import json, os
pages = int(open("/proc/self/statm").read().split()[1])
print(json.dumps([took, pages * os.sysconf("SC_PAGE_SIZE") / 1e6]))
"""


_PLAIN = "import beluga_voice"
_CONFIG = "import beluga_voice as bv; bv.Config"  # names are loaded when they are first used


def measure(quick: bool) -> Result:
    """Median of fresh processes; the goal is on the whole process, interpreter and all."""
    count = 3 if quick else 7
    result = Result()
    bare = median([_run("pass")[0] for _ in range(count)])
    result.data["interpreter_s"] = bare
    for name, statement in (("import beluga_voice", _PLAIN), ("import and Config", _CONFIG)):
        _run(statement)  # the first one may compile, and reads files that were not in memory
        runs = [_run(statement) for _ in range(count)]
        inside = median([r[1] for r in runs]) * 1000
        note = f"the import itself {inside:.0f} ms, an empty interpreter {bare * 1000:.0f} ms"
        result.add(f"{name}: whole process", median([r[0] for r in runs]) * 1000, "ms", 200, note)
        result.add(f"{name}: its memory", median([r[2] for r in runs]), "MB", 30)
        result.data[statement] = [{"process_s": r[0], "import_s": r[1], "mb": r[2]} for r in runs]
    return result


def _run(statement: str) -> tuple[float, float, float]:
    """Seconds of the whole process, seconds of the import, MB."""
    program = _PROGRAM.replace("{statement}", statement)
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    took = time.perf_counter() - began
    inside, memory = json.loads(done.stdout)
    return took, inside, memory
