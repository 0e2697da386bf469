"""Writes the little of ONNX that a plain convolutional net needs, as the bytes of a ModelProto.

Written by hand, since it is a dozen fields of onnx.proto (IR version 8, operator set 13) and the package `onnx` would come with protobuf for them. Does
not check the graph: whoever loads it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_IR_VERSION, _OPERATORS = 8, 13
_VARINT, _BYTES = 0, 2
_FLOAT, _INT64 = 1, 7
"""TensorProto.DataType."""


class Graph:
    """Nodes in the order they are run. Every method that adds one returns the name of its output.

    Args:
        shape: Shape of the one input, whose name is "input".
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._input = _value("input", shape)
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """A constant tensor."""
        name = f"c{len(self._constants)}"
        kind, layout = (_INT64, "<i8") if values.dtype == np.int64 else (_FLOAT, "<f4")
        dims = b"".join(_number(1, size) for size in values.shape)
        self._constants.append(dims + _number(2, kind) + _block(8, name.encode()) + _block(9, values.astype(layout).tobytes()))
        return name

    def node(self, operator: str, *inputs: str, **attributes: int | Sequence[int]) -> str:
        """One operator with its attributes."""
        name = f"n{len(self._nodes)}"
        parts = [_block(1, each.encode()) for each in inputs]
        parts += [_block(2, name.encode()), _block(3, name.encode()), _block(4, operator.encode())]
        parts += [_block(5, _attribute(key, value)) for key, value in attributes.items()]
        self._nodes.append(b"".join(parts))
        return name

    def model(self, output: str, shape: Sequence[int]) -> bytes:
        """The whole model, with one output."""
        graph = b"".join(_block(1, node) for node in self._nodes) + _block(2, b"net")
        graph += b"".join(_block(5, constant) for constant in self._constants)
        graph += _block(11, self._input) + _block(12, _value(output, shape))
        return _number(1, _IR_VERSION) + _block(7, graph) + _block(8, _number(2, _OPERATORS))


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    head = _block(1, name.encode())
    if isinstance(value, int):
        return head + _number(3, value) + _number(20, 2)  # INT
    return head + b"".join(_number(8, each) for each in value) + _number(20, 7)  # INTS


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_block(1, _number(1, size)) for size in shape)
    return _block(1, name.encode()) + _block(2, _block(1, _number(1, _FLOAT) + _block(2, dims)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _block(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, least first; nothing here is negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
