"""The end of the program, which no thread may hold up or turn into a crash."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading

__all__ = ["end_process"]

_DEADLINE = 3.0


def end_process(status: int) -> None:
    """Ends this process now where its usual end could hang or crash; returns where that is safe.

    A thread of an entry point that never ends would hold the exit up for ever, and native threads of the LiveKit SDK
    abort the process when they find the interpreter gone. What was registered to happen at exit happens, and what was
    logged and printed is written.

    Args:
        status: of the process.
    """
    threads = [t for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]
    if not threads and "livekit.rtc" not in sys.modules:
        return
    registered = threading.Thread(target=_run_registered, name="at-exit", daemon=True)
    registered.start()
    registered.join(_DEADLINE)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # whoever read it has left
            status = status or 1
    os._exit(status)


def _run_registered() -> None:
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
