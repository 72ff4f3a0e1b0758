"""Tools that the model asks for, run beside everything else while it goes on speaking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatMessage
from beluga_voice.pipeline.realtime_parts import RealtimeOwner
from beluga_voice.speech_to_speech import S2SStream

__all__ = ["RealtimeTools"]

_INTERRUPTED = (
    "The user interrupted before this ended. It may or may not have taken effect: check before repeating it."
)
_REMEMBERED = 200


class RealtimeTools:
    """The calls of one session's model.

    Args:
        owner: whose brain runs them.
        spawn: starts a task that its owner awaits.
        stream: the present connection, or None.
        now: session time in seconds.
        on_idle: told when the last one has ended.
    """

    def __init__(
        self,
        owner: RealtimeOwner,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        stream: Callable[[], S2SStream | None],
        now: Callable[[], float],
        on_idle: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._spawn = spawn
        self._stream = stream
        self._now = now
        self._on_idle = on_idle
        self._waiting: list[ToolCall] = []
        self._running: set[asyncio.Task[None]] = set()
        self._memory: list[ChatMessage] = []

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return not self._waiting and not self._running

    def add(self, call: ToolCall) -> None:
        """The model asked for it; it runs when `run` is called."""
        self._waiting.append(call)

    def run(self, context: Any) -> None:
        """Starts what waits."""
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            task = self._spawn(self._run(call, context), f"tool-{call.name}")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """The user does not want it any more."""
        for call in self._waiting:
            self._answer(call, _INTERRUPTED)
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        self._running.clear()

    def history(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """The conversation with the calls and results where they happened."""
        return sorted([*messages, *self._memory], key=lambda m: m.at)

    async def _run(self, call: ToolCall, context: Any) -> None:
        result = _INTERRUPTED
        try:
            result = await self._owner.brain.run_tool(call, context)
        finally:
            self._answer(call, result)

    def _answer(self, call: ToolCall, result: str) -> None:
        at = self._now()
        self._memory += [
            ChatMessage("assistant", "", at=at, tool_calls=(call,)),
            ChatMessage("tool", result, at=at, tool_call_id=call.id),
        ]
        del self._memory[:-_REMEMBERED]
        stream = self._stream()
        if stream is not None:
            stream.send_result(call, result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task in self._running:
            self._running.discard(task)
            if self.idle:
                self._on_idle()
