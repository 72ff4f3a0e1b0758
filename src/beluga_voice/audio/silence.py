"""Tells plain silence from what is worth a model: the level has stayed at the room's own noise for a while.

The noise floor is the softest window of the last one to two seconds (minimum statistics, after R. Martin, 2001), so
it follows a fan that is switched on within two seconds, and speech, which is never that even, cannot raise it.
"""

from __future__ import annotations

__all__ = ["Gate"]

# Softer than this (mean square on the 16-bit scale) is silence whatever the floor: −66 dBFS.
_NOTHING = (32768 * 10 ** (-66 / 20)) ** 2
# Louder than this is never silence, however even: −48 dBFS, a person far from the microphone.
_SOMETHING = (32768 * 10 ** (-48 / 20)) ** 2
# Even noise keeps within this of its floor: +4 dB, ten standard deviations of a window of white noise.
_EVEN = 10 ** (4 / 10)
_BLOCK = 31  # windows of 32 ms: the floor looks back one block and the one before
_HOLD = 10  # windows of silence in a row before the model may rest
# The model must have been this sure that nobody speaks.
_NOBODY = 0.1


class Gate:
    """Decides window by window whether the model need not be asked.

    Attributes:
        probability: what the model said last; the gate closes only where that was nobody.
    """

    __slots__ = ("_before", "_count", "_low", "_quiet", "probability")

    def __init__(self) -> None:
        self._low = self._before = float("inf")
        self._count = 0
        self._quiet = 0
        self.probability = 1.0

    def silent(self, power: float) -> bool:
        """Takes the next window.

        Args:
            power: mean square of its samples on the 16-bit scale.
        """
        if power < self._low:
            self._low = power
        self._count += 1
        if self._count == _BLOCK:
            self._before, self._low, self._count = self._low, power, 0
        if power > _NOTHING and (
            power > _SOMETHING or power > _EVEN * (self._low if self._low < self._before else self._before)
        ):
            self._quiet = 0
            return False
        self._quiet += 1
        return self._quiet > _HOLD and self.probability < _NOBODY
