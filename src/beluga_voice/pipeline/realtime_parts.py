"""What a speech-to-speech pipeline is made of, and who is around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from beluga_voice.config import RealtimeConfig
from beluga_voice.core.realtime_state import RealtimeSettings
from beluga_voice.core.resilience import CircuitBreaker
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import VAD, ChatMessage, Context, NoiseFilter, ToolSpec, TurnDetector, UserTurn
from beluga_voice.pipeline.owner import Owner
from beluga_voice.speech_to_speech import S2S

__all__ = ["RealtimeBrain", "RealtimeOptions", "RealtimeOwner", "RealtimeParts"]


@dataclass(slots=True)
class RealtimeParts:
    """Providers of one backend.

    Attributes:
        s2s: the model.
        config: how it is used.
        vad: voice activity detector.
        turn: judge of complete turns, or None.
        noise: filter before everything else, or None.
        breaker: stops all sessions from connecting to a model that is down.
    """

    s2s: S2S
    config: RealtimeConfig
    vad: VAD
    turn: TurnDetector | None = None
    noise: NoiseFilter | None = None
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)

    @property
    def output_sample_rate(self) -> int:
        """Of the agent's voice, in Hz."""
        return self.s2s.capabilities.output_sample_rate


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """How one session uses the model.

    Attributes:
        settings: the core's thresholds.
        reasoning: who decides what is said: the ``model``, or our ``agent`` with the model as ears and voice.
    """

    settings: RealtimeSettings
    reasoning: Literal["model", "agent"] = "model"

    @property
    def turns(self) -> Literal["server", "local"]:
        """Who takes turns."""
        return "server" if self.settings.server_turns else "local"


class RealtimeBrain(Protocol):
    """What the model is given by an agent that lets it reason: words to go by and tools to use."""

    @property
    def instructions(self) -> str:
        """What the model is told first."""
        ...

    async def tools(self) -> Sequence[ToolSpec]:
        """What it may call."""
        ...

    async def run_tool(self, call: ToolCall, context: Context) -> str:
        """Runs a tool and returns what the model is told; raises only `asyncio.CancelledError`."""
        ...


class RealtimeOwner(Owner, Protocol):
    """The session around the pipeline."""

    @property
    def brain(self) -> Any:
        """Who answers: a `Brain`, and a `RealtimeBrain` where the model reasons."""
        ...

    @property
    def history(self) -> Sequence[ChatMessage]:
        """What was said and heard so far."""
        ...

    def context(self, turn: UserTurn, reply: int) -> Context:
        """What a tool may know and do."""
        ...
