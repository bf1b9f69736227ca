"""What the gates of a recurrent layer do at every step.

They are computed anew from the layer's weights, by the equations that stand below; that they come
to what the layer says is for whoever shows them to check, and the tests do.

Suffixes: B batch, T steps, F features, U units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Array = NDArray[Any]
Told = dict[str, Any]
SHOWS: Mapping[str, str] = MappingProxyType(
    {
        "input": "how much of the candidate is written into the cell",
        "forget": "how much of the cell is kept",
        "output": "how much of the cell is said",
        "candidate": "what is proposed",
        "cell": "what is held",
        "update": "how much of the state before is kept",
        "reset": "how much of the state before the candidate sees",
        "hidden": "what is said",
    }
)
"""What each is, in words; `input`, `forget`, `output`, `update` and `reset` lie between 0 and 1."""
_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)


@dataclass(frozen=True)
class Course:
    """What the gates of one recurrent layer did.

    Attributes:
        name: The layer's; of a layer that reads from both ends, one of each direction.
        gates: By name, `(batch, steps, units)` in the order of the input; NaN where a step is
            masked and nothing was computed. `hidden` is what the layer says after each step.
    """

    name: str
    gates: Mapping[str, Array]


def is_recurrent(layer: Any) -> bool:
    """Whether a layer has gates, or a state alone, that `gates_over_time` can tell."""
    if isinstance(layer, keras.layers.Bidirectional):
        return is_recurrent(layer.forward_layer) and is_recurrent(layer.backward_layer)
    return isinstance(layer, keras.layers.RNN) and isinstance(layer.cell, _CELLS)


def gates_over_time(layer: Any, x_BTF: Any, mask_BT: Any = None) -> list[Course]:
    """Runs a recurrent layer step by step from zeros, and keeps what its gates are.

    Args:
        layer: An LSTM, a GRU, a simple recurrent layer, or `Bidirectional` of one.
        x_BTF: What the layer reads, `(batch, steps, features)`.
        mask_BT: Which steps are no padding; None for all.

    Returns:
        One course, or that of each direction.

    Example:
        >>> lstm = keras.layers.LSTM(3)
        >>> (course,) = gates_over_time(lstm, np.ones((2, 5, 4), "float32"))
        >>> list(course.gates), course.gates["forget"].shape
        (['input', 'forget', 'output', 'candidate', 'cell', 'hidden'], (2, 5, 3))
    """
    if isinstance(layer, keras.layers.Bidirectional):
        both = (layer.forward_layer, layer.backward_layer)
        return [course for each in both for course in gates_over_time(each, x_BTF, mask_BT)]
    x_BTF = tf.convert_to_tensor(x_BTF)
    if not layer.built:
        layer.build(x_BTF.shape)
    turned = slice(None, None, -1 if layer.go_backwards else 1)
    kept_BT = np.ones(x_BTF.shape[:2], bool) if mask_BT is None else np.asarray(mask_BT, bool)
    told = _run(layer.cell, tf.cast(x_BTF, layer.compute_dtype)[:, turned], kept_BT[:, turned])
    if layer.zero_output_for_mask and layer.return_sequences:
        told["hidden"] = np.where(kept_BT[:, turned, None], told["hidden"], 0)
    return [Course(layer.name, {name: values[:, turned] for name, values in told.items()})]


def _run(cell: Any, x_BTF: Any, kept_BT: NDArray[np.bool_]) -> dict[str, Array]:
    step = next(rule for kind, rule in _RULES.items() if isinstance(cell, kind))
    zeros_BU = tf.zeros((x_BTF.shape[0], cell.units), x_BTF.dtype)
    state = {"hidden": zeros_BU, "cell": zeros_BU}
    rows: list[Told] = []
    for place in range(x_BTF.shape[1]):
        told = step(cell, x_BTF[:, place], state)
        reads_B1 = kept_BT[:, place, None]
        shown = {name: np.where(reads_B1, one, np.nan) for name, one in told.items()}
        state = {
            name: tf.where(reads_B1, told.get(name, before), before)
            for name, before in state.items()
        }
        held = {name: np.asarray(one) for name, one in state.items() if name in told}
        rows.append(shown | held)
    return {name: np.stack([row[name] for row in rows], 1) for name in rows[0]}


def _simple(cell: Any, x_BF: Any, state: Told) -> Told:
    """Elman 1990: h = activation(W x + U h + b)."""
    said = tf.matmul(x_BF, cell.kernel) + tf.matmul(state["hidden"], cell.recurrent_kernel)
    return {"hidden": cell.activation(said if cell.bias is None else said + cell.bias)}


def _lstm(cell: Any, x_BF: Any, state: Told) -> Told:
    """Hochreiter & Schmidhuber 1997 with a forget gate: c = f c + i g, h = o activation(c)."""
    said = tf.matmul(x_BF, cell.kernel) + tf.matmul(state["hidden"], cell.recurrent_kernel)
    said = said + cell.bias if cell.use_bias else said
    enter, keep, new, leave = tf.split(said, 4, -1)
    gate: Callable[[Any], Any] = cell.recurrent_activation
    i, f, o, candidate = gate(enter), gate(keep), gate(leave), cell.activation(new)
    held = f * state["cell"] + i * candidate
    return {
        "input": i, "forget": f, "output": o, "candidate": candidate, "cell": held,
        "hidden": o * cell.activation(held),
    }  # fmt: skip


def _gru(cell: Any, x_BF: Any, state: Told) -> Told:
    """Cho et al. 2014: h = z h + (1 − z) candidate, the reset before or after the product."""
    before = state["hidden"]
    bias, recurrent_bias = _biases(cell)
    update, reset, new = tf.split(tf.matmul(x_BF, cell.kernel) + bias, 3, -1)
    kernels = tf.split(tf.convert_to_tensor(cell.recurrent_kernel), 3, -1)
    biases = tf.split(recurrent_bias, 3, -1)
    gate: Callable[[Any], Any] = cell.recurrent_activation
    z, r = (
        gate(one + tf.matmul(before, kernel) + more)
        for one, kernel, more in zip((update, reset), kernels, biases, strict=False)
    )
    seen = (
        r * (tf.matmul(before, kernels[2]) + biases[2])
        if cell.reset_after
        else tf.matmul(r * before, kernels[2])
    )
    candidate = cell.activation(new + seen)
    hidden = z * before + (1 - z) * candidate
    return {"update": z, "reset": r, "candidate": candidate, "hidden": hidden}


def _biases(cell: Any) -> tuple[Any, Any]:
    """Of the input and of the state, which Keras has apart where the reset comes after."""
    none = tf.zeros(3 * cell.units, cell.compute_dtype)
    if not cell.use_bias:
        return none, none
    bias = tf.convert_to_tensor(cell.bias)
    return (bias[0], bias[1]) if cell.reset_after else (bias, none)


_RULES: Mapping[Any, Callable[[Any, Any, Told], Told]] = MappingProxyType(
    {
        keras.layers.LSTMCell: _lstm,
        keras.layers.GRUCell: _gru,
        keras.layers.SimpleRNNCell: _simple,
    }
)
