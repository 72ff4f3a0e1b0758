"""Reads the named float tensors out of an ONNX file, without a runtime.

An ONNX file is one protobuf message (onnx.proto3 of the ONNX project): ``ModelProto.graph`` is field 7,
``GraphProto.initializer`` field 5, and of a ``TensorProto`` dims are 1, data_type 2, name 8 and raw_data 9.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_weights"]

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_FLOAT = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 initializers of the main graph by name.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no ONNX file.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    for number, graph in _fields(memoryview(path.read_bytes())):
        if number != _GRAPH or isinstance(graph, int):
            continue
        for inner, tensor in _fields(graph):
            if inner == _INITIALIZER and not isinstance(tensor, int):
                _add_tensor(weights, tensor)
    return weights


def _add_tensor(weights: dict[str, NDArray[np.float32]], tensor: memoryview) -> None:
    shape: list[int] = []
    name, kind, raw = "", 0, memoryview(b"")
    for number, value in _fields(tensor):
        if isinstance(value, int):
            if number == _DIMS:
                shape.append(value)
            elif number == _DATA_TYPE:
                kind = value
        elif number == _DIMS:
            shape += _packed(value)
        elif number == _NAME:
            name = bytes(value).decode()
        elif number == _RAW_DATA:
            raw = value
    if kind == _FLOAT and len(raw):
        weights[name] = (
            np.frombuffer(raw, "<f4").reshape(shape).copy()
        )  # a view would keep the file in memory


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of one message: numbers as they are, everything else as its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"not an ONNX file: wire type {wire} at byte {at}")
        if at + length > len(data):
            raise ValueError("not an ONNX file, or cut short")
        yield key >> 3, data[at : at + length]
        at += length


def _packed(data: memoryview) -> list[int]:
    numbers: list[int] = []
    at = 0
    while at < len(data):
        number, at = _varint(data, at)
        numbers.append(number)
    return numbers


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("not an ONNX file, or cut short")
