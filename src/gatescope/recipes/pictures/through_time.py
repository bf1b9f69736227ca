"""How the gradient fares on its way back through the steps of a recurrent network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.models.heads import compile_arguments
from gatescope.recipes.kinds.network import Trained
from gatescope.report.html import Html, paragraph, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series

_SAMPLES = 64
_EARLY = 4  # samples that are marked within the first fourth of their steps


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """The gradient that comes back to the first quarter, as a multiple of that at the last step.

    Args:
        trained: Networks of one sequence and one recurrent layer.
    """
    norms = {one.name: gradient_norms(one) for one in trained}
    return {
        f"{name}: gradient that reaches the first quarter": float(
            line[len(line) // _EARLY - 1] / line[-1]
        )
        for name, line in norms.items()
    }


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """The norm of the loss' gradient with respect to the state of every step.

    Args:
        trained: Networks of one sequence and one recurrent layer.
    """
    lines = []
    for one in trained:
        norms = gradient_norms(one)
        lines.append(Series(one.name, range(1, len(norms) + 1), np.log10(norms + 1e-12).tolist()))
    return [
        section(
            "The gradient through time",
            paragraph(
                "How much the loss depends on the state after each step, after training, on test "
                "samples that were marked within the first quarter. The gradient comes from the "
                "right, where the answer is asked for; before the mark there is nothing to know. "
                "Of an LSTM the state is both what it says and what its cell holds."
            ),
            line_chart(
                lines, title="Gradient of the loss with respect to a step's state",
                x_label="step", y_label="log10 of its norm",
            ),
        )
    ]  # fmt: skip


def gradient_norms(one: Trained) -> NDArray[np.float64]:
    """The norm of the gradient at the state after each step, the mean over samples.

    The layer's own cell is run step by step, so that each state is a link of the chain and not
    only a result beside it, as those are that the layer returns.

    Args:
        one: A network of one sequence, whose last feature marks what counts, and one recurrent
            layer.

    Returns:
        Of shape `(steps,)`.
    """
    layer = next(each for each in one.model.layers if isinstance(each, keras.layers.RNN))
    rest = one.model.layers[one.model.layers.index(layer) + 1 :]
    (x_BTF,), (y,) = (list(side.values()) for side in (one.data.test.x, one.data.test.y))
    marked = x_BTF[..., -1].argmax(-1) < x_BTF.shape[1] // _EARLY
    x_BTF, y = x_BTF[marked][:_SAMPLES], y[marked][:_SAMPLES]
    arguments = compile_arguments(one.recipe.network.outputs)
    loss = keras.losses.get(next(iter(arguments["loss"].values())))
    state = layer.get_initial_state(len(x_BTF))
    states = []
    with tf.GradientTape() as tape:
        for step in range(x_BTF.shape[1]):
            # Watched before it goes on: then all that comes later depends on it.
            output, state = layer.cell(x_BTF[:, step], state)
            states.append(state)
            tape.watch(state)
        answer = output
        for each in rest:
            answer = each(answer)
        total = tf.reduce_sum(loss(y, answer))
    found = tape.gradient(total, states)
    norms = [tf.norm(tf.concat(tf.nest.flatten(each), -1), axis=-1) for each in found]
    return np.array([float(tf.reduce_mean(norm)) for norm in norms])
