"""The command line: ``beluga-voice demo | talk | serve | worker | livekit | providers | doctor | replay | version``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Status: 0 done, 1 failed, 2 wrong use or configuration, 130 stopped by Ctrl-C, 143 stopped by SIGTERM.

    Args:
        arguments: instead of those of this process, which then is the caller's: `SystemExit` is raised whatever its
            threads do.
    """
    from beluga_voice.cli.app import run

    status = run(sys.argv[1:] if arguments is None else list(arguments))
    if arguments is None:
        from beluga_voice.cli.ending import end_process

        end_process(status)
    sys.exit(status)
