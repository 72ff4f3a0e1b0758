"""AWS's event stream encoding: messages of typed headers and a payload, each with its checksums.

A message is: total length and length of the headers (4 bytes each, big endian), CRC32 of these, headers, payload, CRC32
of all before. A header is: length of its name, name, type, value. Source: the "Event stream encoding" page of Amazon
Transcribe's developer guide; checked against ``smithy-aws-event-stream`` 0.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EventStreamError", "Message", "MessageDecoder", "encode"]

_PRELUDE = 12
_LARGEST = 24 << 20
Value = bool | int | bytes | str
_BOOLS, _BYTE, _SHORT, _INT, _LONG, _BYTES, _STRING, _TIME, _UUID = (0, 1), 2, 3, 4, 5, 6, 7, 8, 9


class EventStreamError(ValueError):
    """The bytes are no message of this encoding."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; timestamps are milliseconds since the epoch."""

    headers: Mapping[str, Value] = field(default_factory=dict[str, Value])
    payload: bytes = b""


def encode(message: Message) -> bytes:
    """The message as bytes; headers are text, bytes or booleans."""
    headers = b"".join(_header(name, value) for name, value in message.headers.items())
    total = _PRELUDE + len(headers) + len(message.payload) + 4
    prelude = struct.pack(">II", total, len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + message.payload
    return body + struct.pack(">I", zlib.crc32(body))


def _header(name: str, value: Value) -> bytes:
    encoded = name.encode()
    head = bytes([len(encoded)]) + encoded
    if isinstance(value, bool):
        return head + bytes([_BOOLS[0] if value else _BOOLS[1]])
    if isinstance(value, int):
        return head + bytes([_LONG]) + struct.pack(">q", value)
    data = value.encode() if isinstance(value, str) else value
    return head + bytes([_STRING if isinstance(value, str) else _BYTES]) + struct.pack(">H", len(data)) + data


class MessageDecoder:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Adds bytes.

        Raises:
            EventStreamError: for a wrong checksum, length or header.
        """
        self._data += data
        out: list[Message] = []
        while len(self._data) >= _PRELUDE:
            total, headers, check = struct.unpack_from(">III", self._data)
            if zlib.crc32(bytes(self._data[:8])) != check:
                raise EventStreamError("the prelude's checksum is wrong")
            if not _PRELUDE + 4 + headers <= total <= _LARGEST:
                raise EventStreamError(f"a message of {total} bytes with {headers} of headers")
            if len(self._data) < total:
                break
            raw = bytes(self._data[:total])
            del self._data[:total]
            if zlib.crc32(raw[:-4]) != struct.unpack_from(">I", raw, total - 4)[0]:
                raise EventStreamError("the message's checksum is wrong")
            out.append(Message(_headers(raw[_PRELUDE : _PRELUDE + headers]), raw[_PRELUDE + headers : -4]))
        return out


def _headers(data: bytes) -> dict[str, Value]:
    out: dict[str, Value] = {}
    at = 0
    try:
        while at < len(data):
            length = data[at]
            name = data[at + 1 : at + 1 + length].decode()
            at += 1 + length
            kind = data[at]
            value, at = _value(kind, data, at + 1)
            out[name] = value
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise EventStreamError("a header is cut off") from error
    return out


def _value(kind: int, data: bytes, at: int) -> tuple[Value, int]:
    if kind in _BOOLS:
        return kind == _BOOLS[0], at
    sizes = {_BYTE: (">b", 1), _SHORT: (">h", 2), _INT: (">i", 4), _LONG: (">q", 8), _TIME: (">q", 8)}
    if kind in sizes:
        form, size = sizes[kind]
        return struct.unpack_from(form, data, at)[0], at + size
    if kind == _UUID:
        return data[at : at + 16], at + 16
    if kind not in (_BYTES, _STRING):
        raise EventStreamError(f"a header of unknown type {kind}")
    (length,) = struct.unpack_from(">H", data, at)
    raw = data[at + 2 : at + 2 + length]
    if len(raw) != length:
        raise EventStreamError("a header is cut off")
    return (raw.decode() if kind == _STRING else raw), at + 2 + length
