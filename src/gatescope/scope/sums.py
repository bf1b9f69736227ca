"""Which products an operation adds up for one element of its output.

`PRODUCTS` has a row for each operation that is a sum of products: matrix products, convolutions,
means. A row takes the gate and the index of the output's element, and gives the factors of every
term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatescope.scope.record import Gate, Index, Value

Places = npt.NDArray[np.int64]  # flat places of elements, one for each term


class Products(NamedTuple):
    """Terms: the product of an element of each factor, all times one number."""

    factors: list[tuple[Value, Places]]
    coefficient: float = 1.0


Rule = Callable[[Gate, Index], Products | None]


def _matmul(gate: Gate, index: Index) -> Products:
    a, b = gate.inputs[:2]
    settings = gate.attributes
    turned_a = bool(settings.get("transpose_a") or settings.get("adj_x"))
    turned_b = bool(settings.get("transpose_b") or settings.get("adj_y"))
    *batch, row, column = index
    inner = np.arange(a.shape[-2] if turned_a else a.shape[-1])
    at_a = (inner, row) if turned_a else (row, inner)
    at_b = (column, inner) if turned_b else (inner, column)
    return Products(
        [
            (a, _flat([*_broadcast(batch, a.shape[:-2]), *at_a], a.shape)),
            (b, _flat([*_broadcast(batch, b.shape[:-2]), *at_b], b.shape)),
        ]
    )


def _broadcast(index: Sequence[int], shape: Index) -> list[int]:
    """An index into what was broadcast: the last axes fit, and those of size one stay at 0."""
    last = index[len(index) - len(shape) :]
    return [0 if size == 1 else place for place, size in zip(last, shape, strict=True)]


def broadcast_flat(index: Index, shape: Index) -> int:
    """The flat place, in an operand of this shape, of an element of the broadcast result."""
    return int(np.ravel_multi_index(_broadcast(index, shape), shape)) if shape else 0


def _flat(index: Sequence[Any], shape: Index) -> Places:
    return np.asarray(np.ravel_multi_index(tuple(np.broadcast_arrays(*index)), shape)).reshape(-1)


def _einsum(gate: Gate, index: Index) -> Products | None:
    equation = _text(gate.attributes["equation"])
    if "." in equation:
        return None
    terms, result = equation.replace(" ", "").split("->")
    operands = terms.split(",")
    sizes = {
        letter: size
        for letters, value in zip(operands, gate.inputs, strict=True)
        for letter, size in zip(letters, value.shape, strict=True)
    }
    summed = [letter for letter in sizes if letter not in result]
    grid = np.meshgrid(*(np.arange(sizes[letter]) for letter in summed), indexing="ij")
    places: dict[str, Any] = dict(zip(result, index, strict=True))
    places |= {letter: axis.reshape(-1) for letter, axis in zip(summed, grid, strict=True)}
    terms_count = int(np.prod([sizes[letter] for letter in summed], dtype=np.int64))
    one = np.zeros(terms_count, np.int64)
    return Products(
        [
            (value, _flat([one, *(places[letter] for letter in letters)], (1, *value.shape)))
            for letters, value in zip(operands, gate.inputs, strict=True)
        ]
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _seen(
    gate: Gate, axis: int, tap: int, size: int, output: int, at: int
) -> tuple[Places, Places]:
    """Where an output's element looks along a spatial axis, and with which taps.

    What lies in the padding is left out.
    """
    stride = gate.attributes["strides"][1 + axis]
    dilation = (gate.attributes.get("dilations") or [1] * (2 + axis))[1 + axis]
    taps = np.arange(tap)
    before = _padding(gate, axis, tap, stride, dilation, size, output)
    places = at * stride - before + taps * dilation
    inside = (places >= 0) & (places < size)
    return places[inside], taps[inside]


def _window(gate: Gate, taps: Index, x: Value, at: Sequence[int]) -> list[tuple[Places, Places]]:
    """`_seen` along every spatial axis of an input."""
    sizes, outputs = x.shape[1:-1], gate.outputs[0].shape[1:-1]
    axes = zip(taps, sizes, outputs, at, strict=True)
    return [_seen(gate, axis, *of_axis) for axis, of_axis in enumerate(axes)]


def _padding(
    gate: Gate, axis: int, tap: int, stride: int, dilation: int, size: int, output: int
) -> int:
    kind = _text(gate.attributes["padding"])
    if kind == "EXPLICIT":
        return int(gate.attributes["explicit_paddings"][2 * (axis + 1)])
    if kind == "VALID":
        return 0
    needed = (output - 1) * stride + (tap - 1) * dilation + 1 - size
    return max(int(needed), 0) // 2


def _grid(*axes: Any) -> list[Places]:
    """All combinations, flattened alike."""
    return [part.reshape(-1) for part in np.meshgrid(*axes, indexing="ij")]


def channels_last(gate: Gate) -> bool:
    """Whether the last axis of an image operation has the channels."""
    return not _text(gate.attributes.get("data_format", "NHWC")).startswith("NC")


def _convolution(gate: Gate, index: Index) -> Products | None:
    if not channels_last(gate):
        return None
    x, kernel = gate.inputs[:2]
    sample, *at, channel = index
    depth = kernel.shape[-2]
    group = channel // (kernel.shape[-1] // (x.shape[-1] // depth))
    window = _window(gate, kernel.shape[:-2], x, at)
    *places, inputs = _grid(*(axis[0] for axis in window), np.arange(depth))
    *taps, _ = _grid(*(axis[1] for axis in window), np.arange(depth))
    at_x, at_kernel = [sample, *places, group * depth + inputs], [*taps, inputs, channel]
    return Products([(x, _flat(at_x, x.shape)), (kernel, _flat(at_kernel, kernel.shape))])


def _depthwise(gate: Gate, index: Index) -> Products | None:
    if not channels_last(gate):
        return None
    x, kernel = gate.inputs[:2]
    sample, *at, channel = index
    source, multiplier = divmod(channel, kernel.shape[-1])
    window = _window(gate, kernel.shape[:2], x, at)
    at_x = [sample, *_grid(*(axis[0] for axis in window)), source]
    at_kernel = [*_grid(*(axis[1] for axis in window)), source, multiplier]
    return Products([(x, _flat(at_x, x.shape)), (kernel, _flat(at_kernel, kernel.shape))])


def _transposed(gate: Gate, index: Index) -> Products | None:
    """A transposed convolution: all places of its input whose window holds this place."""
    if not channels_last(gate):
        return None
    _, kernel, x = gate.inputs[:3]
    sample, *at, channel = index
    hits = []
    for axis, here in enumerate(at):
        tap, size, extent = (
            shape[axis] for shape in (kernel.shape, gate.outputs[0].shape[1:], x.shape[1:])
        )
        seen = [_seen(gate, axis, tap, size, extent, place) for place in range(extent)]
        found = [(place, taps[there == here]) for place, (there, taps) in enumerate(seen)]
        hits.append([(place, int(taps[0])) for place, taps in found if taps.size])
    depth = np.arange(kernel.shape[-1])
    *places, outputs = _grid(*([place for place, _ in axis] for axis in hits), depth)
    *taps, _ = _grid(*([tap for _, tap in axis] for axis in hits), depth)
    at_x, at_kernel = [sample, *places, outputs], [*taps, channel, outputs]
    return Products([(x, _flat(at_x, x.shape)), (kernel, _flat(at_kernel, kernel.shape))])


def pooled(gate: Gate, index: Index) -> Places | None:
    """The elements of a pooling's input below one element of its output."""
    if not channels_last(gate):
        return None
    x = gate.inputs[0]
    sample, *at, channel = index
    window = _window(gate, tuple(gate.attributes["ksize"][1:-1]), x, at)
    return _flat([sample, *_grid(*(axis[0] for axis in window)), channel], x.shape)


