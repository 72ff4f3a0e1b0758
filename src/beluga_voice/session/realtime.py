"""What a session needs to know of speech to speech: who reasons, and by which numbers the core decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beluga_voice.agents.realtime import ModelBrain
from beluga_voice.config import RealtimeConfig
from beluga_voice.core.realtime_state import RealtimeSettings
from beluga_voice.core.settings import TurnSettings
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import LLM, Brain
from beluga_voice.pipeline.cascade import Cascade
from beluga_voice.pipeline.owner import Owner
from beluga_voice.pipeline.parts import Parts, PipelineOptions, Sink
from beluga_voice.pipeline.realtime import Realtime
from beluga_voice.pipeline.realtime_parts import RealtimeOptions, RealtimeOwner, RealtimeParts
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.session.brains import ToolListener, make_brain
from beluga_voice.speech_to_speech import S2SCapabilities

__all__ = ["BrainMaker", "Pipeline", "check_abilities", "make_pipeline", "realtime_options"]

Pipeline = Cascade | Realtime


class BrainMaker:
    """Makes the brains of one session.

    Args:
        parts: the providers of its pipeline.
        llm: for an `Agent` that has none of its own.
        on_tool: told when a tool starts and how it ended.
        on_change: told when the model needs other instructions or tools.
    """

    def __init__(
        self,
        parts: Parts | RealtimeParts,
        llm: LLM | None,
        on_tool: ToolListener,
        on_change: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._llm = llm
        self._on_tool = on_tool
        self._on_change = on_change

    def make(self, agent: Any, callback: Any, *, instead_of: Brain | None = None) -> Brain:
        """The brain behind an agent or a callback; for speech to speech possibly neither.

        Raises:
            ConfigError: ``invalid_config`` if nobody answers, or the running session cannot change to this.
        """
        if not isinstance(self._parts, RealtimeParts):
            return make_brain(agent, callback, self._llm, self._on_tool)
        config = self._parts.config
        by_model = config.reasoning == "model" or (config.reasoning == "auto" and callback is None)
        if by_model and callback is not None:
            raise _refused(
                "reasoning='model' leaves the answer to the model; give an agent, not an agent_callback"
            )
        if instead_of is not None and isinstance(instead_of, ModelBrain) != by_model:
            raise _refused("who reasons, the model or the agent, cannot change while a session is under way")
        if not by_model:
            able = self._parts.s2s.capabilities
            if not (able.transcripts and able.speaks_text and able.defers):
                raise _refused(
                    "this model cannot speak the words of an agent; use reasoning='model' and an Agent"
                )
            return make_brain(agent, callback, self._llm, self._on_tool)
        if agent is not None:
            from beluga_voice.agents.agent import Agent

            if not isinstance(agent, Agent):
                raise _refused(f"agent must be a beluga_voice.Agent, got {type(agent).__name__}")
        return ModelBrain(
            agent, instructions=config.instructions, on_tool=self._on_tool, on_change=self._on_change
        )


def check_abilities(config: RealtimeConfig, able: S2SCapabilities) -> None:
    """Whether the model can do what the configuration wants.

    Raises:
        ConfigError: ``invalid_config``.
    """
    if config.turn_detection == "server" and not able.server_turns:
        raise _refused("s2s_config.turn_detection='server': this model does not take turns; use 'local'")
    if config.turn_detection == "local" and not able.local_turns:
        raise _refused("s2s_config.turn_detection='local': this model takes turns by itself; use 'server'")


def realtime_options(
    parts: Parts | RealtimeParts, turn: TurnSettings, brain: Brain
) -> RealtimeOptions | None:
    """How a session uses the model, if it has one."""
    if not isinstance(parts, RealtimeParts):
        return None
    config, able = parts.config, parts.s2s.capabilities
    server = able.server_turns if config.turn_detection == "auto" else config.turn_detection == "server"
    by_model = isinstance(brain, ModelBrain)
    values: dict[str, Any] = {
        **turn.to_dict(),
        "min_endpointing_delay": min(config.endpointing_delay, turn.max_endpointing_delay),
        "server_turns": server,
        "voice_events": able.voice_events,
        "transcripts": able.transcripts,
        "agent_reasons": not by_model,
        "speculate": config.speculate,
        "answer_timeout": config.answer_timeout,
        "renew_early": config.renew_early,
    }
    settings = RealtimeSettings(**values)
    return RealtimeOptions(settings, "model" if by_model else "agent")


def make_pipeline(
    parts: Parts | RealtimeParts,
    options: PipelineOptions,
    realtime: RealtimeOptions | None,
    owner: RealtimeOwner,
    sink: Sink,
    timeline: Timeline,
    timeout: float,
) -> Pipeline:
    """The pipeline that fits the parts."""
    if isinstance(parts, RealtimeParts):
        assert realtime is not None
        return Realtime(parts, options, realtime, owner, sink, timeline, timeout)
    plain: Owner = owner
    return Cascade(parts, options, plain, sink, timeline, timeout)


def _refused(message: str) -> ConfigError:
    return ConfigError("create_session", "invalid_config", message)
