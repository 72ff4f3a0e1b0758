"""How long to wait in silence before the turn is the agent's."""

from __future__ import annotations

from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.words import completeness

__all__ = ["endpointing_delay"]

# Below the first the words are plainly unfinished, above the second plainly finished; between, the delay
# falls geometrically, because what matters is the ratio of waiting, not the difference.
_UNFINISHED, _FINISHED = 0.1, 0.7


def endpointing_delay(text: str, probability: float | None, settings: TurnSettings) -> float:
    """Seconds of silence after the last voice until the turn is taken.

    Args:
        text: the turn's words so far.
        probability: a turn detector's judgement that it is complete, 0 to 1, or None.
        settings: bounds.

    Returns:
        Between ``min_endpointing_delay`` and ``max_endpointing_delay``.
    """
    p = completeness(text)
    if probability is not None:
        # Words veto: a detector that hears a falling pitch cannot finish "a table for".
        p = min(p, probability) if p <= 0.2 else (p + 2 * probability) / 3
    share = min(1.0, max(0.0, (p - _UNFINISHED) / (_FINISHED - _UNFINISHED)))
    low, high = settings.min_endpointing_delay, settings.max_endpointing_delay
    if low <= 0:
        return high * (1 - share)
    return high * (low / high) ** share
