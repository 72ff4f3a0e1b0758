"""An `Agent` and a language model as a brain: text is streamed, tools are run, hand-offs are followed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from beluga_voice.agents.agent import Agent
from beluga_voice.agents.hedging import hedged
from beluga_voice.agents.messages import ToolMemory, labelled
from beluga_voice.agents.toolbox import MAX_TOOLS_IN_FLIGHT, Toolbox, ToolListener
from beluga_voice.agents.tools import RunnableTool, ToolOutcome
from beluga_voice.errors import ConfigError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import LLM, ChatDelta, ChatMessage, Context, ToolSpec, UserTurn

__all__ = ["MAX_TOOLS_IN_FLIGHT", "AgentBrain", "ToolListener"]

_log = logging.getLogger(__name__)

_APOLOGY = "Sorry, I could not work that out. Could you ask in another way?"
_INTERRUPTED = (
    "The user interrupted before this ended. It may or may not have taken effect: check before repeating it."
)
_BREATHE_EVERY = 32  # pieces of text after which other tasks get a turn, whatever the model does


class AgentBrain:
    """A `beluga_voice.interfaces.Brain` for one session.

    Args:
        agent: who answers first; a tool that returns another `Agent` hands over to it for good.
        llm: the backend's language model, for agents that have none of their own.
        on_tool: told when a tool starts and how it ended.

    Raises:
        ConfigError: ``invalid_config`` if neither the agent nor the backend has a language model.
    """

    speculable = True
    """Until its first tool call, a model's answer changes nothing but its cost."""

    def __init__(self, agent: Agent, llm: LLM | None = None, *, on_tool: ToolListener | None = None) -> None:
        self._agent = agent
        self._llm = llm
        self._memory = ToolMemory()
        self._toolbox = Toolbox(on_tool, self._model)
        self._model(agent)

    @property
    def agent(self) -> Agent:
        """Who answers now."""
        return self._agent

    @property
    def phrases(self) -> Sequence[str]:
        """What users are expected to say to the present agent."""
        return self._agent.phrases

    def greeting(self) -> str:
        """What the agent says first."""
        return self._agent.greeting

    async def start(self) -> None:
        """Connects the agent's MCP servers, so that the first reply need not.

        Raises:
            ConnectError: ``connection_failed`` or ``connection_timeout`` if one cannot be reached.
        """
        await self._toolbox.servers.start(self._agent.mcp_servers)

    async def close(self) -> None:
        """Leaves the MCP servers; idempotent."""
        await self._toolbox.servers.close()

    async def reply(self, turn: UserTurn, context: Context) -> AsyncIterator[str]:
        """Streams the answer; closing the iterator cancels the model and the tools.

        Calls and results are remembered for later turns, also those of a reply that was cut short.

        Raises:
            BackendError: what the language model raises.
        """
        exchange = self._memory.open(turn, context.history)
        begun = len(exchange.messages)
        said: list[
            ChatMessage
        ] = []  # in this turn: the words before each round of calls, which are not history yet
        for calls_left in range(self._agent.max_tool_rounds, -1, -1):
            agent = self._agent
            tools = await self._toolbox.tools(agent)
            messages = self._memory.build(agent.instructions, turn, context.history)
            messages = _with_words(messages, exchange.messages[begun:], said)
            messages = labelled(messages, lambda who: context.name_of(who))
            text, calls = "", list[ToolCall]()
            pieces = 0
            stream: Any = self._ask(agent, messages, [t.spec for t in tools.values()])
            async with aclosing(stream):
                async for delta in cast("AsyncIterator[ChatDelta]", stream):
                    calls += delta.tool_calls
                    if delta.text:
                        text += delta.text
                        yield delta.text
                    pieces += 1
                    if pieces % _BREATHE_EVERY == 0:
                        await asyncio.sleep(0)
            if not calls:
                return
            if not calls_left:
                break
            await context.committed()  # a tool acts on the world: never for words that may not be the turn
            said.append(ChatMessage("assistant", text, tool_calls=tuple(calls)))
            await self._run_calls(tuple(calls), tools, context, exchange.messages)
        _log.warning("agent %s: the model called tools %d times in one turn", self._agent.name, len(said))
        yield _APOLOGY

    async def _run_calls(
        self,
        calls: tuple[ToolCall, ...],
        tools: Mapping[str, RunnableTool],
        context: Context,
        record: list[ChatMessage],
    ) -> None:
        """Runs all calls at once and records them with their results, whatever happens."""
        outcomes: dict[int, ToolOutcome] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for index, call in enumerate(calls):
                    group.create_task(self._run_call(index, call, tools, context, outcomes))
        finally:
            record.append(ChatMessage("assistant", "", tool_calls=calls))
            for index, call in enumerate(calls):
                text = outcomes[index].text if index in outcomes else _INTERRUPTED
                record.append(ChatMessage("tool", text, tool_call_id=call.id))
        handed = [o.agent for o in outcomes.values() if o.agent is not None]
        if handed:
            self._model(handed[0])
            self._agent = handed[0]

    async def _run_call(
        self,
        index: int,
        call: ToolCall,
        tools: Mapping[str, RunnableTool],
        context: Context,
        outcomes: dict[int, ToolOutcome],
    ) -> None:
        outcomes[index] = await self._toolbox.run(call, tools, context)

    def _ask(
        self, agent: Agent, messages: list[ChatMessage], tools: list[ToolSpec]
    ) -> AsyncIterator[ChatDelta]:
        model = self._model(agent)
        if not agent.hedge_after:
            return model.chat(messages, tools)
        return hedged(lambda: model.chat(messages, tools), agent.hedge_after)

    def _model(self, agent: Agent) -> LLM:
        model = agent.llm or self._llm
        if model is None:
            raise ConfigError(
                "create_agent",
                "invalid_config",
                f"agent {agent.name} has no language model: set Config(llm_provider='openai', llm_config={{…}}) or "
                "Agent(llm=…)",
                {"fields": ["llm_provider"]},
            )
        return model


def _with_words(
    messages: list[ChatMessage], recorded: Sequence[ChatMessage], said: Sequence[ChatMessage]
) -> list[ChatMessage]:
    """Puts the words of this turn back before their calls; later turns find them in the history, as heard."""
    words = {id(r): s for r, s in zip([m for m in recorded if m.tool_calls], said, strict=False)}
    return [words.get(id(m), m) for m in messages]
