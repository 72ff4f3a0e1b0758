"""Agents: instructions, tools and hand-offs, and the brains that answer with them."""

from __future__ import annotations

from beluga_voice.agents.agent import Agent
from beluga_voice.agents.brain import AgentBrain
from beluga_voice.agents.callback import CallbackBrain
from beluga_voice.agents.mcp import McpServer
from beluga_voice.agents.tools import Tool, ToolOutcome, tool

__all__ = ["Agent", "AgentBrain", "CallbackBrain", "McpServer", "Tool", "ToolOutcome", "tool"]
