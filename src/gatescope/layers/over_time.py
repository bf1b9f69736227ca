"""A sequence as one vector: mean, maximum or attention over the steps that are not padding.

Keras' `GlobalAveragePooling1D` is NaN where all is padding, and `GlobalMaxPooling1D` reads padding
as if it were data. Here a sequence of padding alone becomes zeros.

Suffixes: B batch, T time steps, F features.
"""

from __future__ import annotations

import keras
from keras import ops


class _OverTime(keras.layers.Layer):
    """Reads all steps, or those that the mask keeps.

    Input shape: `(batch, steps, features)`, and a mask `(batch, steps)` if there is one.
    Output shape: `(batch, features)`.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: object, mask: object = None) -> None:
        return None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape[0], input_shape[-1]


@keras.saving.register_keras_serializable("gatescope")
class MeanOverTime(_OverTime):
    """The mean of each feature over the steps that are not padding.

    Input shape: `(batch, steps, features)`, and a mask `(batch, steps)` if there is one.
    Output shape: `(batch, features)`.

    Example:
        >>> MeanOverTime()(ops.ones((2, 7, 3))).shape
        TensorShape([2, 3])
    """

    def call(
        self, steps_BTF: keras.KerasTensor, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        if mask is None:
            return ops.mean(steps_BTF, 1)
        kept_BT1 = ops.cast(mask, steps_BTF.dtype)[..., None]
        return ops.sum(steps_BTF * kept_BT1, 1) / ops.maximum(ops.sum(kept_BT1, 1), 1)


@keras.saving.register_keras_serializable("gatescope")
class MaxOverTime(_OverTime):
    """The largest value of each feature among the steps that are not padding.

    Input shape: `(batch, steps, features)`, and a mask `(batch, steps)` if there is one.
    Output shape: `(batch, features)`.
    """

    def call(
        self, steps_BTF: keras.KerasTensor, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        if mask is None:
            return ops.max(steps_BTF, 1)
        lowest = ops.full_like(steps_BTF, _lowest(steps_BTF))
        largest_BF = ops.max(ops.where(mask[..., None], steps_BTF, lowest), 1)
        return ops.where(ops.any(mask, 1)[:, None], largest_BF, ops.zeros_like(largest_BF))


@keras.saving.register_keras_serializable("gatescope")
class AttentionOverTime(_OverTime):
    """A mean of the steps with weights that are learned from what each step says.

    The weight of a step h is softmax(v · tanh(W·h + b)) over the steps that are not padding (Yang
    et al. 2016, Hierarchical Attention Networks, section 2.2).

    Input shape: `(batch, steps, features)`, and a mask `(batch, steps)` if there is one.
    Output shape: `(batch, features)`.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        features = input_shape[-1]
        self.kernel = self.add_weight(
            (features, features), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight((features,), initializer="zeros", name="bias")
        self.query = self.add_weight((features, 1), initializer="glorot_uniform", name="query")

    def call(
        self, steps_BTF: keras.KerasTensor, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        weights_BT1 = self.weights_of(steps_BTF, mask)
        return ops.sum(steps_BTF * weights_BT1, 1)

    def weights_of(
        self, steps_BTF: keras.KerasTensor, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """How much each step counts, `(batch, steps, 1)`: 1 in all, and 0 where it is padding."""
        seen_BTF = ops.tanh(ops.matmul(steps_BTF, self.kernel) + self.bias)
        scores_BT1 = ops.matmul(seen_BTF, self.query)
        if mask is None:
            return ops.softmax(scores_BT1, 1)
        kept_BT1 = mask[..., None]
        lowest = ops.full_like(scores_BT1, _lowest(scores_BT1))
        weights_BT1 = ops.softmax(ops.where(kept_BT1, scores_BT1, lowest), 1)
        return weights_BT1 * ops.cast(kept_BT1, weights_BT1.dtype)


def _lowest(values: keras.KerasTensor) -> float:
    """Lower than anything that is not padding, and finite in half precision, too."""
    return -6e4 if keras.backend.standardize_dtype(values.dtype) == "float16" else -3e38
