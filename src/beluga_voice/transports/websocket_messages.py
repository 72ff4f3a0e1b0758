"""The messages of the WebSocket protocol ``beluga-voice.v1`` (docs/protocol.md), parsed without any I/O."""

from __future__ import annotations

import json
from typing import Any, cast

from beluga_voice.errors import FormatError

__all__ = ["SUBPROTOCOL", "parse_control", "parse_start"]

SUBPROTOCOL = "beluga-voice.v1"
_MIN_RATE, _MAX_RATE = 8_000, 96_000
_MAX_DEPTH = 32


def parse_control(text: str, limit: int) -> dict[str, Any]:
    """A text message as a JSON object with a string ``type``.

    Raises:
        FormatError: ``invalid_format``, saying what is wrong with it.
    """
    if len(text) > limit:
        raise FormatError("websocket", "invalid_format", f"a text message has at most {limit} characters")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError("websocket", "invalid_format", "a text message must be JSON") from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
        raise FormatError("websocket", "invalid_format", 'a text message must be a JSON object with a "type"')
    if _depth(value) > _MAX_DEPTH:
        raise FormatError("websocket", "invalid_format", f"a text message nests at most {_MAX_DEPTH} levels")
    return value  # pyright: ignore[reportUnknownVariableType]


def parse_start(message: dict[str, Any]) -> tuple[int, int]:
    """Sample rate (Hz) and channels of a ``start`` message.

    Raises:
        FormatError: ``invalid_format`` if it is not one, or they are out of range.
    """
    if message["type"] != "start":
        raise FormatError(
            "websocket", "invalid_format", f'the first message must be "start", got {message["type"][:40]!r}'
        )
    rate, channels = message.get("sample_rate", 16_000), message.get("channels", 1)
    if not isinstance(rate, int) or isinstance(rate, bool) or not _MIN_RATE <= rate <= _MAX_RATE:
        raise FormatError("websocket", "invalid_format", f"sample_rate must be {_MIN_RATE} to {_MAX_RATE} Hz")
    if channels not in (1, 2):
        raise FormatError("websocket", "invalid_format", "channels must be 1 or 2")
    return rate, int(channels)


def _depth(value: Any) -> int:
    """Nesting of a JSON value, counted without recursion."""
    deepest = 0
    layer: list[Any] = [value]
    while layer:
        deepest += 1
        layer = [inner for item in layer for inner in _children(item) if isinstance(inner, dict | list)]
    return deepest


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(cast("dict[str, Any]", item).values())
    return cast("list[Any]", item)
