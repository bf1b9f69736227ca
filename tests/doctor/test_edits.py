"""Where in the source a change belongs, and how the line would read."""

from __future__ import annotations

import pytest

from gatescope.doctor.edits import edits, joined, scaling
from gatescope.doctor.finding import Change
from gatescope.doctor.script import LayerCall, Script

SCRIPT = """import keras
from keras import layers

RATE = 0.5
model = keras.Sequential([
    layers.Dense(64),
    layers.Dropout(0.9),
    layers.Dense(10, "sigmoid", name="out"),
])
scaler.fit(x_train)
model.compile(
    optimizer=keras.optimizers.SGD(RATE, momentum=0.9),
    loss="mse",
)
model.fit(x_train, y_train, epochs=3)
"""
LAYERS = {
    "dense": LayerCall("Dense", "dense", 0, 2, {"units": 64}),
    "out": LayerCall("Dense", "out", 1, 2, {"units": 10}),
    "drop": LayerCall("Dropout", "drop", 0, 1, {"rate": 0.9}),
}


def changed(*changes: Change, text: str = SCRIPT) -> tuple[list[int], list[str]]:
    script = Script("train.py", text)
    found = [edit for change in changes for edit in edits(script, change, LAYERS)]
    lines = script.diff(found).splitlines()[2:]
    return [edit.line for edit in found], [one[1:].strip() for one in lines if one[0] == "+"]


@pytest.mark.parametrize(
    ("change", "line", "text"),
    [
        (Change("set", "optimizer.learning_rate", 0.01), 4, "RATE = 0.01"),
        (
            Change("set", "optimizer.clipnorm", 1.0),
            12,
            "optimizer=keras.optimizers.SGD(RATE, momentum=0.9, clipnorm=1),",
        ),
        (Change("set", "loss", "categorical_crossentropy"), 13, 'loss="categorical_crossentropy",'),
        (Change("set", "metrics", ["mae"]), 11, "loss=\"mse\", metrics=['mae']"),
        (
            Change("set", "layer:dense.activation", "relu"),
            6,
            'layers.Dense(64, activation="relu"),',
        ),
        (
            Change("set", "layer:out.activation", "softmax"),
            8,
            'layers.Dense(10, "softmax", name="out"),',
        ),
        (Change("set", "layer:drop.rate", 0.3), 7, "layers.Dropout(0.3),"),
        (
            Change("set", "fit.batch_size", 32),
            15,
            "model.fit(x_train, y_train, epochs=3, batch_size=32)",
        ),
        (Change("set", "fit.epochs", 30), 15, "model.fit(x_train, y_train, epochs=30)"),
        (Change("set", "data.x", "scale"), 15, "x_train = x_train / 255.0"),
    ],
)
def test_a_change_is_written_where_it_belongs(change: Change, line: int, text: str) -> None:
    assert changed(change) == ([line], [text])


def test_a_layer_is_taken_out_with_its_line() -> None:
    script = Script("train.py", SCRIPT)
    (edit,) = edits(script, Change("remove", "layer:drop"), LAYERS)
    assert edit.line == 7
    assert "-    layers.Dropout(0.9),\n" in script.diff([edit])
    added = SCRIPT.replace("    layers.Dropout(0.9),\n", "").replace(
        "])", "])\nmodel.add(layers.Dropout(0.9))"
    )
    script = Script("train.py", added)
    (edit,) = edits(script, Change("remove", "layer:drop"), LAYERS)
    assert script.text.splitlines()[edit.line - 1] == "model.add(layers.Dropout(0.9))"


def test_an_optimizer_by_its_name_becomes_one_with_settings() -> None:
    text = 'import keras\nmodel.compile("adam", "mse")\nmodel.fit(x, y)\n'
    change = Change("set", "optimizer.learning_rate", 0.1)
    new = 'model.compile(keras.optimizers.Adam(learning_rate=0.1), "mse")'
    assert changed(change, text=text) == ([2], [new])


def test_settings_of_an_optimizer_by_its_name_are_one_change() -> None:
    text = 'import keras\nm.compile("adam", "mse")\nm.fit(x, y, epochs=3)\n'
    changes = (
        Change("set", "optimizer.learning_rate", 0.1),
        Change("set", "optimizer.clipnorm", 1.0),
        Change("set", "loss", "mae"),
    )
    script = Script("train.py", text)
    new = 'm.compile(keras.optimizers.Adam(learning_rate=0.1, clipnorm=1), "mae")'
    assert changed(*joined(script, changes), text=text)[1] == [new]
    call = text.replace('"adam"', "keras.optimizers.Adam(lr=0.5)")
    new = 'm.compile(keras.optimizers.Adam(lr=0.1, clipnorm=1), "mae")'
    assert changed(*joined(Script("train.py", call), changes), text=call)[1] == [new]


def test_a_loss_by_its_name_becomes_one_with_logits() -> None:
    text = 'import keras\nm.compile(loss="sparse_categorical_crossentropy")\n'
    change = Change("set", "loss.from_logits", True)
    new = "m.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))"
    assert changed(change, text=text) == ([2], [new])


