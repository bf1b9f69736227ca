"""How many multiply-adds the ops take that multiply, from their shapes.

Each function raises `TypeError` or `ValueError` where a size shows only when the op runs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any


def size(tensor: Any) -> int:
    """How many numbers a tensor holds."""
    return prod(tuple(tensor.shape))


def _matmul(op: Any) -> int:
    flag = "transpose_a" if op.type == "MatMul" else "adj_x"
    return size(op.outputs[0]) * op.inputs[0].shape[-2 if op.get_attr(flag) else -1]


def _convolution(op: Any) -> int:
    return size(_undilated(op.outputs[0])) * prod(op.inputs[1].shape[:-1])


def _depthwise(op: Any) -> int:
    return size(_undilated(op.outputs[0])) * prod(op.inputs[1].shape[:2])


def _transposed(op: Any) -> int:
    return size(op.inputs[2]) * prod(op.inputs[1].shape[:-1])


def _undilated(output: Any) -> Any:
    """TensorFlow runs a dilated convolution on a rearranged input, with some padding of its own."""
    for follower in output.consumers():
        if follower.type == "Squeeze":
            return _undilated(follower.outputs[0])
        if follower.type == "BatchToSpaceND":
            return follower.outputs[0]
    return output


def _einsum(op: Any) -> int:
    """One multiply-add for each combination of the sizes of all axes."""
    if len(op.inputs) != 2:
        raise ValueError("the order of several products is TensorFlow's own")
    terms = op.get_attr("equation").decode().split("->")[0].replace(" ", "").split(",")
    sizes: dict[object, int] = {}
    for term, tensor in zip(terms, op.inputs, strict=True):
        for axis, length in zip(_axes(term, tensor.shape.rank), tensor.shape, strict=True):
            sizes[axis] = max(length, sizes.get(axis, 1))
    return prod(sizes.values())


def _axes(term: str, rank: int) -> list[object]:
    """The axes of one term, those under an ellipsis numbered from its right end."""
    before, ellipsis, after = term.partition("...")
    hidden = range(rank - len(before) - len(after), 0, -1) if ellipsis else ()
    return [*before, *hidden, *after]


PRODUCTS: dict[str, Callable[[Any], int]] = {
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
}
