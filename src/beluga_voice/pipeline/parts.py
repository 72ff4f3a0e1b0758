"""The parts a pipeline is made of, shared by all sessions of a backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Protocol

from beluga_voice.core.settings import TurnSettings
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import STT, TTS, VAD, Brain, NoiseFilter, Processor, Stage, TurnDetector

__all__ = ["Parts", "PipelineOptions", "ProcessorInfo", "Sink"]


@dataclass(slots=True)
class Parts:
    """Providers of one backend; each was made by name from the registry.

    Attributes:
        stt: recogniser.
        tts: voice.
        vad: voice activity detector.
        turn: judge of complete turns, or None for the core's own rules.
        noise: filter before everything else, or None.
    """

    stt: STT
    tts: TTS
    vad: VAD
    turn: TurnDetector | None = None
    noise: NoiseFilter | None = None

    @property
    def output_sample_rate(self) -> int:
        """Of the agent's voice, in Hz."""
        return self.tts.sample_rate


@dataclass(frozen=True, slots=True)
class ProcessorInfo:
    """What a custom processor is told."""

    session_id: str
    stage: Stage
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """Settings of one session's pipeline.

    Attributes:
        brain: answers turns.
        turn: the core's thresholds.
        latency_target: seconds.
        language: for the recogniser.
        phrases: for the recogniser.
        error_reply: spoken when the agent failed; empty for silence.
        max_retries: how often a failed recogniser is opened again in a row.
        retry_delay: seconds before the second time, doubled each further time.
        processors: custom steps on the audio path.
        session_id: told to processors.
        metadata: likewise.
        output_sample_rate: of agent audio, in Hz; 0 for the voice's own.
        max_speakers: how many people are heard at the same time, each by an own ear.
        task_context: copied for each task of the pipeline; None for that of whoever starts it.
    """

    brain: Brain
    turn: TurnSettings
    latency_target: float = 0.5
    language: str = "en"
    phrases: Sequence[str] = ()
    error_reply: str = ""
    max_retries: int = 3
    retry_delay: float = 1.0
    processors: Sequence[Processor] = ()
    session_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_sample_rate: int = 0
    max_speakers: int = 8
    task_context: Context | None = None

    @property
    def new_context(self) -> Context | None:
        """The context of another task."""
        return self.task_context.copy() if self.task_context is not None else None


class Sink(Protocol):
    """Where agent audio goes: a transport, or the queue behind ``session.receive_audio()``."""

    @property
    def output_delay(self) -> float:
        """Seconds from `send` to the user's ear."""
        ...

    @property
    def output_lead(self) -> float:
        """Seconds of audio it needs ahead, beside the frame that is sent, so that no gap is heard."""
        ...

    async def send(self, frame: AudioFrame) -> None:
        """Takes one frame; may wait."""
        ...

    async def clear(self) -> None:
        """Throws away what was not played."""
        ...