@pytest.mark.parametrize(
    ("first", "lines"),
    [
        ("import tensorflow as tf", ['m.compile(tf.keras.optimizers.Adam(learning_rate=0.1))']),
        ("import tensorflow.keras as keras",
         ["m.compile(keras.optimizers.Adam(learning_rate=0.1))"]),
        ("from keras.models import Sequential",
         ["import keras", "m.compile(keras.optimizers.Adam(learning_rate=0.1))"]),
    ],
)  # fmt: skip
def test_new_lines_use_the_names_that_the_script_has(first: str, lines: list[str]) -> None:
    text = f'{first}\nm = make()\nm.compile("adam")\nm.fit(x, y)\n'
    assert changed(Change("set", "optimizer.learning_rate", 0.1), text=text)[1] == lines


HELD_OUT = """import numpy as np
from sklearn.preprocessing import StandardScaler
x, x_test, y, y_test = load()
model.fit(x, y, validation_data=(x_test, y_test))
model.evaluate(x_test, y_test)
later = load()
model.predict(later)
"""


def test_held_out_data_is_changed_as_training_data_is() -> None:
    assert changed(Change("set", "data.x", "standardize"), text=HELD_OUT)[1] == [
        "mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-7",
        "x = (x - mean) / deviation",
        "x_test = (x_test - mean) / deviation",
        "model.predict((later - mean) / deviation)",
    ]
    assert changed(Change("set", "data.y", "from_zero"), text=HELD_OUT)[1] == [
        "least = y.min()",
        "y = y - least",
        "y_test = y_test - least",
    ]


@pytest.mark.parametrize(
    ("scaled", "new"),
    [
        ("scaler = StandardScaler()\nx = scaler.fit_transform(x)", "scaler.transform({})"),
        ("x = x.astype('float32') / 255", "{} / 255"),
        ("x = (x / 255.0).reshape(-1, 28)", "{} / 255.0"),
    ],
)
def test_held_out_data_is_scaled_as_training_data_was(scaled: str, new: str) -> None:
    text = HELD_OUT.replace("model.fit", f"{scaled}\nmodel.fit", 1)
    assert changed(Change("set", "data.x_val", "as_training"), text=text)[1] == [
        f"model.fit(x, y, validation_data=({new.format('x_test')}, y_test))",
        f"model.evaluate({new.format('x_test')}, y_test)",
        f"model.predict({new.format('later')})",
    ]
    done = text.replace("model.fit", "x_test = scaler.transform(x_test)\nmodel.fit", 1)
    assert changed(Change("set", "data.x_val", "as_training"), text=done)[1] == [
        f"model.predict({new.format('later')})"
    ]


@pytest.mark.parametrize(
    ("text", "change", "new"),
    [
        (
            "m.fit(x, nb_epoch=3)\n",
            Change("set", "keyword:1.nb_epoch", "epochs"),
            "m.fit(x, epochs=3)",
        ),
        ("Adam(0.1, decay=1e-4)\n", Change("remove", "keyword:1.decay"), "Adam(0.1)"),
        ("m.fit_generator(g)\n", Change("set", "method:1.fit_generator", "fit"), "m.fit(g)"),
        (
            "from keras.layers.core import Dense\n",
            Change("set", "module:1.keras.layers.core", "keras.layers"),
            "from keras.layers import Dense",
        ),
        ('h["acc"]\n', Change("set", "constant:1.acc", "accuracy"), 'h["accuracy"]'),
        ("Conv2D(8, 3, 3, padding='same')\n", Change("set", "arguments:1.1-2", "(3, 3)"),
         "Conv2D(8, (3, 3), padding='same')"),
        ("from keras.utils import np_utils\n",
         Change("set", "statement:1", "from keras import utils as np_utils"),
         "from keras import utils as np_utils"),
        ("m(x, training=True)\n", Change("set", "call:1.training", False), "m(x, training=False)"),
    ],
)  # fmt: skip
def test_old_spellings_get_their_new_line(text: str, change: Change, new: str) -> None:
    assert changed(change, text=text) == ([1], [new])


def test_letters_beyond_ascii_do_not_shift_an_edit() -> None:
    text = 'größe = "ä"; m.compile("adam", loss="mse")  # ü\n'
    assert changed(Change("set", "loss", "huber"), text=text)[1] == [
        'größe = "ä"; m.compile("adam", loss="huber")  # ü'
    ]


def test_what_is_no_python_has_no_lines() -> None:
    script = Script("train.py", "print 'old'\n")
    assert edits(script, Change("set", "loss", "mse"), {}) == []
    assert script.fitting() is None and script.calls("fit") == []


def test_a_scaler_without_a_name_cannot_scale_anything_else() -> None:
    text = HELD_OUT.replace("model.fit", "x = StandardScaler().fit_transform(x)\nmodel.fit", 1)
    script = Script("train.py", text)
    assert edits(script, Change("set", "data.x_val", "as_training"), {}) == []
    assert scaling(script, "x") == (4, "")
