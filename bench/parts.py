"""The measurements, each run in a process of its own, so that none finds what another has loaded."""

from __future__ import annotations

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from bench.figures import Result

__all__ = ["PARTS", "measure"]

PARTS = (
    "imports",
    "session_start",
    "demo_ready",
    "latency",
    "s2s_latency",
    "barge_in",
    "memory",
    "vad_cost",
    "livekit_echo",
    "livekit_worker",
)
_DEADLINE = 600.0


def measure(part: str, *, quick: bool) -> Result:
    """Runs one of `PARTS`."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_call, part, quick).result(timeout=_DEADLINE)


def _call(part: str, quick: bool) -> Result:
    result: Result = importlib.import_module(f"bench.{part}").measure(quick)
    return result
