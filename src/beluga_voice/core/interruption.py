"""Is a sound over the agent's voice an interruption, a listener's response or nothing?"""

from __future__ import annotations

from enum import Enum

from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.words import asks_to_stop, content_words, is_answer, is_backchannel

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
    ECHO = "echo"


def length_limit(text: str, settings: TurnSettings) -> float:
    """Seconds after which a voice is an interruption whatever it says, given the words so far."""
    language = settings.language
    by_length_alone = settings.min_interruption_words == 0 and not is_backchannel(text, language)
    return settings.interrupt_after * (1.0 if by_length_alone or content_words(text, language) else _PATIENCE)


def judge(
    *,
    text: str,
    voiced_for: float,
    ended: bool,
    final: bool,
    settings: TurnSettings,
    echo: bool = False,
    asked: bool = False,
    steady: bool = True,
) -> Verdict:
    """Judges speech over the agent.

    Args:
        text: what was recognised of it so far, the agent's own words left out.
        voiced_for: how long the voice has lasted, in seconds.
        ended: the voice has stopped.
        final: ``text`` will not change any more.
        settings: thresholds.
        echo: the agent's own words were recognised.
        asked: the agent has just asked a question, which a "yes" answers.
        steady: a recogniser that is still listening no longer changes its mind about how ``text`` begins.
    """
    language = settings.language
    if asks_to_stop(text, language) or (asked and is_answer(text, language)):
        return Verdict.INTERRUPTION
    words = content_words(text, language)
    if words and words >= settings.min_interruption_words and (final or steady):
        return Verdict.INTERRUPTION
    only_echo = echo and not text.strip()
    if not ended:
        too_long = voiced_for >= length_limit(text, settings) and not only_echo
        return Verdict.INTERRUPTION if too_long else Verdict.UNDECIDED
    if not final:
        return Verdict.UNDECIDED
    if only_echo:
        return Verdict.ECHO
    return Verdict.BACKCHANNEL if text.strip() else Verdict.NOTHING
