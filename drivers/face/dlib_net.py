"""dlib's face net (dlib_face_recognition_resnet_model_v1.dat) as ONNX, from the file's own bytes.

Reads dlib's serialisation of this one net and of no other; does not run it, and does not check the file's hash (drivers.face.weights does, before).

The file holds numbers and names only, and nothing in it is executed. An integer is a byte (how many bytes follow; the top bit is the sign) and that many
bytes, least first; a float is two integers, mantissa and power of two; a flag is the character 0 or 1; a string is its length and its bytes; a tensor is the
version 2, four sizes, and little-endian float32. First come the loss and the versions of the 130 nested layers, from the outermost to the innermost; then the
input; then the layers' own content from the innermost on, which is the order in which the net runs.

The net: a convolution, 14 residual blocks of two convolutions each (four of them at half the size), the mean over the picture, and a matrix. Each convolution is
followed by an affine layer, which is folded into it here. Where both summands of a block differ in size, dlib takes what is missing for zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.face.onnx_writer import Graph
from gate_controller.ports.errors import ConfigurationError

CHIP = 150
"""Side of the crop that the net takes, in pixels."""

LENGTH = 128
"""Numbers in an encoding."""

MEAN = (122.782, 117.001, 104.298)
"""What the input layer takes off red, green and blue before it divides by 256."""

_NESTED = 130
_LARGEST = 256 * 256 * 3 * 3 + 256
"""Numbers in the largest tensor of this net."""


def to_onnx(data: bytes) -> bytes:
    """The net as an ONNX model: 1 x 3 x 150 x 150 (RGB, normalised) to 1 x 128.

    Raises:
        ConfigurationError: The bytes are not this net.
    """
    reader = _Reader(data)
    reader.begin()
    graph = Graph((1, 3, CHIP, CHIP))
    at = _At(graph, "input", 3, CHIP)
    at = _convolution(reader, at, first=True)
    at = _rectified(reader, at)
    at = _pooled(reader, at, "max_pool_2", "MaxPool")
    while reader.next_is("con_4"):
        at = _residual(reader, at)
    reader.layer("avg_pool_2", numbers=6)
    mean = graph.node("Flatten", graph.node("GlobalAveragePool", at.name), axis=1)
    encoding = graph.node("MatMul", mean, graph.constant(reader.matrix(at.channels)))
    reader.end()
    return graph.model(encoding, (1, LENGTH))


@dataclass(frozen=True, slots=True)
class _At:
    """Where in the graph we are: a tensor by name, its channels, and its side in pixels."""

    graph: Graph
    name: str
    channels: int
    side: int

    def padded(self, channels: int, side: int) -> str:
        """The tensor, with zeros up to that size."""
        if (channels, side) == (self.channels, self.side):
            return self.name
        pads = np.array([0, 0, 0, 0, 0, channels - self.channels, side - self.side, side - self.side], np.int64)
        return self.graph.node("Pad", self.name, self.graph.constant(pads))


def _residual(reader: _Reader, at: _At) -> _At:
    out = _convolution(reader, _rectified(reader, _convolution(reader, at)))
    if reader.next_is("avg_pool_2"):
        at = _pooled(reader, at, "avg_pool_2", "AveragePool")
    reader.layer("add_prev_")
    channels, side = max(at.channels, out.channels), max(at.side, out.side)
    total = at.graph.node("Add", out.padded(channels, side), at.padded(channels, side))
    return _rectified(reader, _At(at.graph, total, channels, side))


def _rectified(reader: _Reader, at: _At) -> _At:
    reader.layer("relu_")
    return _At(at.graph, at.graph.node("Relu", at.name), at.channels, at.side)


def _pooled(reader: _Reader, at: _At, name: str, operator: str) -> _At:
    rows, columns, stride, stride_x, pad, pad_x = reader.layer(name, numbers=6)
    reader.require((columns, stride_x, pad, pad_x) == (rows, stride, 0, 0) and 0 < rows <= at.side and stride > 0, f"{name} of another form")
    pooled = at.graph.node(operator, at.name, kernel_shape=(rows, columns), strides=(stride, stride))
    return _At(at.graph, pooled, at.channels, (at.side - rows) // stride + 1)


def _convolution(reader: _Reader, at: _At, *, first: bool = False) -> _At:
    """A convolution and the affine layer after it, as one."""
    reader.require(reader.text() == "con_4", "con_4 expected")
    params = reader.tensor()
    filters, rows, columns, stride, stride_x, pad, pad_x = reader.integers(7)
    reader.require((columns, stride_x, pad_x) == (rows, stride, pad) and stride > 0, "con_4 of another form")
    reader.shape((filters, at.channels, rows, columns))
    reader.shape((1, filters, 1, 1))
    reader.floats(4)
    reader.layer_end(innermost=first)
    scale, shift = reader.affine(filters)
    weights = at.channels * rows * columns * filters
    reader.require(params.size == weights + filters, "con_4 of another size")
    kernel = params[:weights].reshape(filters, at.channels, rows, columns).astype(np.float64) * scale[:, None, None, None]
    bias = params[weights:] * scale + shift
    constants = at.graph.constant(kernel.astype(np.float32)), at.graph.constant(bias.astype(np.float32))
    form = {"kernel_shape": (rows, columns), "strides": (stride, stride), "pads": (pad,) * 4}
    return _At(at.graph, at.graph.node("Conv", at.name, *constants, **form), filters, (at.side + 2 * pad - rows) // stride + 1)


class _Reader:
    """dlib's numbers, in order. Every method raises ConfigurationError when the bytes are something else."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def begin(self) -> None:
        """The loss, the nesting, the input."""
        self.require(self.integers(1) == [1] and self.text() == "loss_metric_2", "loss_metric_2 expected")
        self.floats(2)
        versions = self.integers(_NESTED)
        self.require(set(versions) == {1, 2, 3} and self.text() == "input_rgb_image_sized", f"{_NESTED} layers and an input expected")
        self.require(np.allclose(self.floats(3), MEAN) and self.integers(2) == [CHIP, CHIP], "an input of another form")

    def end(self) -> None:
        """Nothing follows."""
        self.require(self._at == len(self._data), "bytes after the net")

    def layer(self, name: str, *, numbers: int = 0) -> list[int]:
        """A layer without weights: its numbers."""
        self.require(self.text() == name, f"{name} expected")
        found = self.integers(numbers)
        self.layer_end()
        return found

    def layer_end(self, *, innermost: bool = False) -> None:
        """What every layer ends with: three flags and three tensors that are empty outside of training; the innermost also counts its input's samples."""
        for flag in self._take(3):
            self.require(flag in b"01", "a flag expected")
        for _ in range(3):
            self.require(self.tensor().size == 0, "an empty tensor expected")
        if innermost:
            self.require(self.integers(1) == [1], "one sample expected")

    def affine(self, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factor and summand of each channel."""
        self.require(self.text() == "affine_", "affine_ expected")
        params = self.tensor()
        self.shape((1, channels, 1, 1))
        self.shape((1, channels, 1, 1))
        self.require(self.integers(1) == [0] and params.size == 2 * channels, "affine_ of another form")
        self.layer_end()
        return params[:channels].astype(np.float64), params[channels:].astype(np.float64)

    def matrix(self, rows: int) -> NDArray[np.float32]:
        """The last layer, rows x 128, without bias."""
        self.require(self.text() == "fc_2" and self.integers(2) == [LENGTH, rows], "fc_2 expected")
        params = self.tensor()
        self.shape((rows, LENGTH, 1, 1))
        self.shape((0, 0, 0, 0))
        self.require(self.integers(1) == [1] and params.size == rows * LENGTH, "fc_2 of another form")
        self.floats(4)
        self.layer_end()
        return params.reshape(rows, LENGTH)

    def next_is(self, name: str) -> bool:
        """Whether this string follows."""
        before = self._at
        found = self.text()
        self._at = before
        return found == name

    def tensor(self) -> NDArray[np.float32]:
        """A tensor's numbers, flat."""
        version, *sizes = self.integers(5)
        self.require(version == 2 and all(0 <= size <= _LARGEST for size in sizes), "a tensor expected")
        count = sizes[0] * sizes[1] * sizes[2] * sizes[3]
        self.require(count <= _LARGEST, "a tensor too large")
        values = np.frombuffer(self._take(4 * count), "<f4")
        self.require(bool(np.isfinite(values).all()), "a number that is not finite")
        return values.astype(np.float32)

    def shape(self, expected: tuple[int, int, int, int]) -> None:
        """The shape of a part of a tensor."""
        self.require(self.integers(5) == [1, *expected], f"shape {expected} expected")

    def text(self) -> str:
        """A string of at most 64 bytes."""
        (length,) = self.integers(1)
        self.require(0 < length <= 64, "a name expected")
        return self._take(length).decode("ascii", "replace")

    def floats(self, count: int) -> list[float]:
        """Numbers, each as mantissa and power of two."""
        pairs = [self.integers(2) for _ in range(count)]
        self.require(all(abs(power) <= 200 for _, power in pairs), "a number out of range")
        return [mantissa * 2.0**power for mantissa, power in pairs]

    def integers(self, count: int) -> list[int]:
        """Whole numbers."""
        found = []
        for _ in range(count):
            (head,) = self._take(1)
            length = head & 0x0F
            self.require(1 <= length <= 8 and head & 0x70 == 0, "a whole number expected")
            value = int.from_bytes(self._take(length), "little")
            found.append(-value if head & 0x80 else value)
        return found

    def require(self, holds: bool, what: str) -> None:
        """Refuse the file unless `holds`."""
        if not holds:
            msg = f"dlib's face net: {what}, at byte {self._at}"
            raise ConfigurationError(msg, 'install the locked face_recognition_models, or set net = "dlib"')

    def _take(self, count: int) -> bytes:
        self.require(self._at + count <= len(self._data), "the file ends early")
        self._at += count
        return self._data[self._at - count : self._at]
