"""Makes the brain of a session from what the user gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beluga_voice.agents.callback import CallbackBrain
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import LLM, Brain

__all__ = ["make_brain"]

ToolListener = Callable[[str, str, Any, dict[str, Any], str], None]


def make_brain(agent: Any, callback: Any, llm: LLM | None, on_tool: ToolListener) -> Brain:
    """The brain behind an agent or a callback.

    Raises:
        ConfigError: ``invalid_config`` if there is neither, or the agent has no language model.
    """
    if callback is not None:
        return CallbackBrain(callback)
    if agent is None:
        raise ConfigError(
            "create_session",
            "invalid_config",
            "either agent_callback or agent must be set: who should answer?",
        )
    from beluga_voice.agents.agent import Agent  # pydantic schemas of tools are not needed for a callback
    from beluga_voice.agents.brain import AgentBrain

    if not isinstance(agent, Agent):
        raise ConfigError(
            "create_session",
            "invalid_config",
            f"agent must be a beluga_voice.Agent, got {type(agent).__name__}",
        )
    model = agent.llm or llm
    if model is None:
        raise ConfigError(
            "create_session",
            "invalid_config",
            "the agent needs a language model: set Config(llm_provider='openai', "
            "llm_config={'base_url': …, 'model': …}) or Agent(llm=…), or give an agent_callback instead",
        )
    return AgentBrain(agent, model, on_tool=on_tool)
