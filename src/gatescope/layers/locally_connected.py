"""Convolutions without weight sharing: every position has weights of its own.

Keras 3 has none. Beside a convolution they show what sharing saves, and where it costs: they learn
what is typical of a place, such as the eyes of a face that is always at the same one.

Suffixes: B batch, N positions of the output, P values under a window, F filters.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]


class _LocallyConnected(keras.layers.Layer):
    """What both numbers of axes have in common; see `LocallyConnected2D`."""

    AXES: int

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "valid",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.padding, self.use_bias = padding, use_bias
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.input_spec = keras.layers.InputSpec(ndim=self.AXES + 2)

    def build(self, input_shape: Shape) -> None:
        positions = prod(self._positions(input_shape))
        inputs = self.kernel_size**self.AXES * int(input_shape[-1] or 0)
        self.kernel = self.add_weight(
            (positions, inputs, self.filters),
            initializer=self._first_kernel,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight((positions, self.filters), initializer="zeros", name="bias")

    def _first_kernel(self, shape: tuple[int, int, int], dtype: str | None = None) -> Any:
        """Draws each position by itself, or an initializer would count all of them as inputs."""
        one = [self.kernel_initializer.clone()(shape[1:], dtype) for _ in range(shape[0])]
        return ops.stack(one)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        positions = self._positions(inputs.shape)
        windows_BNP = self._windows(inputs, positions)
        x_BNF = ops.einsum("bnp,npf->bnf", windows_BNP, self.kernel)
        if self.use_bias:
            x_BNF = x_BNF + self.bias
        return self.activation(ops.reshape(x_BNF, (-1, *positions, self.filters)))

    def _windows(self, inputs: keras.KerasTensor, positions: tuple[int, ...]) -> keras.KerasTensor:
        """The values under the window at each position: one slice for each place in it."""
        reach = [(left - 1) * self.strides + self.kernel_size for left in positions]
        missing = [max(0, end - side) for end, side in zip(reach, inputs.shape[1:-1], strict=True)]
        around = [(every // 2, every - every // 2) for every in missing]
        padded = ops.pad(inputs, [(0, 0), *around, (0, 0)]) if any(missing) else inputs
        steps = [(left - 1) * self.strides + 1 for left in positions]
        slices = [
            padded[
                :,
                *(
                    slice(first, first + size, self.strides)
                    for first, size in zip(place, steps, strict=True)
                ),
            ]
            for place in product(range(self.kernel_size), repeat=self.AXES)
        ]
        values = self.kernel_size**self.AXES * inputs.shape[-1]
        return ops.reshape(ops.concatenate(slices, -1), (-1, prod(positions), values))

    def _positions(self, input_shape: Shape) -> tuple[int, ...]:
        shape = self.compute_output_shape(input_shape)
        return tuple(int(side or 0) for side in shape[1:-1])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        lost = 0 if self.padding == "same" else self.kernel_size - 1
        left = (-(-(int(side or 0) - lost) // self.strides) for side in input_shape[1:-1])
        return input_shape[0], *left, self.filters

    def get_config(self) -> dict[str, object]:
        plain = ("filters", "kernel_size", "strides", "padding", "use_bias")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in plain},
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable("gatescope")
class LocallyConnected1D(_LocallyConnected):
    """A `Conv1D` whose weights are not shared; see `LocallyConnected2D`.

    Input shape: `(batch, steps, channels)`, of known length.
    Output shape: `(batch, new steps, filters)`.
    """

    AXES = 1


@keras.saving.register_keras_serializable("gatescope")
class LocallyConnected2D(_LocallyConnected):
    """A `Conv2D` whose weights are not shared: each position has a kernel and a bias of its own.

    Args:
        filters: Channels of the output.
        kernel_size: Side of the window.
        strides: Step of the window.
        padding: `valid` or `same`, as Keras' convolutions pad.
        activation: Behind it.
        use_bias: Whether it adds a bias at each position.
        kernel_initializer: Draws the kernel of each position as that of a dense layer.
        kernel_regularizer: Penalty on all kernels.
        **kwargs: Of `keras.layers.Layer`.

    Input shape: `(batch, rows, columns, channels)`, of known size.
    Output shape: `(batch, new rows, new columns, filters)`.

    Example:
        >>> LocallyConnected2D(6, 5)(ops.ones((1, 28, 28, 1))).shape
        TensorShape([1, 24, 24, 6])
    """

    AXES = 2
