"""The text messages of the protocol ``beluga-voice.v1`` (docs/protocol.md), parsed without any I/O.

A WebSocket and the WebRTC data channel carry the same ones.
"""

from __future__ import annotations

import json
from typing import Any, cast

from beluga_voice.errors import FormatError

__all__ = ["SUBPROTOCOL", "parse_control", "parse_in_call", "parse_start"]

SUBPROTOCOL = "beluga-voice.v1"
_MIN_RATE, _MAX_RATE = 8_000, 96_000
_MAX_DEPTH = 32
_DIGITS = frozenset("0123456789*#ABCD")
_MAX_BUFFERED = 3600


def parse_control(text: str, limit: int) -> dict[str, Any]:
    """A text message as a JSON object with a string ``type``.

    Raises:
        FormatError: ``invalid_format``, saying what is wrong with it.
    """
    if len(text) > limit or len(text.encode()) > limit:
        raise _wrong(f"a text message has at most {limit} bytes")
    try:
        value: Any = json.loads(text)
        if "\\u" in text:  # an escape may hold half a surrogate pair, which no file and no peer would take
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _wrong("a text message must be JSON of valid Unicode") from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
        raise _wrong('a text message must be a JSON object with a "type"')
    if _depth(value) > _MAX_DEPTH:
        raise _wrong(f"a text message nests at most {_MAX_DEPTH} levels")
    return value  # pyright: ignore[reportUnknownVariableType]


def parse_start(message: dict[str, Any]) -> tuple[int, int]:
    """Sample rate (Hz) and channels of a ``start`` message.

    Raises:
        FormatError: ``invalid_format`` if it is not one, or they are out of range.
    """
    if message["type"] != "start":
        raise _wrong(f'the first message must be "start", got {message["type"][:40]!r}')
    rate, channels = message.get("sample_rate", 16_000), message.get("channels", 1)
    if not isinstance(rate, int) or isinstance(rate, bool) or not _MIN_RATE <= rate <= _MAX_RATE:
        raise _wrong(f"sample_rate must be {_MIN_RATE} to {_MAX_RATE} Hz")
    if channels not in (1, 2):
        raise _wrong("channels must be 1 or 2")
    return rate, int(channels)


def parse_in_call(text: str, limit: int) -> dict[str, Any]:
    """A message of a client whose conversation has begun: ``text``, ``dtmf``, ``stop`` or ``playback``.

    Raises:
        FormatError: ``invalid_format`` for another type or a wrong field.
    """
    message = parse_control(text, limit)
    match message["type"]:
        case "text":
            if not isinstance(message.get("text"), str):
                raise _wrong('"text" must be a string')
        case "dtmf":
            digit = message.get("digit")
            if not isinstance(digit, str) or digit not in _DIGITS:
                raise _wrong('"digit" must be one of 0-9 * # A-D')
        case "playback":
            buffered = message.get("buffered")
            if not isinstance(buffered, int | float) or not 0 <= buffered <= _MAX_BUFFERED:
                raise _wrong(f'"buffered" must be 0 to {_MAX_BUFFERED} seconds')
        case "stop":
            pass
        case "start":
            raise _wrong('"start" is sent once')
        case other:
            raise _wrong(f"unknown message type {other[:40]!r}")
    return message


def _wrong(what: str) -> FormatError:
    return FormatError("transport", "invalid_format", what)


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
