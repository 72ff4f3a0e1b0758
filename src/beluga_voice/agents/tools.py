"""Functions a model may call: ``@tool`` makes a `Tool` of a typed function.

The schema comes from the type hints, the descriptions from the docstring (first paragraph, and a Google-style
``Args:`` section). What the model gets wrong, and what goes wrong in a tool, is told to the model in words, so
that the conversation goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, overload

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from beluga_voice.agents.signature import Signature, first_paragraph, inspect_tool
from beluga_voice.agents.threads import ToolThreads
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import Context, ToolSpec

if TYPE_CHECKING:
    from beluga_voice.agents.agent import Agent

__all__ = ["RunnableTool", "Tool", "ToolOutcome", "tool"]

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_MAX_RESULT = 16_000  # characters told to the model
_threads = ToolThreads()
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """How a call ended.

    Attributes:
        text: what the model is told.
        failed: the arguments were wrong, or the tool raised, or took too long.
        agent: who answers from now on, if the tool handed the conversation over.
    """

    text: str
    failed: bool = False
    agent: Agent | None = None


class RunnableTool(Protocol):
    """What a brain can run: a `Tool`, or a tool of an MCP server."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told of it."""
        ...

    async def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutcome:
        """Runs it; raises only `asyncio.CancelledError`."""
        ...


class Tool:
    """A function and what a model is told of it; calling it calls the function, as before.

    Args:
        function: ``def`` or ``async def`` with a type hint on every parameter. A parameter named ``context`` or
            annotated with `beluga_voice.interfaces.Context` is filled in and not shown to the model. A plain
            ``def`` runs in a thread, so it may block. What it returns is told to the model: text as it is,
            anything else as JSON; an `Agent` takes over the conversation.
        name: by default the function's.
        description: by default the first paragraph of its docstring.
        timeout: seconds until it is given up, above 0.

    Raises:
        ConfigError: ``invalid_config``, naming the function and the parameter that cannot be used.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        timeout: float = 10.0,
    ) -> None:
        if not callable(function):
            raise _refused(f"a tool must be a function, got {function!r}")
        self._name = name or str(getattr(function, "__name__", ""))
        if not _NAME.match(self._name):
            raise _refused(f"tool name {self._name!r}: use 1 to 64 letters, digits, '_' and '-'; pass name=…")
        if timeout <= 0:
            raise _refused(f"tool {self._name}: timeout={timeout!r} must be above 0 seconds")
        self.function = function
        self.timeout = timeout
        self._description = description or first_paragraph(function) or self._name.replace("_", " ")
        self._signature: Signature = inspect_tool(self._name, function)
        self.spec = ToolSpec(self._name, self._description, self._signature.schema)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool:
        if instance is None:
            return self
        bound = self.function.__get__(instance, owner)
        return Tool(bound, name=self._name, description=self._description, timeout=self.timeout)

    def __repr__(self) -> str:
        return f"Tool({self._name})"

    async def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutcome:
        """Checks the arguments, runs the function and puts its result into words.

        Args:
            arguments: as the model gave them.
            context: the turn it belongs to.
        """
        try:
            values = self._signature.validate(arguments)
        except ValidationError as error:
            return ToolOutcome(
                f"Wrong arguments for {self._name}: {_told(error)}. Correct them.", failed=True
            )
        if self._signature.context_name:
            values[self._signature.context_name] = context
        deadline = asyncio.timeout(self.timeout)
        try:
            async with deadline:
                result = await self._work(values)
        except TimeoutError as error:
            if deadline.expired():
                return ToolOutcome(f"{self._name} took longer than {self.timeout:g} seconds.", failed=True)
            return self._failed(error)
        except Exception as error:
            return self._failed(error)
        return self._outcome(result)

    def _work(self, values: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        call = functools.partial(self.function, **values)
        return _in_thread(call) if self._signature.blocking else _awaited(call)

    def _outcome(self, result: object) -> ToolOutcome:
        from beluga_voice.agents.agent import Agent

        if isinstance(result, Agent):
            return ToolOutcome(f"{result.name} takes over.", agent=result)
        try:
            text = as_text(result)
        except (PydanticSerializationError, ValueError) as error:
            return self._failed(error)
        return ToolOutcome(text if len(text) <= _MAX_RESULT else text[:_MAX_RESULT] + "… (cut)")

    def _failed(self, error: Exception) -> ToolOutcome:
        _log.warning("tool %s failed: %s", self._name, type(error).__name__, exc_info=error)
        return ToolOutcome(f"{self._name} failed: {str(error) or type(error).__name__}", failed=True)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *, name: str = "", description: str = "", timeout: float = 10.0
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str = "",
    description: str = "",
    timeout: float = 10.0,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Makes a `Tool` of a function: ``@tool``, or ``@tool(timeout=30)``; see `Tool` for the arguments."""
    make = functools.partial(Tool, name=name, description=description, timeout=timeout)
    return make if function is None else make(function)


def as_text(result: object) -> str:
    """A tool's result as a model is told it: text as it is, nothing as "done", anything else as JSON."""
    if isinstance(result, str):
        return result
    if result is None:
        return "done"
    plain: Any = (
        result.model_dump(mode="json")
        if isinstance(result, BaseModel)
        else _ANY.dump_python(result, mode="json")
    )
    return json.dumps(plain, ensure_ascii=False)


async def _in_thread(call: Callable[[], Any]) -> Any:
    loop, around = asyncio.get_running_loop(), contextvars.copy_context()
    return await loop.run_in_executor(_threads, around.run, call)


async def _awaited(call: Callable[[], Any]) -> Any:
    result = call()
    return await result if inspect.isawaitable(result) else result


def _told(error: ValidationError) -> str:
    parts: list[str] = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(p) for p in item["loc"])
        parts.append(f"{where}: {item['msg'].removeprefix('Value error, ')}" if where else str(item["msg"]))
    return "; ".join(parts)


def _refused(message: str) -> ConfigError:
    return ConfigError("create_tool", "invalid_config", message, {"fields": ["tools"]})
