"""The user's audio in a speech-to-speech conversation: to our voice activity detection, and to the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from beluga_voice import events as ev
from beluga_voice.core.inputs import SpeechEnded, SpeechStarted
from beluga_voice.core.realtime_pauses import Pauses
from beluga_voice.core.voice_activity import VoiceEvent
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import VadStream
from beluga_voice.pipeline.ear import EAR_RATE, Ear
from beluga_voice.pipeline.realtime_input import RealtimeInput
from beluga_voice.pipeline.realtime_parts import RealtimeParts
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.turn_judge import TurnJudge

__all__ = ["RealtimeEars"]


class Listener(Protocol):
    """Who is told what is heard."""

    def tell(self, event: Any, now: float | None = None) -> None:
        """A voice began, paused, went on or ended."""
        ...

    def on_audio_time(self, at: float) -> None:
        """The audio up to ``at`` is judged."""
        ...

    def emit(self, event: ev.SessionEvent) -> None:
        """What only the outside is told."""
        ...


class RealtimeEars:
    """One ear. In a room whose transport labels everybody's audio, it listens to whoever spoke first.

    Args:
        parts: voice activity detector and noise filter.
        timeline: stamps the audio.
        listener: is told what was heard.
        to_model: takes the audio.
        words: what the user has said so far, as far as the model has told.
    """

    def __init__(
        self,
        parts: RealtimeParts,
        timeline: Timeline,
        listener: Listener,
        to_model: RealtimeInput,
        judge: TurnJudge | None,
        words: Callable[[], str],
    ) -> None:
        self._parts = parts
        self._timeline = timeline
        self._listener = listener
        self._to_model = to_model
        self._judge = judge
        self._words = words
        self._pauses = Pauses()
        self._ear: Ear | None = None
        self._levels = False
        self.who = ""

    def start(self) -> None:
        """Begins to listen."""
        vad = self._parts.vad
        window = vad.window / EAR_RATE

        def open_vad(on_result: Callable[[float, float], None]) -> VadStream:
            def judged(probability: float, at: float) -> None:
                on_result(probability, at)
                voiced = self._ear is not None and self._ear.voiced
                pause = self._pauses.push(probability, at, window, voiced)
                if pause is None:
                    return
                self._listener.tell(pause, now=self._timeline.audio_end)
                if self._judge is not None and not isinstance(pause, SpeechStarted):
                    self._judge.ask("", self._words())

            return vad.open(judged)

        self._ear = Ear(self._timeline, self, self._on_audio, open_vad, vad.window)
        if self._levels:
            self._ear.want_level()

    def stop(self) -> None:
        """Hears nothing more."""
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()

    def want_level(self) -> None:
        """Level events are wanted from now on."""
        self._levels = True
        if self._ear is not None:
            self._ear.want_level()

    def hear(self, frame: AudioFrame) -> None:
        """Takes a frame of the user's audio."""
        if self._ear is None:
            return
        if frame.participant:
            self.who = self.who or frame.participant
            if frame.participant != self.who:
                return
        if self._parts.noise is not None:
            frame = self._parts.noise.process(frame)
        self._ear.hear(frame)
        self._to_model.hear(frame, self._timeline.audio_end)

    def left(self, who: str) -> None:
        """``who`` is gone: whoever speaks next is listened to."""
        if who == self.who:
            self.who = ""
            self.muted(who)

    def muted(self, who: str) -> None:
        """No more audio comes from ``who``."""
        if self._ear is not None and who in ("", self.who):
            self._ear.end_voice()

    # --- what the ear tells -----------------------------------------------------------------------------------

    def on_voice(self, event: VoiceEvent) -> None:
        """A voice began or ended; the model needs no word of pauses."""
        if isinstance(event, SpeechStarted | SpeechEnded):
            self._listener.tell(event, now=self._timeline.audio_end)

    def on_audio_time(self, at: float) -> None:
        """The audio up to ``at`` is judged."""
        self._listener.on_audio_time(at)

    def on_level(self, dbfs: float, probability: float) -> None:
        """How loud the user is."""
        level = ev.LevelEvent(at=self._timeline.now(), dbfs=round(dbfs, 1), speech=round(probability, 2))
        self._listener.emit(level)

    def _on_audio(self, pcm: bytes, at: float) -> None:
        if self._judge is not None:
            self._judge.hear("", pcm)
