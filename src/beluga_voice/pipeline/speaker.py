"""One person who is heard: voice activity and a recogniser of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from beluga_voice.core.inputs import SpeechStarted
from beluga_voice.core.voice_activity import VoiceEvent
from beluga_voice.errors import BackendError
from beluga_voice.frames import AudioFrame, SttEvent
from beluga_voice.pipeline.ear import Ear
from beluga_voice.pipeline.parts import Parts, PipelineOptions
from beluga_voice.pipeline.recogniser import Recogniser
from beluga_voice.pipeline.timeline import Timeline

__all__ = ["Speaker", "SpeakerEvents"]


class SpeakerEvents(Protocol):
    """Who is told what is heard of a speaker."""

    def on_voice(self, speaker: Speaker, event: VoiceEvent) -> None:
        """Their voice began, pauses, goes on or ended."""
        ...

    def on_audio(self, speaker: Speaker, pcm: bytes) -> None:
        """Their audio: mono s16le at 16 kHz."""
        ...

    def on_audio_time(self, speaker: Speaker) -> None:
        """Their audio has been judged up to ``speaker.judged``."""
        ...

    def on_level(self, speaker: Speaker, dbfs: float, probability: float) -> None:
        """How loud they are, about ten times a second if wanted."""
        ...

    def on_words(self, speaker: Speaker, event: SttEvent) -> None:
        """Words were recognised."""
        ...

    def on_error(self, speaker: Speaker, error: BackendError) -> None:
        """Their recogniser failed; it is opened again."""
        ...

    def on_gone(self, speaker: Speaker) -> None:
        """Their recogniser was given up."""
        ...


class Speaker:
    """Hears one person.

    Args:
        who: their identity; empty where there is only one, unnamed.
        timeline: lays their audio on the session's clock.
        parts: the backend's providers.
        options: the session's settings.
        timeout: seconds the recogniser may take to open.
        events: told what is heard.

    Attributes:
        who: their identity.
        judged: up to where their audio was judged, in seconds on the session's timeline.
        left_at: when they left, by the clock, or None; their last words are being waited for.
        deaf_since: when their recogniser was given up, or None.
        task: runs the recogniser.
    """

    def __init__(
        self,
        who: str,
        timeline: Timeline,
        parts: Parts,
        options: PipelineOptions,
        timeout: float,
        events: SpeakerEvents,
    ) -> None:
        self.who = who
        self.timeline = timeline
        self.judged = -1e9
        self.left_at: float | None = None
        self.deaf_since: float | None = None
        self.task: asyncio.Task[None] | None = None
        self._events = events
        self.recogniser = Recogniser(
            parts.stt,
            language=options.language,
            phrases=[*options.phrases, *options.brain.phrases],
            timeout=timeout,
            max_retries=options.max_retries,
            retry_delay=options.retry_delay,
            on_event=lambda event: events.on_words(self, event),
            on_error=lambda error: events.on_error(self, error),
            on_gone=lambda: events.on_gone(self),
        )
        vad = parts.vad
        self._ear = Ear(timeline, self, self._on_audio, vad.open, vad.window, parts.noise)

    @property
    def heard_at(self) -> float:
        """When their last audio came, by the clock."""
        return self.timeline.heard_at

    @property
    def voiced(self) -> bool:
        """Whether they speak now."""
        return self._ear.voiced

    def hear(self, frame: AudioFrame) -> None:
        """Takes one frame of their audio."""
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

    def close_ear(self) -> None:
        """Judges no more of their audio."""
        self._ear.close()

    async def see_off(self, late: float, within: float, forget: Callable[[Speaker], None]) -> None:
        """Lets somebody who left go, unless they come back.

        Args:
            late: seconds in which audio from before may still come.
            within: seconds to wait for the last words.
            forget: called before the ear is closed.
        """
        await asyncio.sleep(late)
        self.end_voice()
        await self.recogniser.settled(within)
        if self.left_at is None:
            return
        forget(self)
        self.close_ear()
        if self.task is not None:
            self.task.cancel()
        await self.recogniser.close()

    # --- listener of the ear ----------------------------------------------------------------------------------

    def on_voice(self, event: VoiceEvent) -> None:
        """Passes a voice on; the recogniser is told first where it began."""
        if isinstance(event, SpeechStarted):
            self.recogniser.speech_started(event.at)
        self._events.on_voice(self, event)

    def on_audio_time(self, at: float) -> None:
        """Passes on how far the audio has been judged."""
        self.judged = at
        self._events.on_audio_time(self)

    def on_level(self, dbfs: float, probability: float) -> None:
        """Passes the level on."""
        self._events.on_level(self, dbfs, probability)

    def _on_audio(self, pcm: bytes, at: float) -> None:
        self.recogniser.push(pcm, at)
        self._events.on_audio(self, pcm)
