"""One person in front of a speech-to-speech model: voice activity of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from beluga_voice.core.inputs import SpeechEnded, SpeechStarted
from beluga_voice.core.realtime_pauses import Pauses
from beluga_voice.core.realtime_words import SpeechPaused, SpeechResumed
from beluga_voice.core.voice_activity import VoiceEvent
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import VAD, NoiseFilter, VadStream
from beluga_voice.pipeline.ear import EAR_RATE, Ear
from beluga_voice.pipeline.timeline import Timeline

__all__ = ["Person", "PersonEvents", "Voiced"]

Voiced = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded
"""What a voice does."""


class PersonEvents(Protocol):
    """Who is told what is heard of a person."""

    def on_voice(self, person: Person, event: Voiced) -> None:
        """Their voice began, pauses, goes on or ended."""
        ...

    def on_audio(self, person: Person, pcm: bytes, at: float) -> None:
        """Their audio, cleaned: mono s16le at 16 kHz that ends at ``at``."""
        ...

    def on_audio_time(self, person: Person) -> None:
        """Their audio has been judged up to ``person.judged``."""
        ...

    def on_level(self, person: Person, dbfs: float, probability: float) -> None:
        """How loud they are, about ten times a second if wanted."""
        ...


class Person:
    """Hears one person.

    Args:
        who: their identity; empty where there is only one, unnamed.
        timeline: lays their audio on the session's clock.
        vad: voice activity detector.
        events: told what is heard.
        noise: cleans their audio, or None.

    Attributes:
        who: their identity.
        paused: they are silent for the moment, inside a voice.
        used: some of their audio came.
        judged: up to where it was judged, in seconds on the session's timeline.
    """

    def __init__(
        self,
        who: str,
        timeline: Timeline,
        vad: VAD,
        events: PersonEvents,
        noise: NoiseFilter | None = None,
    ) -> None:
        self.who = who
        self.timeline = timeline
        self.paused = self.used = False
        self.judged = -1e9
        self._events = events
        self._pauses = Pauses()
        self._window = vad.window / EAR_RATE
        self._ear = Ear(timeline, self, self._on_audio, self._opener(vad), vad.window, noise)

    def _opener(self, vad: VAD) -> Callable[[Callable[[float, float], None]], VadStream]:
        def open_vad(on_result: Callable[[float, float], None]) -> VadStream:
            def judged(probability: float, at: float) -> None:
                on_result(probability, at)
                pause = self._pauses.push(probability, at, self._window, self.voiced)
                if pause is not None:
                    self.paused = isinstance(pause, SpeechPaused)
                    self._events.on_voice(self, pause)

            return vad.open(judged)

        return open_vad

    @property
    def voiced(self) -> bool:
        """Whether they speak, pauses included."""
        return self._ear.voiced

    @property
    def talking(self) -> bool:
        """Whether they speak now."""
        return self.voiced and not self.paused

    def hear(self, frame: AudioFrame) -> None:
        """Takes one frame of their audio."""
        self.used = True
        self._ear.hear(frame)

    def played(self, frame: AudioFrame, delay: float) -> None:
        """What the agent's voice plays meanwhile."""
        self._ear.played(frame, delay)

    def want_level(self) -> None:
        """Someone asked for levels."""
        self._ear.want_level()

    def end_voice(self) -> None:
        """Their audio has stopped coming."""
        self._ear.end_voice()

    def close(self) -> None:
        """Judges no more of their audio."""
        self._ear.close()

    # --- listener of the ear ----------------------------------------------------------------------------------

    def on_voice(self, event: VoiceEvent) -> None:
        """A voice began or ended; of pauses the model's own are told."""
        if isinstance(event, SpeechStarted | SpeechEnded):
            self._events.on_voice(self, event)
            self.paused = False

    def on_audio_time(self, at: float) -> None:
        """Passes on how far the audio has been judged."""
        self.judged = at
        self._events.on_audio_time(self)

    def on_level(self, dbfs: float, probability: float) -> None:
        """Passes the level on."""
        self._events.on_level(self, dbfs, probability)

    def _on_audio(self, pcm: bytes, at: float) -> None:
        self._events.on_audio(self, pcm, at)
