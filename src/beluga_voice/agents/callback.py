"""The one-function form of an agent."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence
from typing import Any

from beluga_voice.errors import AgentError, ConfigError
from beluga_voice.interfaces import Context, UserTurn

__all__ = ["CallbackBrain"]

_ALLOWED = "write async def answer(transcript) or async def answer(context, transcript)"


class CallbackBrain:
    """A brain around an async function.

    Args:
        callback: ``async def (transcript)`` or ``(context, transcript)`` that returns the text, or an async generator
            that yields it in pieces; methods, partials and callable objects are fine.

    Raises:
        ConfigError: ``invalid_config`` if it is none of these.
    """

    phrases: Sequence[str] = ()

    def __init__(self, callback: Any) -> None:
        if not callable(callback):
            raise ConfigError("create_session", "invalid_config", f"agent_callback={callback!r}: {_ALLOWED}")
        self._callback = callback
        self._with_context = _takes_context(callback)
        # A plain function is found out before anybody speaks to it, where that can be told.
        target = callback if inspect.isroutine(callback) else getattr(callback, "__call__", callback)  # noqa: B004
        plain = inspect.isfunction(target) or inspect.ismethod(target)
        if plain and not (inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target)):
            returns = getattr(target, "__annotations__", {}).get("return")
            if returns is None or returns in (str, "str"):
                name = getattr(callback, "__name__", type(callback).__name__)
                raise ConfigError(
                    "create_session", "invalid_config", f"agent_callback {name} must be async: {_ALLOWED}"
                )

    def greeting(self) -> str:
        """A callback lets the user begin."""
        return ""

    async def reply(self, turn: UserTurn, context: Context) -> AsyncIterator[Any]:
        """Calls the callback and yields what it says.

        Raises:
            AgentError: ``agent_error`` if it returns something that cannot be spoken.
        """
        result: Any = self._callback(context, turn.text) if self._with_context else self._callback(turn.text)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, str):
            yield result
        elif hasattr(result, "__aiter__"):
            pieces: Any = aiter(result)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                if hasattr(pieces, "aclose"):
                    await pieces.aclose()
        else:
            raise AgentError(
                "reply",
                "agent_error",
                f"agent_callback returned {type(result).__name__}; return a str or yield pieces of text",
            )


def _takes_context(callback: Any) -> bool:
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and not required:
        return False
    if len(required) == 2:
        return True
    if len(required) <= 1 and positional:
        return False
    names = ", ".join(p.name for p in positional)
    raise ConfigError("create_session", "invalid_config", f"agent_callback takes ({names}); {_ALLOWED}")
