"""How long to wait in silence before the turn is the agent's."""

from __future__ import annotations

import math

from beluga_voice.core.settings import TurnSettings

__all__ = ["combine", "endpointing_delay"]

# Below the first the words are plainly unfinished, above the second plainly finished; between, the delay
# falls geometrically, because what matters is the ratio of waiting, not the difference.
_UNFINISHED, _FINISHED = 0.12, 0.75
# Words that plainly go on veto what the sound says: a falling pitch cannot finish "a table for".
_VETO, _VETOED_WEIGHT = 0.25, 0.15
_SURE = 0.98


def combine(words: float, sound: float | None) -> float:
    """One probability that the turn is complete, from the words' and the sound's: their log odds are added.

    Each is a judgement of its own kind of evidence that says 0.5 where it knows nothing, so a cautious detector moves
    the words little.

    Args:
        words: of `beluga_voice.core.completeness`.
        sound: of a `TurnDetector`, or None if there is none.
    """
    if sound is None:
        return words
    weight = _VETOED_WEIGHT if words <= _VETO else 1.0
    odds = _log_odds(words) + weight * _log_odds(sound)
    return 1.0 / (1.0 + math.exp(-odds))


def _log_odds(p: float) -> float:
    p = min(_SURE, max(1.0 - _SURE, p))
    return math.log(p / (1.0 - p))


def endpointing_delay(probability: float, settings: TurnSettings, pace: float = 1.0) -> float:
    """Seconds of silence after the last voice until the turn is taken.

    Args:
        probability: that the turn is complete, 0 to 1; see `combine`.
        settings: bounds.
        pace: how long this speaker's own pauses are against most people's; see `beluga_voice.core.pauses`. It counts
            where the probability leaves the matter open.

    Returns:
        Between ``min_endpointing_delay`` and ``max_endpointing_delay``, falling as the probability rises.
    """
    share = min(1.0, max(0.0, (probability - _UNFINISHED) / (_FINISHED - _UNFINISHED)))
    low, high = settings.min_endpointing_delay, settings.max_endpointing_delay
    delay = high * (1 - share) if low <= 0 else high * (low / high) ** share
    return min(high, max(low, delay * pace ** min(1.0, 2 * (1 - share))))
