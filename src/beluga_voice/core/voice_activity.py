"""From a stream of speech probabilities to the moments where a voice begins and ends."""

from __future__ import annotations

from dataclasses import dataclass

from beluga_voice.core.inputs import (
    SpeechDismissed,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    SpeechSuspected,
)

__all__ = ["VoiceActivity", "VoiceEvent", "VoiceSettings"]

VoiceEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded | SpeechSuspected | SpeechDismissed


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """Thresholds on the VAD's probability, and times in seconds.

    Attributes:
        on: a window above this may begin speech.
        sure: a window above this counts double.
        off: a window below this may end speech.
        suspect: a window above this may be the beginning of a voice, told at once and dismissed if none follows.
        min_speech: this much speech in a row begins a voice.
        suspect_for: a suspicion that lasts for longer is none: there is a noise.
        hangover: this much silence ends it; short, because the turn core does the waiting.
    """

    on: float = 0.5
    sure: float = 0.85
    off: float = 0.35
    suspect: float = 0.35
    min_speech: float = 0.06
    suspect_for: float = 0.1
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
        self._suspected_at: float | None = None
        self._told = False

    def end(self) -> SpeechEnded | SpeechDismissed | None:
        """No more audio comes: a voice that was on ended with its last window."""
        voiced, self.voiced, self._speech = self.voiced, False, 0.0
        suspected = self._forget()
        if voiced:
            return SpeechEnded(self._last_voice)
        return SpeechDismissed(self._last_voice) if suspected else None

    def push(self, probability: float, end: float, length: float) -> VoiceEvent | None:
        """Takes one window.

        Args:
            probability: that it holds speech, 0 to 1.
            end: when it ended, in seconds on the session's timeline.
            length: in seconds.

        Returns:
            The beginning or end of a voice if this window decided it, that one is suspected or no longer, or that the
            voice pauses or goes on.
        """
        if self.voiced:
            return self._follow(probability, end, length)
        s = self._settings
        if probability < s.suspect:
            self._speech = 0.0
            return SpeechDismissed(end) if self._forget() else None
        first = self._suspected_at is None
        if self._suspected_at is None:
            self._suspected_at = end - length
        if probability < s.on:
            self._speech = 0.0
        else:
            if self._speech == 0.0:
                self._onset = end - length
            self._speech += length * (2 if probability >= s.sure else 1)
        lasts = end - self._suspected_at
        if self._speech >= s.min_speech:
            onset = self._suspected_at if lasts <= s.suspect_for else self._onset
            self.voiced, self._paused = True, False
            self._last_voice = end
            self._forget()
            return SpeechStarted(onset)
        self._last_voice = end
        if first:
            self._told = True
            return SpeechSuspected(end - length)
        if self._told and lasts > s.suspect_for:
            self._told = False
            return SpeechDismissed(end)
        return None

    def _forget(self) -> bool:
        """Ends a suspicion; whether it was told and is not taken back yet."""
        told, self._told, self._suspected_at = self._told, False, None
        return told

    def _follow(self, probability: float, end: float, length: float) -> VoiceEvent | None:
        """A window of a voice that is on."""
        s = self._settings
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
