"""Networks of several inputs or outputs: each is looked at, mended and proved by itself."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import gatescope as gs
from gatescope.doctor.bench import trial
from gatescope.doctor.changes import NotApplicable, Specimen, apply
from gatescope.doctor.diagnosis import examine
from gatescope.doctor.edits import edits
from gatescope.doctor.evidence import Sample
from gatescope.doctor.finding import Change
from gatescope.doctor.gather import from_run, sample_of
from gatescope.doctor.parts import inputs_of, outputs_of
from gatescope.doctor.script import Script
from gatescope.runs.open import open_run

ASKED = {"steps": 300, "seconds": 60, "quick": 60, "enough": 300, "seed": 0}
RNG = np.random.default_rng(0)
SIZE = RNG.uniform(40, 220, (400, 3)).astype(np.float32)
DISTRICT = RNG.integers(0, 5, (400, 1)).astype(np.int32)
COUNT = (DISTRICT[:, 0] % 3).astype(np.int32)
AREA = (SIZE[:, :1] / 20).astype(np.float32)


def two_heads(last: str | None = None, *, names: bool = True) -> keras.Model:
    """Two inputs, one of them an index, and two outputs; by name or by place."""
    keras.utils.set_random_seed(0)
    size, district = keras.Input((3,), name="size"), keras.Input((1,), name="district")
    known = keras.layers.Flatten()(keras.layers.Embedding(5, 4)(district))
    x = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()([size, known]))
    count = keras.layers.Dense(3, activation="softmax", name="count")(x)
    area = keras.layers.Dense(1, activation=last, name="area")(x)
    outputs = {"count": count, "area": area} if names else [count, area]
    model = keras.Model([size, district], outputs)
    losses = {"count": "sparse_categorical_crossentropy", "area": "mse"}
    model.compile(keras.optimizers.Adam(0.01), losses if names else list(losses.values()))
    return model


def data(*, names: bool) -> tuple[object, object]:
    if names:
        return {"size": SIZE, "district": DISTRICT}, {"count": COUNT, "area": AREA}
    return [SIZE, DISTRICT], [COUNT, AREA]


@pytest.mark.parametrize("names", [True, False])
def test_each_input_and_output_is_looked_at_by_itself(names: bool, tmp_path: Path) -> None:
    model = two_heads("sigmoid", names=names)
    watched = gs.watch(model, runs=tmp_path, name="two")
    x, y = data(names=names)
    model.fit(x, y, epochs=2, verbose=0)
    case = from_run(open_run(watched.run.folder))
    assert [len(one.tail) for _, one in outputs_of(case)] == [1, 1]
    told = {one.rule: one for one in examine(case)}
    scaled, reach = told["inputs_not_scaled"], told["targets_out_of_reach"]
    assert scaled.cause.startswith("size:" if names else "number 1 of several:")
    assert scaled.changes[0].part == ("size" if names else "0")
    assert reach.cause.startswith("area:" if names else "number 2 of several:")
    assert [one.target for one in reach.changes] == ["layer:area.activation"]
    # The index goes through an embedding, which takes any scale.
    assert sum(one.rule == "inputs_not_scaled" for one in examine(case)) == 1
    parts = dict(inputs_of(case))
    assert set(parts) == ({"size", "district"} if names else {"0", "1"})
    layers = [one.name for one in parts["district" if names else "1"].layers]
    assert "size" not in layers and "district" in layers


@pytest.mark.parametrize("names", [True, False])
def test_a_copy_of_two_heads_is_trained_and_one_part_of_it_changed(names: bool) -> None:
    model = two_heads(names=names)
    x, y = data(names=names)
    specimen = Specimen(
        keras.saving.serialize_keras_object(model), model.get_compile_config(),
        {"batch_size": 32, "epochs": 100, "samples": 320}, sample_of({"x": x, "y": y}),
    )  # fmt: skip
    part = "size" if names else "0"
    plain = trial(specimen, {"changes": [], **ASKED})
    scaled = trial(specimen, {"changes": [("set", "data.x", "standardize", part)], **ASKED})
    assert scaled["skill"] > plain["skill"] + 0.05
    changed = apply(specimen, [Change("set", "data.x", "standardize", part)]).sample
    assert abs(changed.x[0].mean()) < 1e-3 and (changed.x[1] == specimen.sample.x[1]).all()
    assert abs(changed.x_val[0].mean()) < 0.5 and len(changed.x_val) == 2


def test_the_loss_of_one_output_is_changed() -> None:
    for losses, part in (({"a": "mse", "b": "mse"}, "b"), (["mse", "mse"], "1")):
        specimen = Specimen({}, {"loss": losses}, {}, Sample((), ()))
        kept = apply(specimen, [Change("set", "loss", "mae", part)]).compile["loss"]
        assert (list(kept.values()) if isinstance(kept, dict) else kept) == ["mse", "mae"]
    with pytest.raises(NotApplicable, match="the copy has no loss of other"):
        apply(specimen, [Change("set", "loss", "mae", "other")])
    weighted = apply(specimen, [Change("set", "loss_weights", None)])
    assert weighted.compile["loss_weights"] is None


SCRIPT = """import keras
model.compile("adam", loss={"count": "mse", "area": "mse"})
model.fit([size, district], {"count": n, "area": area}, epochs=3)
model.evaluate([size_test, district_test], tests)
"""


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            Change("set", "loss", "mae", "area"),
            ['model.compile("adam", loss={"count": "mse", "area": "mae"})'],
        ),
        (
            Change("set", "data.x", "scale", "0"),
            [
                "size = size / 255.0",
                "model.evaluate([size_test / 255.0, district_test], tests)",
            ],
        ),
        (
            Change("set", "data.y", "standardize_y", "area"),
            ["centre, spread = area.mean(), area.std()", "area = (area - centre) / spread"],
        ),
        (Change("set", "loss", "mae", "other"), []),
    ],
)
def test_one_of_several_is_changed_in_the_source(change: Change, lines: list[str]) -> None:
    script = Script("train.py", SCRIPT)
    found = script.diff(edits(script, change, {})).splitlines()[2:]
    assert [one[1:] for one in found if one.startswith("+")] == lines
