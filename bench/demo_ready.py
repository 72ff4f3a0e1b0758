"""``beluga-voice demo``: from the start of the process until the page answers."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request

from bench.figures import Result, median

__all__ = ["measure"]

_URL = re.compile(rb"http://127\.0\.0\.1:\d+")
_DEADLINE = 60.0


def measure(quick: bool) -> Result:
    runs = [_run() for _ in range(1 if quick else 3)]
    result = Result(data={"ready_s": runs})
    note = "models are loaded by then" + (f"; median of {len(runs)}" if len(runs) > 1 else "")
    result.add("demo: process start to page", median(runs), "s", 3, note)
    return result


def _run() -> float:
    command = [sys.executable, "-m", "beluga_voice", "demo", "--no-browser", "--port", "0"]
    began = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        url = _url(server)
        with urllib.request.urlopen(url, timeout=10) as page:
            assert page.status == 200 and page.read(), url
        return time.perf_counter() - began
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()


def _url(server: subprocess.Popen[bytes]) -> str:
    assert server.stdout is not None
    said = b""
    end = time.monotonic() + _DEADLINE
    while time.monotonic() < end:
        line = server.stdout.readline()
        said += line
        if found := _URL.search(said):
            return found[0].decode()
        if not line:
            break
    raise RuntimeError(f"demo did not say where it is:\n{said.decode(errors='replace')}")
