"""One hop from the microphone to VAD and STT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from beluga_voice.audio.levels import rms_dbfs
from beluga_voice.audio.pcm import downmix
from beluga_voice.audio.resample import Resampler
from beluga_voice.core.voice_activity import VoiceActivity, VoiceEvent
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import NoiseFilter, NoiseStream, VadStream
from beluga_voice.pipeline.timeline import Timeline

__all__ = ["EAR_RATE", "Ear"]

# What VAD and recognisers take; audio is resampled to it once.
EAR_RATE = 16_000
_LEVEL_EVERY = 0.1


class Listener(Protocol):
    """Who is told what the ear hears."""

    def on_voice(self, event: VoiceEvent) -> None:
        """A voice began, pauses, goes on or ended."""
        ...

    def on_audio_time(self, at: float) -> None:
        """The VAD has judged the audio up to ``at``."""
        ...

    def on_level(self, dbfs: float, probability: float) -> None:
        """About ten times a second."""
        ...


class Ear:
    """The audio of one speaker.

    Args:
        timeline: stamps the audio.
        listener: is told what was heard.
        to_stt: takes all audio: mono s16le at 16 kHz, and when it ended.
        open_vad: makes the VAD stream.
        window: VAD window in samples at 16 kHz.
        noise: filter before both, or None.
    """

    def __init__(
        self,
        timeline: Timeline,
        listener: Listener,
        to_stt: Callable[[bytes, float], None],
        open_vad: Callable[[Callable[[float, float], None]], VadStream],
        window: int,
        noise: NoiseFilter | None = None,
    ) -> None:
        self._timeline = timeline
        self._listener = listener
        self._to_stt = to_stt
        self._noise: NoiseStream | None = None if noise is None else noise.open(EAR_RATE)
        self._activity = VoiceActivity()
        self._window_bytes = window * 2
        self._window_seconds = window / EAR_RATE
        self._vad = open_vad(self._on_window)
        self._pending = b""
        self._resampler: Resampler | None = None
        self._rate = EAR_RATE
        self._level_at = 0.0
        self._probability = 0.0
        self._want_level = False

    @property
    def voiced(self) -> bool:
        """Whether the user is speaking now."""
        return self._activity.voiced

    def want_level(self) -> None:
        """Someone asked for levels; measuring begins."""
        self._want_level = True

    def hear(self, frame: AudioFrame) -> None:
        """Takes one frame of any rate and channel count."""
        pcm = frame.data
        end = self._timeline.stamp(len(pcm) / (2 * frame.channels * frame.sample_rate), frame.age)
        if frame.channels != 1:
            pcm = downmix(pcm, frame.channels)
        if frame.sample_rate != EAR_RATE:
            pcm = self._resample(pcm, frame.sample_rate)
        if self._noise is not None:
            pcm = self._noise.process(pcm, end)
        if not pcm:
            return
        self._to_stt(pcm, end)
        pending, size = self._pending + pcm, self._window_bytes
        while len(pending) >= size:
            window, pending = pending[:size], pending[size:]
            self._vad.push(window, end - len(pending) / (2 * EAR_RATE))
        self._pending = pending
        if self._want_level and end - self._level_at >= _LEVEL_EVERY:
            self._level_at = end
            self._listener.on_level(rms_dbfs(pcm), self._probability)

    def played(self, frame: AudioFrame, delay: float) -> None:
        """What the agent's voice plays, as `NoiseStream.played` takes it."""
        if self._noise is not None:
            self._noise.played(frame, delay)

    def end_voice(self) -> None:
        """The audio has stopped coming: whoever was speaking is not any more."""
        event = self._activity.end()
        if event is not None:
            self._listener.on_voice(event)

    def close(self) -> None:
        """Stops judging; the recogniser is closed by its owner."""
        self._vad.close()
        if self._noise is not None:
            self._noise.close()

    def _resample(self, pcm: bytes, rate: int) -> bytes:
        if self._resampler is None or self._rate != rate:
            self._resampler, self._rate = Resampler(rate, EAR_RATE), rate
        return self._resampler.process(pcm)

    def _on_window(self, probability: float, at: float) -> None:
        self._probability = probability
        event = self._activity.push(probability, at, self._window_seconds)
        if event is not None:
            self._listener.on_voice(event)
        self._listener.on_audio_time(at)
