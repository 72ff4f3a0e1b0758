"""``python -m bench``: the peers beside us; ``own``: our figures; ``load``: many sessions; ``turns``: pauses;
``livekit``: rooms of a LiveKit server, livekit-agents beside us; ``noise``: barge-in where it is not quiet.
"""

from __future__ import annotations

import sys


def main() -> int:
    arguments = sys.argv[1:]
    match arguments[:1]:
        case ["own"]:
            from bench.own import main as own

            return own(arguments[1:])
        case ["load"]:
            from bench.load import main as load

            return load(arguments[1:])
        case ["profile"]:
            from bench.profile import main as profile

            return profile(arguments[1:])
        case ["turns"]:
            from bench.turns import main as turns

            return turns(arguments[1:])
        case ["noise"]:
            from bench.barge_in_noise import main as noise

            return noise(arguments[1:])
        case ["livekit"]:
            from bench.livekit_sessions.main import main as livekit

            return livekit(arguments[1:])
        case _:
            from bench.compare.main import main as compare

            return compare(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
