"""A tiny ONNX net written byte by byte: the mean of each channel, a linear layer, two numbers. No onnx package is needed for that."""

import struct


def _varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, value):
    value = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _floats(name, shape, values):
    return b"".join([*(_number(1, size) for size in shape), _number(2, 1), _bytes(8, name), _bytes(9, struct.pack(f"<{len(values)}f", *values))])


def _value(name, shape):
    dims = b"".join(_bytes(1, _number(1, size)) for size in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, 1) + _bytes(2, dims)))


def _node(kind, inputs, output, attributes=b""):
    return b"".join([*(_bytes(1, each) for each in inputs), _bytes(2, output), _bytes(4, kind), attributes])


def tiny_onnx(weights, bias, side=16):
    """The file's bytes: input 1 x 3 x side x side, output 1 x len(bias); weights: one row of three for each output."""
    outputs = len(bias)
    transposed = _bytes(5, _bytes(1, "transB") + _number(3, 1) + _number(20, 2))
    graph = b"".join(
        [
            _bytes(1, _node("GlobalAveragePool", ["input"], "pooled")),
            _bytes(1, _node("Flatten", ["pooled"], "flat")),
            _bytes(1, _node("Gemm", ["flat", "w", "b"], "output", transposed)),
            _bytes(2, "tiny"),
            _bytes(5, _floats("w", [outputs, 3], [value for row in weights for value in row])),
            _bytes(5, _floats("b", [outputs], bias)),
            _bytes(11, _value("input", [1, 3, side, side])),
            _bytes(12, _value("output", [1, outputs])),
        ]
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, 13))
