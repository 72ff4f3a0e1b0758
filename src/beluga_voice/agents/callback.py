"""The one-function form of an agent: an async function of what the user said."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from beluga_voice.errors import AgentError, ConfigError
from beluga_voice.interfaces import Context, UserTurn

__all__ = ["CallbackBrain", "speculable"]

_ALLOWED = "write async def answer(transcript) or async def answer(context, transcript)"
_BREATHE_EVERY = 32  # pieces of text after which other tasks get a turn, whatever the callback does


_F = TypeVar("_F", bound=Callable[..., Any])


def speculable(callback: _F) -> _F:
    """Marks an ``agent_callback`` that may be called with words that turn out not to be the user's turn.

    It is then begun while it is still open whether the user has finished, which saves up to half a second of each
    answer, and cancelled if they have not. Use it where a call has no effect but its text, or where the callback awaits
    ``context.committed()`` before anything that has. `Context.say` and `Context.end_session` wait by themselves.
    """
    callback.__speculable__ = True  # type: ignore[attr-defined]
    return callback


class CallbackBrain:
    """A `beluga_voice.interfaces.Brain` around an async function.

    Args:
        callback: ``async def (transcript)`` or ``(context, transcript)`` that returns the text, or an async iterator
            of its pieces, or is an async generator of them. Methods, partials and callable objects are fine. How
            many positional parameters without a default it has decides which of the two it is.
        phrases: what users are expected to say.
        greeting: what to say first; empty lets the user begin.

    Raises:
        ConfigError: ``invalid_config`` if it is none of these.
    """

    def __init__(self, callback: Any, *, phrases: Sequence[str] = (), greeting: str = "") -> None:
        if not callable(callback):
            raise _refused(f"agent_callback={callback!r:.80} cannot be called; {_ALLOWED}")
        if not _is_async(callback):
            raise _refused(f"agent_callback {_name(callback)} is a plain function; {_ALLOWED}")
        self._callback: Any = callback
        self._with_context = _takes_context(callback)
        self._greeting = greeting
        self.speculable = _marked(callback)
        self.phrases = tuple(phrases)

    def greeting(self) -> str:
        """What to say first."""
        return self._greeting

    async def reply(self, turn: UserTurn, context: Context) -> AsyncIterator[str]:
        """Calls the callback and yields what it says; closing the iterator cancels it.

        Raises:
            AgentError: ``agent_error`` if the callback raises, or gives something other than text.
        """
        try:
            result: Any = self._callback(*((context, turn.text) if self._with_context else (turn.text,)))
            if inspect.isawaitable(result):
                result = await result
        except Exception as error:
            raise _raised(error) from error
        if isinstance(result, str):
            yield result
            return
        if not hasattr(result, "__aiter__"):
            kind = type(result).__name__ if result is not None else "None"
            raise AgentError(
                "reply",
                "agent_error",
                f"agent_callback returned {kind}; return a str or yield pieces of text",
            )
        pieces: Any = aiter(result)
        given = 0
        try:
            while True:
                try:
                    piece: Any = await anext(pieces)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    raise _raised(error) from error
                if not isinstance(piece, str):
                    raise AgentError(
                        "reply",
                        "agent_error",
                        f"agent_callback yielded {type(piece).__name__}; yield pieces of text (str)",
                    )
                yield piece
                given += 1
                if given % _BREATHE_EVERY == 0:
                    await asyncio.sleep(0)
        finally:
            if hasattr(pieces, "aclose"):
                with suppress(Exception):  # the reply is over; how its source ends changes nothing
                    await pieces.aclose()


def _raised(error: Exception) -> AgentError:
    if isinstance(error, AgentError):
        return error
    return AgentError("reply", "agent_error", f"agent_callback raised {type(error).__name__}: {error}")


def _is_async(callback: Any) -> bool:
    """Whether a call gives something to await or to iterate, looking through partials, wrappers and objects."""
    while isinstance(callback, functools.partial):
        callback = cast("functools.partial[Any]", callback).func
    target: Any = inspect.unwrap(callback)
    called = getattr(cast("Any", type(target)), "__call__", None)  # noqa: B004 - it is looked at, not tested for
    return any(
        inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in (callback, target, called)
    )


def _marked(callback: Any) -> bool:
    while isinstance(callback, functools.partial):
        callback = cast("functools.partial[Any]", callback).func
    return any(getattr(f, "__speculable__", False) for f in (callback, getattr(callback, "__call__", None)))  # noqa: B004


def _takes_context(callback: Any) -> bool:
    try:
        parameters = list(inspect.signature(callback).parameters.values())
    except (TypeError, ValueError):
        return False  # a signature that cannot be read: the usual one is assumed
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    takes_one = bool(positional) or any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(required) > 2 or named or not takes_one:
        shown = ", ".join(str(p) for p in parameters)
        raise _refused(f"agent_callback {_name(callback)} takes ({shown}); {_ALLOWED}")
    return len(required) == 2


def _name(callback: Any) -> str:
    return str(getattr(callback, "__qualname__", "") or type(callback).__qualname__)


def _refused(message: str) -> ConfigError:
    return ConfigError("create_session", "invalid_config", message, {"fields": ["agent_callback"]})
