"""An `Agent` whose reasoning is done by a speech-to-speech model: it gives instructions and runs tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from beluga_voice.agents.agent import Agent
from beluga_voice.agents.toolbox import Toolbox, ToolListener
from beluga_voice.errors import AgentError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import Context, ToolSpec, UserTurn

__all__ = ["ModelBrain"]


class ModelBrain:
    """A `beluga_voice.interfaces.Brain` that leaves the words to the model.

    Args:
        agent: who the model is; a tool that returns another `Agent` hands over to it for good. None leaves the
            model to ``instructions`` alone.
        instructions: for all agents, before their own.
        on_tool: told when a tool starts and how it ended.
        on_change: told when another agent has taken over.
    """

    def __init__(
        self,
        agent: Agent | None,
        *,
        instructions: str = "",
        on_tool: ToolListener | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._agent = agent
        self._instructions = instructions
        self._on_change = on_change
        self._toolbox = Toolbox(on_tool)

    @property
    def agent(self) -> Agent | None:
        """Who answers now."""
        return self._agent

    @property
    def phrases(self) -> Sequence[str]:
        """What users are expected to say."""
        return self._agent.phrases if self._agent else ()

    @property
    def instructions(self) -> str:
        """What the model is told first."""
        own = self._agent.instructions if self._agent else ""
        return "\n\n".join(text for text in (self._instructions, own) if text)

    def greeting(self) -> str:
        """What is said first."""
        return self._agent.greeting if self._agent else ""

    async def start(self) -> None:
        """Connects the agent's MCP servers."""
        if self._agent is not None:
            await self._toolbox.servers.start(self._agent.mcp_servers)

    async def close(self) -> None:
        """Leaves them; idempotent."""
        await self._toolbox.servers.close()

    async def tools(self) -> Sequence[ToolSpec]:
        """What the model may call."""
        if self._agent is None:
            return ()
        return [tool.spec for tool in (await self._toolbox.tools(self._agent)).values()]

    async def run_tool(self, call: ToolCall, context: Context) -> str:
        """Runs a tool and returns what the model is told; raises only `asyncio.CancelledError`."""
        if self._agent is None:
            return f"There is no tool {call.name!r}."
        outcome = await self._toolbox.run(call, await self._toolbox.tools(self._agent), context)
        if outcome.agent is not None:
            self._agent = outcome.agent
            if self._on_change is not None:
                self._on_change()
        return outcome.text

    async def reply(self, turn: UserTurn, context: Context) -> AsyncIterator[str]:
        """Not used: the model answers.

        Raises:
            AgentError: always.
        """
        raise AgentError("reply", "agent_error", "the speech-to-speech model answers, not the agent")
        yield ""
