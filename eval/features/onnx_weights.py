"""The weights in an ONNX file, read without the onnx package: the initialisers of its graph.

An ONNX file is one protocol buffer. Of it this needs ModelProto.graph (field 7), GraphProto.initializer (5) and of each
TensorProto the dims (1), data_type (2), name (8) and raw_data (9).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synth.errors import EvalError
from synth.io.regular import regular_file

_LIMIT = 16 << 20
"""Bytes; SqueezeNet 1.1 has 5 million."""

_TYPES: dict[int, np.dtype] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Name -> float32 array of every floating-point initialiser. EvalError where the file is no ONNX model, or
    larger than 16 MiB."""
    try:
        data = memoryview(regular_file(path, _LIMIT, EvalError).read_bytes())
        tensors = [
            _tensor(tensor)
            for number, graph in _fields(data)
            if number == 7 and isinstance(graph, memoryview)
            for kind, tensor in _fields(graph)
            if kind == 5 and isinstance(tensor, memoryview)
        ]
    except (OSError, IndexError, KeyError, ValueError, OverflowError) as problem:
        raise EvalError(f"{path} cannot be read as an ONNX model ({problem}); copy it again") from problem
    return {name: values for name, values in tensors if values is not None}


def _tensor(message: memoryview) -> tuple[str, np.ndarray | None]:
    """Name and values of a tensor; None where they are no floating-point numbers."""
    numbers: dict[int, list[int]] = defaultdict(list)
    contents: dict[int, bytes] = {}
    for number, value in _fields(message):
        if isinstance(value, int):
            numbers[number].append(value)
        elif number == 1:
            numbers[number] += _packed(value)
        else:
            contents[number] = bytes(value)
    name, kind = contents[8].decode(), numbers[2][0]
    if kind not in _TYPES or 9 not in contents:
        return name, None
    return name, np.frombuffer(contents[9], _TYPES[kind]).reshape(numbers[1]).astype(np.float32)


def _packed(field: memoryview) -> list[int]:
    """The numbers of a packed field."""
    found: list[int] = []
    at = 0
    while at < len(field):
        number, at = _varint(field, at)
        found.append(number)
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a message; a varint as int, everything else as its bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _BYTES:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError(f"a damaged field at byte {at}")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at byte `at`, seven bits a byte, lowest first; and where it ends."""
    value = shift = 0
    while True:
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at byte {at}")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
