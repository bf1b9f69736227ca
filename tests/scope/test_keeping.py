"""What a run keeps of a training's start: the rows it drew, the batches that passed, the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.runs.record import RunWriter, start_run
from gatescope.scope.keeping import BATCHES, ROWS, Passing, draw, keep_model, keep_passed

MEBIBYTE = 2**20


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    return start_run(tmp_path, "kept", configuration={}, tensorboard=False)


def network() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_rows_of_inputs_and_targets_stay_together_and_in_order() -> None:
    x = np.arange(10_000.0)
    found = draw([x[:, None], 2 * x, None], MEBIBYTE)
    assert found is not None
    arrays, count = found
    assert count == 10_000 and set(arrays) == {"x", "y"}
    assert arrays["x"].shape == (ROWS, 1) and (np.diff(arrays["x"][:, 0]) > 0).all()
    np.testing.assert_array_equal(arrays["y"], 2 * arrays["x"][:, 0])
    again = draw([x[:, None], 2 * x, None], MEBIBYTE)
    assert again is not None
    np.testing.assert_array_equal(again[0]["x"], arrays["x"])


def test_rows_are_as_many_as_there_is_room_for() -> None:
    found = draw([np.zeros((1_000, 1_000), np.float32), np.zeros(1_000), None], MEBIBYTE)
    assert found is not None
    assert sum(array.nbytes for array in found[0].values()) <= MEBIBYTE
    assert len(found[0]["x"]) == MEBIBYTE // 4_008


def test_several_inputs_are_kept_by_their_paths() -> None:
    found = draw([{"a": np.zeros((4, 1)), "b": np.ones((4, 2))}, [0, 1, 0, 1], None], MEBIBYTE)
    assert found is not None
    shapes = {name: array.shape for name, array in found[0].items()}
    assert shapes == {"x/a": (4, 1), "x/b": (4, 2), "y": (4,)}


@pytest.mark.parametrize(
    "x",
    [
        (np.zeros(2) for _ in range(3)),
        tf.data.Dataset.from_tensor_slices(np.zeros((4, 2))).batch(2),
        np.array([object(), object()]),
        None,
    ],
    ids=["generator", "data set", "objects", "nothing"],
)
def test_what_is_no_array_is_not_drawn_from(x: Any) -> None:
    assert draw([x, None, None], MEBIBYTE) is None


def test_the_first_batches_are_kept_as_they_pass() -> None:
    passing = Passing()

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> None:
        passing.see((x, {"y": y}))

    batches = [np.full((2, 3), place, np.float32) for place in range(BATCHES + 3)]
    for batch in batches:
        step(tf.constant(batch), tf.constant(batch[:, 0]))
    arrays = passing.arrays()
    np.testing.assert_array_equal(arrays["x"], np.concatenate(batches[:BATCHES]))
    np.testing.assert_array_equal(arrays["y/y"], arrays["x"][:, 0])
    passing.restart(wanted=True)
    step(tf.constant(batches[-1]), tf.constant(batches[-1][:, 0]))
    np.testing.assert_array_equal(passing.arrays()["x"], batches[-1])


def test_text_that_passes_is_not_kept(run: RunWriter) -> None:
    told = keep_passed(run, "training", {"x": np.array([b"a", b"b"], object)})
    assert told == {"file": None, "why": "the first batches are text, or too large"}
    numeric = keep_passed(run, "training", {"x": np.zeros((6, 2))})
    assert numeric == {"file": "training.npz", "how": "the first 8 batches", "rows": 6}


def test_a_model_is_kept_so_that_keras_loads_it(run: RunWriter) -> None:
    model = network()
    assert keep_model(run, model, MEBIBYTE) == {"file": "model.keras", "built": True}
    loaded = keras.saving.load_model(run.folder / "kept" / "model.keras")
    for kept, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)


def test_a_model_that_keras_cannot_save_keeps_its_weights(run: RunWriter) -> None:
    class Own(keras.layers.Dense):
        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError("not told")

    model = keras.Sequential([keras.Input((3,)), Own(2)])
    told = keep_model(run, model, MEBIBYTE)
    assert told["file"] == "weights.npz" and "not told" in str(told["why"])
    with np.load(run.folder / "kept" / "weights.npz") as arrays:
        assert {array.shape for array in arrays.values()} == {(3, 2), (2,)}


def test_a_model_beyond_the_cap_is_not_kept(run: RunWriter) -> None:
    assert keep_model(run, network(), 8) == {
        "file": None,
        "why": "32 bytes of weights, more than 8",
    }
