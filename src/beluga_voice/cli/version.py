"""``version``: what is installed, for a bug report."""

from __future__ import annotations

import json as jsonlib
import platform
import sys

from beluga_voice import __version__

__all__ = ["version"]


def version(*, json: bool = False) -> int:
    """Show the versions of Beluga Voice and Python, and the platform.

    Args:
        json: print JSON.
    """
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
    if json:
        sys.stdout.write(jsonlib.dumps(facts) + "\n")
    else:
        sys.stdout.write(f"beluga-voice {facts['version']}, Python {facts['python']}, {facts['platform']}\n")
    return 0
