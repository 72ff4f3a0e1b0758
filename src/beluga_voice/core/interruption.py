"""Is a sound over the agent's voice an interruption, a listener's response or nothing?"""

from __future__ import annotations

from enum import Enum

from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.words import content_words, is_backchannel

__all__ = ["Verdict", "judge", "length_limit"]

# Sound without a word, or with a listener's response, must last this many times longer. The agent's voice is held
# meanwhile, so nothing is lost by waiting, and a passing lorry does not end its answer.
_PATIENCE = 2.5


class Verdict(Enum):
    """What a sound over the agent is, as far as is known."""

    UNDECIDED = "undecided"
    INTERRUPTION = "interruption"
    BACKCHANNEL = "backchannel"
    NOTHING = "nothing"


def length_limit(text: str, settings: TurnSettings) -> float:
    """Seconds after which a voice is an interruption whatever it says, given the words so far."""
    by_length_alone = settings.min_interruption_words == 0 and not is_backchannel(text)
    return settings.interrupt_after * (1.0 if by_length_alone or content_words(text) else _PATIENCE)


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
    if not ended:
        too_long = voiced_for >= length_limit(text, settings)
        return Verdict.INTERRUPTION if too_long else Verdict.UNDECIDED
    if not final:
        return Verdict.UNDECIDED
    return Verdict.BACKCHANNEL if text.strip() else Verdict.NOTHING
