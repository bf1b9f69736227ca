"""The precision in which this processor multiplies matrices fastest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import keras

from gatescope.training.work import convolves, multiply_adds

# What Linux calls the instructions that multiply bfloat16. With them training was 1.8 times as
# fast as in float32 on one processor; without them, where it is emulated, 0.6 times on another.
INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
# For convolutions it takes a unit for products of matrices: with AVX-512 alone, steps of seven
# networks (images of 8 to 32 pixels a side, 16 to 64 filters) took 1.03 to 1.6 times as long.
OF_CONVOLUTIONS = frozenset({"amx_bf16"})
CPUINFO = Path("/proc/cpuinfo")

Precision = Literal["auto", "float32", "bfloat16"]


def multiplies_bfloat16(
    cpuinfo: Path = CPUINFO, instructions: frozenset[str] = INSTRUCTIONS
) -> bool:
    """Whether the processor has instructions for bfloat16; False where nothing tells.

    Args:
        cpuinfo: Where Linux tells.
        instructions: Any of these.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Feat")))
    return not instructions.isdisjoint(next(flags, ()))


@contextmanager
def dtype_policy(precision: Precision) -> Iterator[None]:
    """Builds layers in a precision; Keras knows it only as a global setting.

    Args:
        precision: `bfloat16` keeps weights in float32; `auto` takes it where it gains.

    Example:
        >>> with dtype_policy("auto"):  # doctest: +SKIP
        ...     layer = keras.layers.Dense(10)
    """
    low = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if low else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def computing_in(model: keras.Model, precision: Precision) -> Iterator[None]:
    """Lets a built model compute in a precision; its weights and its outputs stay as they are.

    Args:
        model: Built in float32.
        precision: `auto` takes bfloat16 where it was seen to gain: in convolutions, on processors
            with a unit for its products, but for those that look at each channel by itself. Dense
            layers gained nothing, recurrent ones lost.

    Example:
        >>> with computing_in(model, "auto"):  # doctest: +SKIP
        ...     model.fit(x, y)
    """
    able = precision == "auto" and multiplies_bfloat16(instructions=OF_CONVOLUTIONS)
    gains = able and convolves(model)
    # Which has no fast kernel: EfficientNet-Lite0 took 2.8 times the time where others gained.
    gains = gains and not any(multiply_adds(model, kind) for kind in ("Depthwise", "Separable"))
    layers = _inner_layers(model) if precision == "bfloat16" or gains else []
    before = [layer.dtype_policy for layer in layers]
    _set_policies(model, layers, [keras.DTypePolicy("mixed_bfloat16")] * len(layers))
    try:
        yield
    finally:
        _set_policies(model, layers, before)


def _inner_layers(model: keras.Model) -> list[keras.Layer]:
    """All layers within a model, cells and wrapped ones too, but those that make its outputs."""
    outputs = [tensor._keras_history.operation for tensor in keras.tree.flatten(model.outputs)]
    return [layer for layer in model._flatten_layers(include_self=False) if layer not in outputs]


def _set_policies(
    model: keras.Model, layers: Sequence[keras.Layer], policies: Sequence[keras.DTypePolicy]
) -> None:
    for layer, policy in zip(layers, policies, strict=True):
        layer.dtype_policy = policy
    if layers:  # what was traced in the other precision is of no use
        model.train_function = model.test_function = model.predict_function = None
