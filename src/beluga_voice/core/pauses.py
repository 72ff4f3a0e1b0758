"""How long a speaker's own pauses are, learned while the conversation goes on."""

from __future__ import annotations

import math

__all__ = ["PACE_BOUNDS", "adapt_pace"]

# Four of five pauses inside most people's turns are shorter than this, of those a detector notices at all.
_TYPICAL = 0.7
_SHARE = 0.8
# One pause moves the estimate by a sixth at most, so an interruption at the speaker's end does not spoil it.
_STEP = 0.2
_SHORTEST = 0.15
PACE_BOUNDS = (0.7, 2.0)
"""Nobody is waited for more than twice as long, or less than 0.7 times as long, as others."""


def adapt_pace(pace: float, pause: float) -> float:
    """The pace after one more pause inside a turn; 1 is most people's, 2 somebody who pauses twice as long.

    A running estimate of the 80th percentile: it rises by a large step for each pause above it and falls by a small
    one for each below, whatever their lengths, so that outliers count no more than others.

    Args:
        pace: so far.
        pause: from the last voice to the next one of the same turn, in seconds.
    """
    if pause < _SHORTEST:
        return pace
    above = pause > _TYPICAL * pace
    moved = pace * math.exp(_STEP * (_SHARE if above else _SHARE - 1.0))
    return min(PACE_BOUNDS[1], max(PACE_BOUNDS[0], moved))
