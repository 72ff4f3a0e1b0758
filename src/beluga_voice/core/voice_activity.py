"""From a stream of speech probabilities to the moments where a voice begins and ends."""

from __future__ import annotations

from dataclasses import dataclass

from beluga_voice.core.inputs import SpeechEnded, SpeechPaused, SpeechResumed, SpeechStarted

__all__ = ["VoiceActivity", "VoiceEvent", "VoiceSettings"]

VoiceEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """Thresholds on the VAD's probability, and times in seconds.

    Attributes:
        on: a window above this may begin speech.
        sure: a window above this counts double.
        off: a window below this may end speech.
        min_speech: this much speech in a row begins a voice.
        hangover: this much silence ends it; short, because the turn core does the waiting.
    """

    on: float = 0.5
    sure: float = 0.85
    off: float = 0.35
    min_speech: float = 0.06
    hangover: float = 0.16


class VoiceActivity:
    """Hysteresis over the windows of one speaker.

    Args:
        settings: thresholds.
    """

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self._settings = settings or VoiceSettings()
        self.voiced = False
        self._speech = 0.0
        self._onset = 0.0
        self._last_voice = 0.0
        self._paused = False

    def end(self) -> SpeechEnded | None:
        """No more audio comes: a voice that was on ended with its last window."""
        voiced, self.voiced, self._speech = self.voiced, False, 0.0
        return SpeechEnded(self._last_voice) if voiced else None

    def push(self, probability: float, end: float, length: float) -> VoiceEvent | None:
        """Takes one window.

        Args:
            probability: that it holds speech, 0 to 1.
            end: when it ended, in seconds on the session's timeline.
            length: in seconds.

        Returns:
            The beginning or end of a voice if this window decided it, or that the voice pauses or goes on.
        """
        s = self._settings
        if self.voiced:
            if probability >= s.off:
                self._last_voice = end
                resumed, self._paused = self._paused, False
                return SpeechResumed(end - length) if resumed else None
            if end - self._last_voice >= s.hangover - 1e-6:
                self.voiced = False
                self._speech = 0.0
                return SpeechEnded(self._last_voice)
            if not self._paused:
                self._paused = True
                return SpeechPaused(self._last_voice)
            return None
        if probability < s.on:
            self._speech = 0.0
            return None
        if self._speech == 0.0:
            self._onset = end - length
        self._speech += length * (2 if probability >= s.sure else 1)
        if self._speech < s.min_speech:
            return None
        self.voiced, self._paused = True, False
        self._last_voice = end
        return SpeechStarted(self._onset)
