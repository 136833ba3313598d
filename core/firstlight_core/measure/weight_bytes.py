"""The bytes of weights that an artifact reads for each token, from its ONNX file; nothing is loaded or run.

A decoder reads every matrix once a token. Tables of which only rows are read (embeddings of their own, rotary
tables) do not count; a table that is also the head does.

The file is parsed here because no library is at hand: onnx comes with the `convert` extra only, and people who only run
artifacts benchmark them too; onnxruntime names inputs and outputs, but no initialisers. onnx would also load the weights
that lie in the file itself, which this skips. Tests compare the sums with models that onnx wrote.
"""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROWS_ONLY = frozenset(
    {"Gather", "GatherBlockQuantized", "GroupQueryAttention", "RotaryEmbedding", "Shape", "Slice"}
)
"""Operators that read single rows of a table."""
ITEM_BYTES = {
    1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2, 17: 1, 18: 1, 19: 1, 20: 1,
    21: 0.5, 22: 0.5, 23: 0.5,
}  # fmt: skip
"""`TensorProto.DataType` (onnx.proto3) → bytes of a value."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_INPUT, _OPERATOR = 1, 4
_DIMS, _DATA_TYPE, _NAME = 1, 2, 8


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a protobuf message; `value` of a number, `start` and `end` of bytes."""

    number: int
    value: int
    start: int
    end: int


def weight_bytes(file: Path) -> int | None:
    """Return the bytes of the initialisers that a token reads in whole; None for a file that is no ONNX model."""
    try:
        with (
            file.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return _sum(data)
    except (OSError, ValueError, IndexError):
        return None


def _sum(data: mmap.mmap) -> int:
    sizes: dict[str, float] = {}
    whole: set[str] = set()
    for graph in _fields(data, 0, len(data)):
        if graph.number != _GRAPH:
            continue
        for part in _fields(data, graph.start, graph.end):
            if part.number == _INITIALIZER:
                name, size = _tensor(data, part)
                sizes[name] = size
            elif part.number == _NODE:
                operator, inputs = _node(data, part)
                if operator not in ROWS_ONLY:
                    whole.update(inputs)
    return round(sum(size for name, size in sizes.items() if name in whole))


def _tensor(data: mmap.mmap, tensor: _Field) -> tuple[str, float]:
    dims: list[int] = []
    kind, name = 0, ""
    for field in _fields(data, tensor.start, tensor.end):
        if field.number == _DIMS and field.end:
            position = field.start
            while position < field.end:
                value, position = _varint(data, position)
                dims.append(value)
        elif field.number == _DIMS:
            dims.append(field.value)
        elif field.number == _DATA_TYPE:
            kind = field.value
        elif field.number == _NAME:
            name = _text(data, field)
    return name, math.prod(dims) * ITEM_BYTES.get(kind, 0)


def _node(data: mmap.mmap, node: _Field) -> tuple[str, list[str]]:
    operator, inputs = "", []
    for field in _fields(data, node.start, node.end):
        if field.number == _INPUT:
            inputs.append(_text(data, field))
        elif field.number == _OPERATOR:
            operator = _text(data, field)
    return operator, inputs


def _text(data: mmap.mmap, field: _Field) -> str:
    return data[field.start : field.end].decode("utf-8", "replace")


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[_Field]:
    """Yield the fields of one message.

    Raises:
        ValueError: it is no protobuf message.
    """
    position = start
    while position < end:
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield _Field(number, value, 0, 0)
        elif kind == _BYTES:
            length, position = _varint(data, position)
            if position + length > end:
                raise ValueError("a field is longer than its message")
            yield _Field(number, 0, position, position + length)
            position += length
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"{kind} is no wire type")
    if position != end:
        raise ValueError("a message ends in the middle of a field")


def _varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number is too long")
