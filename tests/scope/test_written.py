from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from gatescope.scope.trace import trace
from gatescope.scope.written import WrittenSum, written_sum

layers = keras.layers


def written_of(model: keras.Model, x: Any, index: tuple[int, ...]) -> WrittenSum | None:
    return written_sum(trace(model, x).neuron("last", index).element)


def of(layer: keras.layers.Layer, shape: tuple[int, ...]) -> tuple[keras.Model, Any]:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input(shape, name="x"), layer])
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(4).normal(size=weight.shape))
    return model, np.random.default_rng(5).normal(size=(2, *shape)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2D(4, 3, activation="relu", padding="same", name="last"), (6, 5, 3)),
        (layers.Conv2D(4, 3, strides=2, use_bias=False, name="last"), (7, 7, 1)),
        (layers.Conv2D(4, 3, groups=2, activation="tanh", name="last"), (6, 6, 4)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, name="last"), (6, 5, 3)),
        (layers.Conv1D(4, 3, activation="sigmoid", name="last"), (8, 3)),
        (layers.Dense(4, activation="relu", name="last"), (7,)),
        (layers.Dense(4, activation="softmax", name="last"), (7,)),
        (layers.AveragePooling2D(2, name="last"), (6, 6, 3)),
    ],
)
def test_the_sum_is_what_the_layer_says(layer: Any, shape: tuple[int, ...]) -> None:
    model, x = of(layer, shape)
    output = np.asarray(model(x))
    for index in ((1, *(0 for _ in output.shape[1:])), (0, *(n // 2 for n in output.shape[1:]))):
        written = written_of(model, x, index)
        assert written is not None
        total = sum(term.product for term in written.terms)
        assert total == pytest.approx(written.sum, rel=1e-5, abs=1e-5)
        assert written.result == pytest.approx(float(output[index]), rel=1e-5, abs=1e-6)
        number = written.sum
        for step in written.steps:  # each of them can be followed with a pencil
            if step.op in ("BiasAdd", "AddV2"):
                number += step.other_number or 0
            elif step.op == "Relu":
                number = max(number, 0)
            else:
                break
            assert step.result == pytest.approx(number, rel=1e-5, abs=1e-6)


def test_terms_name_what_is_multiplied() -> None:
    model, x = of(layers.Conv2D(2, 3, activation="relu", name="last"), (5, 5, 1))
    written = written_of(model, x, (0, 1, 2, 1))
    assert written is not None and written.op == "Conv2D" and len(written.terms) == 9
    first = written.terms[0]
    assert first.place == (0, 1, 2, 0) and first.number == pytest.approx(float(x[0, 1, 2, 0]))
    assert first.weight == "last/kernel[0, 0, 0, 1]"
    assert [step.op for step in written.steps] == ["BiasAdd", "Relu"]
    assert written.steps[0].other == "last/bias[1]"


def test_padding_is_no_term() -> None:
    model, x = of(layers.Conv2D(2, 3, padding="same", name="last"), (5, 5, 2))
    written = written_of(model, x, (0, 0, 0, 1))
    assert written is not None and len(written.terms) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(layers.LSTM(3, name="last"), (4, 2)), (layers.MaxPooling2D(name="last"), (4, 4, 1))],
)
def test_other_layers_are_no_sum(layer: Any, shape: tuple[int, ...]) -> None:
    model, x = of(layer, shape)
    index = (0,) * len(model.output_shape)
    assert written_of(model, x, index) is None