def _average_pool(gate: Gate, index: Index) -> Products | None:
    places = pooled(gate, index)
    return None if places is None else Products([(gate.inputs[0], places)], 1 / len(places))


def reduced(gate: Gate, index: Index) -> Places:
    """The elements of a reduction's input that one element of its output stands for."""
    x, axes = gate.inputs[:2]
    rank = len(x.shape)
    given = [] if axes.array is None else np.atleast_1d(axes.array).tolist()
    gone = {axis % rank for axis in given} if rank else set()
    kept = bool(gate.attributes.get("keep_dims"))
    left = iter(index)
    ranges = []
    for axis, size in enumerate(x.shape):
        if axis in gone:
            ranges.append(np.arange(size))
            if kept:
                next(left)
        else:
            ranges.append(np.array([next(left)]))
    return _flat(_grid(*ranges), x.shape) if ranges else np.zeros(1, np.int64)


def _sum(gate: Gate, index: Index) -> Products:
    return Products([(gate.inputs[0], reduced(gate, index))])


def _mean(gate: Gate, index: Index) -> Products:
    places = reduced(gate, index)
    return Products([(gate.inputs[0], places)], 1 / len(places))


PRODUCTS: Mapping[str, Rule] = MappingProxyType(
    {
        "MatMul": _matmul,
        "BatchMatMul": _matmul,
        "BatchMatMulV2": _matmul,
        "BatchMatMulV3": _matmul,
        "Einsum": _einsum,
        "Conv2D": _convolution,
        "Conv3D": _convolution,
        "DepthwiseConv2dNative": _depthwise,
        "Conv2DBackpropInput": _transposed,
        "Conv3DBackpropInputV2": _transposed,
        "AvgPool": _average_pool,
        "AvgPool3D": _average_pool,
        "Sum": _sum,
        "Mean": _mean,
    }
)
