"""Is a sound over the agent's voice an interruption, a listener's response or nothing?"""

from __future__ import annotations

from enum import Enum

from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.words import content_words, is_backchannel

__all__ = ["Verdict", "judge"]

# A back-channel that goes on this many times longer than an interruption needs is one after all.
_PATIENCE = 2.5


class Verdict(Enum):
    """What a sound over the agent is, as far as is known."""

    UNDECIDED = "undecided"
    INTERRUPTION = "interruption"
    BACKCHANNEL = "backchannel"
    NOTHING = "nothing"


def judge(*, text: str, voiced_for: float, ended: bool, final: bool, settings: TurnSettings) -> Verdict:
    """Judges speech over the agent.

    Args:
        text: what was recognised of it so far.
        voiced_for: how long the voice has lasted, in seconds.
        ended: the voice has stopped.
        final: ``text`` will not change any more.
        settings: thresholds.
    """
    words = content_words(text)
    if words and words >= settings.min_interruption_words:
        return Verdict.INTERRUPTION
    limit = settings.interrupt_after * (_PATIENCE if is_backchannel(text) else 1.0)
    if not ended:
        return Verdict.INTERRUPTION if voiced_for >= limit else Verdict.UNDECIDED
    if not final:
        return Verdict.UNDECIDED
    return Verdict.BACKCHANNEL if text.strip() else Verdict.NOTHING
