"""The gradient that arrives at each layer of a network before its first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from gatescope.models.heads import compile_arguments
from gatescope.recipes.network import Trained
from gatescope.recipes.preparing import built
from gatescope.report.html import Html, paragraph, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series

_SAMPLES = 256
_LEAST = 1e-30  # what single precision can hardly tell from nothing


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """What the first layer gets of the gradient of the last one.

    Args:
        trained: Dense networks of one output.
    """
    found = {one.name: first_gradients(one) for one in trained}
    return {
        f"gradient, first to last: {name}": float(norms[0] / max(norms[-1], _LEAST))
        for name, norms in found.items()
    }


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """The size of the gradient from layer to layer.

    Args:
        trained: Dense networks of one output.
    """
    lines = [_line(one) for one in trained]
    return [
        section(
            "The gradient on its way back",
            paragraph(
                "Root mean square of each layer's gradient before the first step, as a power of "
                "ten: a line that falls to the left is a gradient that fades on its way back."
            ),
            line_chart(lines, title="Gradient", x_label="depth, from first to last layer",
                       y_label="log10 of the gradient"),
        )
    ]  # fmt: skip


def first_gradients(one: Trained) -> Sequence[float]:
    """Root mean squares of the gradients of all kernels, from the first layer on.

    Args:
        one: A dense network of one output; it is built anew with the seed that it began with.
    """
    keras.utils.set_random_seed(one.recipe.training.seed)
    model = built(one.recipe.network)
    model.compile(**compile_arguments(one.recipe.network.outputs))
    part = one.data.train.rows(np.arange(min(_SAMPLES, len(one.data.train))))
    (target,) = part.y.values()
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    with tf.GradientTape() as tape:
        said = model(dict(part.x), training=True)
        loss = model.compute_loss(y=target, y_pred=said)
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    return [float(tf.sqrt(tf.reduce_mean(tf.square(each)))) for each in gradients]


def _line(one: Trained) -> Series:
    norms = first_gradients(one)
    places = np.linspace(0, 1, len(norms)).tolist()
    return Series(one.name, places, [float(np.log10(max(each, _LEAST))) for each in norms])
