"""What an agent is: instructions, tools, and what it expects to hear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from beluga_voice.agents.mcp import McpServer
from beluga_voice.agents.tools import RunnableTool, Tool
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import LLM

__all__ = ["Agent"]


class Agent:
    """Who the user talks to. It holds no conversation, so many sessions can share one.

    Args:
        instructions: what the model is told first.
        tools: functions made with ``@tool``, or plain typed functions.
        name: how it is called in events and hand-offs.
        llm: its own language model; None takes the backend's (``Config.llm_provider``).
        phrases: what users are expected to say; a recogniser may use them as grammar or bias.
        greeting: what it says first; empty lets the user begin.
        mcp_servers: servers whose tools it has besides its own.
        max_tool_rounds: how often the model may call tools before it must answer, 1 to 50.
        hedge_after: seconds without a first token after which the model is asked a second time and the quicker
            answer is taken; 0 never does. It costs the prompt twice when it happens.

    Raises:
        ConfigError: ``invalid_config``, naming the argument that is wrong, or a tool name that is there twice.
    """

    def __init__(
        self,
        instructions: str,
        tools: Sequence[Tool | Callable[..., Any]] = (),
        *,
        name: str = "agent",
        llm: LLM | None = None,
        phrases: Sequence[str] = (),
        greeting: str = "",
        mcp_servers: Sequence[McpServer] = (),
        max_tool_rounds: int = 5,
        hedge_after: float = 0.0,
    ) -> None:
        _check_text(instructions=instructions, name=name, greeting=greeting)
        if not name:
            raise _refused("name", "must not be empty")
        if isinstance(phrases, str) or not _all(str, phrases):
            raise _refused("phrases", f"must be a list of strings, got {phrases!r:.80}")
        if llm is not None and not callable(getattr(llm, "chat", None)):
            raise _refused("llm", f"must be a language model with chat(), got {type(llm).__name__}")
        if not _all(McpServer, mcp_servers):
            raise _refused("mcp_servers", "must be a list of McpServer")
        if not 1 <= max_tool_rounds <= 50:
            raise _refused("max_tool_rounds", f"must be 1 to 50, got {max_tool_rounds!r}")
        if not 0.0 <= hedge_after <= 60.0:
            raise _refused("hedge_after", f"must be 0 to 60 seconds, got {hedge_after!r}")
        self.hedge_after = hedge_after
        self.instructions = instructions
        self.tools: tuple[RunnableTool, ...] = tuple(t if isinstance(t, Tool) else Tool(t) for t in tools)
        self.name = name
        self.llm = llm
        self.phrases: tuple[str, ...] = tuple(phrases)
        self.greeting = greeting
        self.mcp_servers: tuple[McpServer, ...] = tuple(mcp_servers)
        self.max_tool_rounds = max_tool_rounds
        names = [t.spec.name for t in self.tools]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise _refused("tools", f"{', '.join(twice)} is there twice; pass @tool(name=…)")

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, tools={[t.spec.name for t in self.tools]})"


def _check_text(**values: object) -> None:
    for field, value in values.items():
        if not isinstance(value, str):
            raise _refused(field, f"must be a string, got {type(value).__name__}")


def _all(kind: type, values: Sequence[Any]) -> bool:
    return all(isinstance(v, kind) for v in values)


def _refused(field: str, message: str) -> ConfigError:
    return ConfigError("create_agent", "invalid_config", f"Agent {field}: {message}", {"fields": [field]})
