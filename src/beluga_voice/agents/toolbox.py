"""Runs the tools an agent's model asks for: what goes wrong is put into words for the model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from beluga_voice.agents.agent import Agent
from beluga_voice.agents.mcp import McpConnections
from beluga_voice.agents.tools import RunnableTool, ToolOutcome
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import Context

__all__ = ["MAX_TOOLS_IN_FLIGHT", "ToolListener", "Toolbox"]

_log = logging.getLogger(__name__)

MAX_TOOLS_IN_FLIGHT = 8

ToolListener = Callable[[str, str, Any, dict[str, Any], str], None]
"""Called with call id, tool name, phase (``started``, ``ended``, ``failed``), arguments and result."""

_Phase = Literal["started", "ended", "failed"]


class Toolbox:
    """The tools of one session's agents.

    Args:
        on_tool: told when a tool starts and how it ended.
        accept: raises a `BackendError` if an agent that a tool hands over to cannot take over.
    """

    def __init__(self, on_tool: ToolListener | None, accept: Callable[[Agent], Any] | None = None) -> None:
        self._on_tool = on_tool
        self._accept = accept
        self._in_flight = 0
        self.servers = McpConnections()

    async def tools(self, agent: Agent) -> dict[str, RunnableTool]:
        """All tools of ``agent`` by name; its own come before those of servers."""
        found = {t.spec.name: t for t in agent.tools}
        for remote in await self.servers.tools(agent.mcp_servers):
            found.setdefault(remote.spec.name, remote)
        return found

    async def run(self, call: ToolCall, tools: Mapping[str, RunnableTool], context: Context) -> ToolOutcome:
        """Runs a call; raises only `asyncio.CancelledError`."""
        self._tell(call, "started")
        try:
            outcome = await self._outcome(call, tools, context)
        except asyncio.CancelledError:
            self._tell(call, "failed", "interrupted")
            raise
        self._tell(call, "failed" if outcome.failed else "ended", outcome.text)
        return outcome

    async def _outcome(
        self, call: ToolCall, tools: Mapping[str, RunnableTool], context: Context
    ) -> ToolOutcome:
        found = tools.get(call.name)
        if found is None:
            known = ", ".join(tools) or "none"
            return ToolOutcome(f"There is no tool {call.name!r}. There are: {known}.", failed=True)
        if self._in_flight >= MAX_TOOLS_IN_FLIGHT:
            return ToolOutcome(
                f"At most {MAX_TOOLS_IN_FLIGHT} tools can run at once. Try again.", failed=True
            )
        self._in_flight += 1
        try:
            outcome = await found.run(call.arguments, context)
            if outcome.agent is not None and self._accept is not None:
                self._accept(outcome.agent)
        except Exception as error:
            _log.warning("tool %s failed: %s", call.name, type(error).__name__, exc_info=error)
            return ToolOutcome(f"{call.name} failed: {error}", failed=True)
        finally:
            self._in_flight -= 1
        return outcome

    def _tell(self, call: ToolCall, phase: _Phase, result: str = "") -> None:
        if self._on_tool is None:
            return
        try:
            self._on_tool(call.id, call.name, phase, dict(call.arguments), result)
        except Exception:  # a listener must not break the reply
            _log.exception("the tool listener failed")
