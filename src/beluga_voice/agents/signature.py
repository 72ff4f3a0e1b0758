"""What a function's signature and docstring tell of a tool: its JSON Schema, and how to check arguments."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import Context

__all__ = ["Signature", "first_paragraph", "inspect_tool", "is_async"]

_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Returns?|Raises|Yields?|Examples?|Notes?|Attributes):\s*$"
)
_ARGUMENT = re.compile(r"^(\*{0,2}\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Signature:
    """How to call a tool.

    Attributes:
        schema: JSON Schema of an object: what the model may give.
        model: checks it.
        names: field of the model to parameter of the function.
        context_name: the parameter that takes the `Context`, or empty.
        blocking: a plain ``def``, to be run in a thread.
    """

    schema: Mapping[str, Any]
    model: type[BaseModel]
    names: Mapping[str, str]
    context_name: str
    blocking: bool

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The values to call the function with.

        Raises:
            pydantic.ValidationError: naming each argument that is wrong.
        """
        checked = self.model.model_validate(dict(arguments))
        # What was not given is left to the function's own default.
        return {self.names[field]: getattr(checked, field) for field in checked.model_fields_set}


def inspect_tool(name: str, function: Callable[..., Any]) -> Signature:
    """Reads the signature of ``function``.

    Raises:
        ConfigError: ``invalid_config`` if a parameter has no type hint, or one that has no JSON form.
    """
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name == "self":
        parameters = parameters[1:]  # a method; it is bound when it is looked up
    described = _argument_texts(function)
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    context_name = ""
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise _refused(name, f"parameter {parameter} must be one that can be given by name")
        hint = _hint(name, function, parameter)
        if parameter.name == "context" or hint is Context:
            context_name = parameter.name
            continue
        if hint is inspect.Parameter.empty:
            raise _refused(
                name, f"parameter {parameter.name!r} needs a type hint, e.g. {parameter.name}: str"
            )
        field = f"p{len(names)}"  # a parameter may have any name, a field may not
        names[field] = parameter.name
        default: Any = ... if parameter.default is parameter.empty else parameter.default
        fields[field] = (
            hint,
            Field(default, alias=parameter.name, **_described(hint, described, parameter.name)),
        )
    try:
        model = create_model(name, __config__=_MODEL_CONFIG, **fields)
        schema = _plain(model.model_json_schema(by_alias=True))
    except (PydanticUserError, TypeError) as error:
        raise _refused(name, f"a parameter's type has no JSON form: {str(error).splitlines()[0]}") from error
    return Signature(
        cast("dict[str, Any]", schema), model, names, context_name, blocking=not is_async(function)
    )


_MODEL_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=False)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling ``function`` gives something to await or to iterate: looks through partials and objects."""
    target: Any = inspect.unwrap(function)
    while hasattr(target, "func") and hasattr(target, "keywords"):
        target = inspect.unwrap(target.func)
    candidates = (target, getattr(cast("Any", type(target)), "__call__", None))  # noqa: B004
    return any(inspect.iscoroutinefunction(c) or inspect.isasyncgenfunction(c) for c in candidates)


def first_paragraph(function: Callable[..., Any]) -> str:
    """The first paragraph of the docstring, as one line."""
    text = inspect.getdoc(function) or ""
    return " ".join(text.strip().split("\n\n", 1)[0].split())


def _hint(name: str, function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The parameter's type; ``from __future__ import annotations`` makes it text, to be looked up."""
    annotation: Any = parameter.annotation
    if parameter.name == "context" or annotation is parameter.empty:
        return annotation
    target: Any = inspect.unwrap(function)
    while hasattr(target, "func"):
        target = inspect.unwrap(target.func)
    target = getattr(target, "__func__", target)
    scope: dict[str, Any] = dict(getattr(target, "__globals__", {}))
    code, closure = getattr(target, "__code__", None), getattr(target, "__closure__", None)
    if code is not None and closure:
        scope.update(zip(code.co_freevars, (c.cell_contents for c in closure), strict=True))
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(cast("Any", holder), globalns=scope, include_extras=True)["it"]
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        raise _refused(
            name, f"the type of parameter {parameter.name!r} is not known at module level: {error}"
        ) from error


def _described(hint: Any, texts: Mapping[str, str], name: str) -> dict[str, Any]:
    """The docstring's words on a parameter, unless ``Annotated[…, Field(description=…)]`` has its own."""
    own = any(isinstance(m, FieldInfo) and m.description for m in getattr(hint, "__metadata__", ()))
    return {} if own or name not in texts else {"description": texts[name]}


def _argument_texts(function: Callable[..., Any]) -> dict[str, str]:
    """Descriptions from the ``Args:`` section of a Google-style docstring."""
    found: dict[str, str] = {}
    inside, indent, current = False, 0, ""
    for line in (inspect.getdoc(function) or "").splitlines():
        stripped = line.strip()
        if section := _SECTION.match(stripped):
            inside, indent, current = section.group(1) in ("Args", "Arguments", "Parameters"), 0, ""
            continue
        if not inside or not stripped:
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            inside = False
            continue
        indent = indent or depth
        match = _ARGUMENT.match(stripped) if depth == indent else None
        if match:
            current = match.group(1)
            found[current] = match.group(2)
        elif current:
            found[current] = f"{found[current]} {stripped}".strip()
    return found


def _plain(schema: Any) -> Any:
    """Without the titles pydantic makes up, which only cost tokens."""
    if isinstance(schema, list):
        return [_plain(item) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    table = cast("dict[str, Any]", schema)
    out: dict[str, Any] = {}
    for key, value in table.items():
        if key == "title" and isinstance(value, str):
            continue
        if key in ("properties", "$defs"):
            out[key] = {name: _plain(inner) for name, inner in cast("dict[str, Any]", value).items()}
        else:
            out[key] = value if key in ("default", "const", "enum", "examples") else _plain(value)
    return out


def _refused(name: str, message: str) -> ConfigError:
    return ConfigError("create_tool", "invalid_config", f"tool {name}: {message}", {"fields": ["tools"]})
