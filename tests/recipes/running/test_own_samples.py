"""A network is looked at with its own data, wherever they are known."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from gatescope.data.words import TextsReader
from gatescope.errors import DataError, RunError
from gatescope.models.building import build
from gatescope.recipes import table
from gatescope.recipes.kinds.kept import INPUTS, Inputs, Output, keep, origin_of
from gatescope.recipes.running.own_samples import arranged, look_at, of_text

layers = keras.layers


def two_inputs() -> keras.Model:
    a, b = keras.Input((3,), name="a"), keras.Input((None, 2), name="b")
    pooled = layers.GlobalAveragePooling1D()(b)
    return keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, pooled])))


def test_a_recipe_s_network_has_the_test_part_of_its_data(tmp_path: Path) -> None:
    recipe = table.recipe()
    build(recipe.network.blueprint()).save(tmp_path / "model.keras")
    data = recipe.data.load()
    keep(tmp_path, data, recipe.network.outputs, origin_of(recipe, table, ""))
    found = look_at(tmp_path)
    assert found.what == "as trained" and found.source.startswith("test part: wine")
    for name, array in data.test.x.items():
        np.testing.assert_array_equal(found.samples.x[name], array)
    assert list(found.samples.y) == list(data.test.y)
    assert found.outputs[0].kind == "classes"
    assert {len(names) for names in found.columns.values()} == {13}
    said = found.model(arranged(found.model, found.samples.rows(np.arange(2)).x))
    assert said.shape == (2, 3)


@pytest.mark.parametrize("style", ["x", "x/{place}", "x/{name}"])
def test_a_script_s_network_has_what_was_kept_of_its_data(tmp_path: Path, style: str) -> None:
    (tmp_path / "kept").mkdir()
    one = keras.Sequential([keras.Input((3,), name="a"), layers.Dense(1)])
    model = one if style == "x" else two_inputs()
    model.save(tmp_path / "kept" / "model.keras")
    random = np.random.default_rng(0)
    arrays = {"a": random.uniform(size=(4, 3)), "b": random.uniform(size=(4, 6, 2))}
    given = {
        style.format(place=place, name=name): array
        for place, (name, array) in enumerate(list(arrays.items())[: len(model.inputs)])
    }
    np.savez(tmp_path / "kept" / "training.npz", **given, y=np.arange(4))
    found = look_at(tmp_path)
    assert found.what == "as it was before training" and "kept" in found.source
    for name, array in found.samples.x.items():
        np.testing.assert_array_equal(array, arrays[name])
    assert len(found.samples) == 4


def test_without_data_there_are_random_numbers_and_it_says_so(tmp_path: Path) -> None:
    two_inputs().save(tmp_path / "model.keras")
    found, again = look_at(tmp_path), look_at(tmp_path)
    assert found.source.startswith("random numbers, for it is not known")
    assert found.samples.x["a"].shape == (16, 3) and found.samples.x["b"].shape == (16, 32, 2)
    np.testing.assert_array_equal(found.samples.x["b"], again.samples.x["b"])


def test_data_that_have_gone_are_named(tmp_path: Path) -> None:
    recipe = table.recipe()
    build(recipe.network.blueprint()).save(tmp_path / "model.keras")
    origin = origin_of(recipe, table, "")
    gone = {"kind": "table", "path": str(tmp_path / "gone.csv"), "table": {"target": "y"}}
    moved = origin.model_copy(update={"configuration": {**origin.configuration, "data": gone}})
    keep(tmp_path, recipe.data.load(), recipe.network.outputs, moved)
    assert look_at(tmp_path).source.startswith("random numbers, for")


def test_a_text_is_read_by_the_network_s_own_reader(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((3,), dtype="int32", name="text"), layers.Embedding(9, 2)]
    )
    model.save(tmp_path / "model.keras")
    with pytest.raises(DataError, match="takes no text"):
        of_text(look_at(tmp_path), "good")
    reader = TextsReader(input="text", words=("", "[UNK]", "good"), length=3)
    inputs = Inputs(reader=reader, outputs=(Output(name="good", kind="binary"),))
    (tmp_path / INPUTS).write_text(inputs.model_dump_json())
    assert of_text(look_at(tmp_path), "Good film").x["text"].tolist() == [[2, 1, 0]]


def test_no_model_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="keeps no model"):
        look_at(tmp_path)
    with pytest.raises(RunError, match="any more"):
        look_at(tmp_path / "gone")
