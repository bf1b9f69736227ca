"""A playground as a program: the same data, network and training in plain Keras.

It takes the playground's batches from the playground's first weights, and so comes to its losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from textwrap import indent

import numpy as np

from gatescope.catalog.lookup import find
from gatescope.catalog.schedules import SCHEDULES
from gatescope.data.bundled import Bundled
from gatescope.data.sources import TableFile
from gatescope.models.code import keras_code, quoted
from gatescope.recipes.kinds.playground import Playground

_TAB = "    "
_CIRCLES = "x, y = make_circles({samples}, noise={noise}, factor=0.5, random_state={seed})"
_MOONS = "x, y = make_moons({samples}, noise={noise}, random_state={seed})"
_SPIRALS = """\
rng = np.random.default_rng({seed})
y = np.arange({samples}) % 2
turn = np.sqrt(rng.random({samples})) * 3 * np.pi
angle, radius = turn + np.pi * y, turn / (3 * np.pi)
x = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
x += rng.normal(0, {noise} / 4, x.shape)"""
_XOR = """\
rng = np.random.default_rng({seed})
corner = rng.integers(0, 2, ({samples}, 2))
x = 2 * corner - 1 + rng.normal(0, {noise} + 0.1, ({samples}, 2))
y = corner[:, 0] ^ corner[:, 1]"""
_SHIPPED = "x, y = load_{name}(return_X_y=True)"
_MADE: Mapping[str, str] = {
    "circles": _CIRCLES, "moons": _MOONS, "spirals": _SPIRALS, "xor": _XOR,
}  # fmt: skip
_FROM_SKLEARN: Mapping[str, str] = {
    "circles": "make_circles", "moons": "make_moons", "spirals": "", "xor": "",
}  # fmt: skip
_SPLIT = """\
# As many of each class are held out as their share says.
rng = np.random.default_rng({seed})
rng.permutation({classes})
held_out = np.zeros(len(y), bool)
for label, counts in enumerate({counts}):
    held_out[y == label] = rng.permutation(np.repeat([False, True], counts))
x_train, y_train, x_held, y_held = x[~held_out], y[~held_out], x[held_out], y[held_out]"""
_SCALED = """\
mean, deviation = x_train.mean(0), x_train.std(0)
deviation[deviation == 0] = 1
x_train, x_held = (x_train - mean) / deviation, (x_held - mean) / deviation"""
_INK = "x_train, x_held = x_train / 16, x_held / 16  # what is all ink is 1"
_TABLE = """\
# Gatescope reads the table, splits it and scales its numbers as in the playground.
data = TableFile(
    path=Path({path}),
    table=TableConfig(
        target={target}, drop=({drop}),
        split=SplitConfig(dev={split.dev}, test={split.test}, seed={split.seed}),
    ),
).load()
x_train, y_train = data.train.x["numbers"], data.train.y[{target}]
x_held, y_held = data.dev.x["numbers"], data.dev.y[{target}]"""
_IMPORTS = """\
import keras
import numpy as np
import tensorflow as tf
from keras import layers
"""
_TABLE_IMPORTS = """\
from pathlib import Path

import keras
import tensorflow as tf
from keras import layers

from gatescope.data.sources import TableFile
from gatescope.data.splits import SplitConfig
from gatescope.data.table import TableConfig
"""
_LOOP = """\
for epoch in range({epochs}):
    # Each epoch has an order of its own, as in the playground.
    seed = tf.constant([SEED, epoch], tf.int64)
    order = tf.random.experimental.stateless_shuffle(tf.range(len(x_train)), seed).numpy()
    history = model.fit(
        x_train[order], y_train[order], batch_size={batch_size}, shuffle=False,
        validation_data=(x_held, y_held), verbose=0,
    ).history
    told = ", ".join(f"{{name}} {{values[0]:.6f}}" for name, values in history.items())
    print(f"epoch {{epoch + 1}}: {{told}}")
