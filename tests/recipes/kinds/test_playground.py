"""The playground as data: opened, scored, and as a script that comes to the same losses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gatescope.data.bundled import Bundled
from gatescope.errors import ConfigurationError, DataError
from gatescope.recipes.kinds.keras_script import keras_script
from gatescope.recipes.kinds.playground import Playground, network_for, own_table
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

ADAM = OptimizerConfig(learning_rate=0.01)
SGD = OptimizerConfig(name="sgd", learning_rate=0.1, settings={"momentum": 0.9})


def playground(data=None, *, epochs=2, optimizer=ADAM, schedule=None, loss=None, **network):
    source = data or Bundled(name="circles", samples=120, dev=0.3, test=0.0, seed=1)
    more = {"schedule": schedule} if schedule else {}
    training = FitConfig(epochs=epochs, batch_size=16, optimizer=optimizer, seed=2, **more)
    drawn = network_for(
        source.load(), loss=loss, **{"hidden": (6,), "activation": "tanh"} | network
    )
    return Playground(data=source, network=drawn, training=training)


def printed(script, folder=None):
    """Losses of both parts in each epoch, as the script prints them."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder
    )
    found = [
        re.findall(r"(?<!\w)(?:val_)?loss ([\d.]+)", line) for line in done.stdout.splitlines()
    ]
    return np.array(found, float)


def steered(asked):
    """The same by steering: of each epoch the mean over batches, and then what is held out."""
    told, size = [], asked.training.batch_size
    count = len(asked.data.load().train)
    with asked.open() as training:
        for _ in range(asked.training.epochs):
            losses, sizes = [], []
            for start in range(0, count, size):
                training.step()
                losses.append(training.snapshot().batch_loss)
                sizes.append(min(size, count - start))
            told.append([np.average(losses, weights=sizes), training.snapshot().curve.held_out[-1]])
    return np.array(told)


ASKED = {
    "circles": {},
    "xor, all that is random": {
        "data": Bundled(name="xor", samples=90, noise=0.3, dev=0.2, test=0.0, seed=4),
        "optimizer": SGD, "schedule": Cosine(warmup=0.1), "hidden": (6, 5),
        "activations": ("relu", "selu"), "normalization": "batch", "dropout": 0.3, "l2": 0.01,
    },
    "spirals, a hinge": {
        "data": Bundled(name="spirals", samples=80, dev=0.5, test=0.0), "loss": "hinge",
    },
    "moons": {"data": Bundled(name="moons", samples=80, dev=0.5, test=0.0)},
    "iris": {"data": Bundled(name="iris", dev=0.3, test=0.0, flat=True)},
    "digits": {"data": Bundled(name="digits", dev=0.7, test=0.0, flat=True), "epochs": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_the_script_comes_to_the_losses_of_the_playground(name):
    asked = playground(**ASKED[name])
    np.testing.assert_allclose(printed(keras_script(asked)), steered(asked), atol=1e-5)


def written(folder: Path, name: str = "own.csv") -> Path:
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f};{y:.3f};red;{'yes' if x > y else 'no'}" for x, y in rng.normal(size=(60, 2))]
    path = folder / name
    path.write_text("\n".join(["width;height;colour;wide", *rows]))
    return path


def test_a_table_of_ones_own_is_learned_from_its_numbers(tmp_path):
    source = own_table(written(tmp_path), "", 0.25, 0)
    data = source.load()
    assert data.inputs[0].columns == ("width", "height")
    assert (len(data.train), len(data.dev), len(data.test)) == (45, 15, 0)
    asked = playground(source)
    script = keras_script(asked, table="own.csv")
    np.testing.assert_allclose(printed(script, tmp_path), steered(asked), atol=1e-5)


def test_a_number_may_be_predicted(tmp_path):
    asked = playground(own_table(written(tmp_path), "height", 0.25, 0))
    data = asked.data.load()
    target = data.dev.y["height"]
    assert asked.score(data.dev, target) == pytest.approx(1)
    assert asked.score(data.dev, np.zeros_like(target)) < 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("a;b\nx;yes\ny;no\n" * 9, "numbers"),
        ("a,b\n1,2\n3\n", "line 3"),
        ("only\n1\n2\n3\n", "one value|no column|line|numbers|split|too few"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        own_table(path, "", 0.25, 0)


def test_accuracy_counts_a_margin_around_nought():
    asked = playground(loss="hinge")
    data = asked.data.load()
    margins = np.where(data.dev.y["side"] == 1, 0.1, -3.0)[:, None]
    assert asked.score(data.dev, margins) == 1
    assert asked.shares(np.array([-3.0, 0, 0.5])).tolist() == [0, 0.5, 0.75]


def test_what_a_dense_network_of_numbers_cannot_learn_is_refused():
    with pytest.raises(ConfigurationError, match="image"):
        network_for(Bundled(name="digits").load())
    with pytest.raises(ConfigurationError, match="hinge is no loss"):
        network_for(Bundled(name="iris").load(), loss="hinge")
