"""What a run keeps of a model's structure."""

from __future__ import annotations

import keras
import numpy as np

from gatescope.runs.plain import to_json
from gatescope.scope.description import describe_model


def test_variables_without_axes_are_described_as_others() -> None:
    scale = keras.layers.Normalization(axis=None)
    scale.adapt(np.arange(8.0))
    model = keras.Sequential([keras.Input((4,)), scale, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    told = describe_model(model)
    first, second = told["layers"]  # type: ignore[misc]
    assert first["weights"][0]["shape"] == []
    assert first["weights"][0]["mean"] == 3.5 and second["weights"][0]["shape"] == [4, 2]
    assert told["outputs"] == [second["name"]] and to_json(told)
