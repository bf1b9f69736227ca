"""What arrives at each layer of a network before its first step, forward and backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from gatescope.data.datasets import Array, Part
from gatescope.models.heads import compile_arguments
from gatescope.recipes.kinds.network import Trained
from gatescope.recipes.kinds.preparing import built
from gatescope.report.html import Html, paragraph, section, side_by_side
from gatescope.report.plots import line_chart
from gatescope.report.series import Series

_SAMPLES = 256
_LEAST = 1e-30  # what single precision can hardly tell from nothing

_DEPTH = "from the first layer to the last"


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """How alike all samples have become behind the last hidden layer, before the first step.

    Args:
        trained: Dense networks of one output.
    """
    return {f"alike: {one.name}": alike_behind_layers(one)[-1] for one in trained}


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """What arrives at each layer: gradients on their way back, samples on their way forward.

    Args:
        trained: Dense networks of one output.
    """
    gradients = [_line(one, np.log10(np.maximum(first_gradients(one), _LEAST))) for one in trained]
    alike = [_line(one, alike_behind_layers(one)) for one in trained]
    return [
        section(
            "Before the first step",
            paragraph(
                "Each line goes from the first layer to the last. Gradient: the root mean square "
                "of what arrives at the layer's weights, as a power of ten. Alike: the mean cosine "
                "between what the layer puts out for two samples; at 1 they are the same to all "
                "that follows, and then a gradient, however large, cannot tell them apart."
            ),
            side_by_side(
                line_chart(gradients, title="Gradient", x_label=_DEPTH, y_label="log10"),
                line_chart(alike, title="How alike samples are", x_label=_DEPTH, y_label="cosine"),
            ),
        )
    ]


def alike_behind_layers(one: Trained) -> Sequence[float]:
    """The mean cosine between what a layer puts out for two samples, layer by layer.

    Args:
        one: A dense network; it is built anew with the seed that it began with.
    """
    model, part = _begun(one)
    behind = [layer.output for layer in model.layers if _ends_a_layer(layer, one)]
    seen = keras.Model(model.inputs, behind)(dict(part.x), training=False)
    return [_cosine(np.asarray(each)) for each in (seen if isinstance(seen, list) else [seen])]


def first_gradients(one: Trained) -> Sequence[float]:
    """Root mean squares of the gradients of all kernels, from the first layer on.

    Args:
        one: A dense network of one output; it is built anew with the seed that it began with.
    """
    model, part = _begun(one)
    (target,) = part.y.values()
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    with tf.GradientTape() as tape:
        said = model(dict(part.x), training=True)
        loss = model.compute_loss(y=target, y_pred=said)
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    return [float(tf.sqrt(tf.reduce_mean(tf.square(each)))) for each in gradients]


def _begun(one: Trained) -> tuple[keras.Model, Part]:
    keras.utils.set_random_seed(one.recipe.training.seed)
    model = built(one.recipe.network)
    model.compile(**compile_arguments(one.recipe.network.outputs))
    return model, one.data.train.rows(np.arange(min(_SAMPLES, len(one.data.train))))


def _ends_a_layer(layer: keras.Layer, one: Trained) -> bool:
    """Whether a dense layer's work ends here: with the sum, where it adds to what it gets."""
    kinds = keras.layers.Add if one.recipe.network.residual else keras.layers.Dense
    outputs = [output.name for output in one.recipe.network.outputs]
    return isinstance(layer, kinds) and layer.name not in outputs


def _cosine(rows: Array) -> float:
    """The mean over all pairs of different rows."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / np.maximum(lengths, _LEAST)
    count = len(rows)
    return float((np.square(units.sum(0)).sum() - count) / (count * (count - 1)))


def _line(one: Trained, values: Sequence[float] | Array) -> Series:
    return Series(one.name, np.linspace(0, 1, len(values)).tolist(), list(map(float, values)))