"""


def keras_script(playground: Playground, *, table: str | None = None) -> str:
    """A script that runs as it is and prints the losses of each epoch of its schedule.

    Of bundled data it needs NumPy, scikit-learn and Keras; a table of one's own it reads with
    Gatescope.

    Args:
        playground: Whose data are loaded.
        table: Where the script finds a table of one's own; None for where the playground does.

    Example:
        >>> exec(keras_script(playground))  # doctest: +SKIP
    """
    training, data = playground.training, playground.data
    told = data.name if isinstance(data, Bundled) else "a table"
    network = keras_code(playground.network.blueprint())
    parts = [
        f'"""A dense network on {told}, as in Gatescope\'s playground."""',
        _imports(data),
        _of_table(data, table) if isinstance(data, TableFile) else _of_bundled(data),
        f"SEED = {training.seed}\nkeras.utils.set_random_seed(SEED)",
        f"def network():\n{indent(network, _TAB)}{_TAB}return model\n",
        _compiled(playground),
        _LOOP.format(epochs=training.epochs, batch_size=training.batch_size),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _imports(data: Bundled | TableFile) -> str:
    if isinstance(data, TableFile):
        return _TABLE_IMPORTS
    name = _FROM_SKLEARN.get(data.name, f"load_{data.name}")
    sklearn = f"from sklearn.datasets import {name}\n" if name else ""
    return f"{_IMPORTS}{sklearn}"


def _of_bundled(data: Bundled) -> str:
    asked = {"samples": data.samples, "noise": data.noise, "seed": data.seed, "name": data.name}
    made = _MADE.get(data.name, _SHIPPED).format(**asked)
    loaded = data.load()
    (target,) = loaded.targets
    counts = [
        tuple(int(np.sum(part.y[target.name] == label)) for part in (loaded.train, loaded.dev))
        for label in range(len(target.classes))
    ]
    split = _SPLIT.format(seed=data.seed, classes=len(counts), counts=counts)
    scaled = _INK if data.name == "digits" else _SCALED if data.scaled else ""
    return "\n".join([made, 'x = x.astype("float32")', split, scaled])


def _of_table(data: TableFile, path: str | None) -> str:
    asked = data.table
    return _TABLE.format(
        path=quoted(path or str(data.path)), target=quoted(asked.target), split=asked.split,
        drop="".join(f"{quoted(name)}, " for name in asked.drop),
    )  # fmt: skip


def _compiled(playground: Playground) -> str:
    (output,) = playground.network.outputs
    metric = '"mean_absolute_error"' if output.kind == "number" else '"accuracy"'
    if output.kind == "binary" and output.pair.activation != "sigmoid":  # a margin around 0
        metric = 'keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)'
    return (
        "model = network()\nmodel.compile(\n"
        f"    optimizer={_optimizer(playground)},\n"
        f'    loss="{output.pair.loss}",\n    metrics=[{metric}],\n)'
    )


def _optimizer(playground: Playground) -> str:
    asked, clip_norm = playground.training.optimizer, playground.training.clip_norm
    settings = dict(asked.settings) | ({} if clip_norm is None else {"global_clipnorm": clip_norm})
    given = "".join(f", {name}={value!r}" for name, value in settings.items())
    return f"{find('optimizer', asked.name).keras}(learning_rate={_rate(playground)}{given})"


def _rate(playground: Playground) -> str:
    """The rate as Python: a number, or the schedule of Keras."""
    training = playground.training
    batches = ceil(len(playground.data.load().train) / training.batch_size)
    peak = training.optimizer.learning_rate
    rates = training.schedule.rates(peak, epochs=training.epochs, steps_per_epoch=batches)
    if rates is None:
        return repr(peak)
    given = ", ".join(f"{name}={value!r}" for name, value in rates.settings.items())
    return f"{SCHEDULES[rates.name].keras}({given})"
