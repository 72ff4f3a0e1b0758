"""Short silences inside a voice, told at once: a model can begin to think while we wait whether the user goes on."""

from __future__ import annotations

from beluga_voice.core.realtime_words import SpeechPaused, SpeechResumed
from beluga_voice.core.voice_activity import VoiceSettings

__all__ = ["Pauses"]


class Pauses:
    """Watches the VAD's windows beside `beluga_voice.core.voice_activity.VoiceActivity`, which waits longer.

    Args:
        after: this much silence is a pause, in seconds. One window of the VAD: in the built-in voice's questions two
            windows find no fewer pauses, and cost 32 ms of every answer.
        settings: thresholds on the VAD's probability.
    """

    def __init__(self, after: float = 0.03, settings: VoiceSettings | None = None) -> None:
        self._after = after
        self._settings = settings or VoiceSettings()
        self._paused = False
        self._last = 0.0

    def push(
        self, probability: float, end: float, length: float, voiced: bool
    ) -> SpeechPaused | SpeechResumed | None:
        """Takes one window.

        Args:
            probability: that it holds speech, 0 to 1.
            end: when it ended, in seconds on the session's timeline.
            length: in seconds.
            voiced: whether a voice is under way, by the VAD's slower judgement.

        Returns:
            The beginning or end of a pause, if this window decided it.
        """
        if not voiced:
            self._paused, self._last = False, end
            return None
        s = self._settings
        if probability >= (s.on if self._paused else s.off):
            self._last = end
            if self._paused:
                self._paused = False
                return SpeechResumed(end - length)
        elif not self._paused and end - self._last >= self._after - 1e-6:
            self._paused = True
            return SpeechPaused(self._last)
        return None
