"""The line that last changed what a training is given."""

from __future__ import annotations

import pytest

from gatescope.doctor.origins import last_change
from gatescope.doctor.script import Script

START = """x, x_test, y, y_test = train_test_split(load(), labels)
x = scaler.fit_transform(x)
y = to_categorical(y)
"""
FIT = "model.fit(x, y, epochs=3)\n"


@pytest.mark.parametrize(
    ("change", "side"),
    [
        ("y = y + 1", "y"),
        ("y[wrong] = np.random.permutation(y[wrong])", "y"),
        ("y += 1", "y"),
        ("np.random.shuffle(y)", "y"),
        ("x, y = x[keep], y[keep]", "y"),
        ("x[:, 0] = y.ravel()", "x"),
        ("x = x + np.random.normal(size=x.shape)", "x"),
    ],
)
def test_the_last_change_is_found(change: str, side: str) -> None:
    text = f"{START}{change}\nx = x / 255.0\n{FIT}y = y * 2\n"
    assert last_change(Script("train.py", text), side) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["x", "y"])
def test_what_is_usual_is_no_change(side: str) -> None:
    assert last_change(Script("train.py", START + FIT), side) is None  # type: ignore[arg-type]
    scaled = f"{START}x = (x - x.mean()) / x.std()\n{FIT}"
    assert last_change(Script("train.py", scaled), side) is None  # type: ignore[arg-type]
    assert last_change(Script("train.py", "print(1)\n"), side) is None  # type: ignore[arg-type]


def test_a_data_set_is_followed_to_what_it_is_made_of() -> None:
    text = """x, y = load()
y[3] = np.nan
x[0] = 9
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(9).batch(4)
data = data.prefetch(1)
model.fit(data, epochs=3)
"""
    script = Script("train.py", text)
    assert (last_change(script, "y"), last_change(script, "x")) == (2, 3)


def test_what_is_written_into_a_slice_of_the_data_changes_it() -> None:
    text = "table = load()\nx, y = table[:-1], 0\ny = table[1:]\ny[3] = np.nan\nx = table[:-1]\n"
    assert last_change(Script("train.py", text + FIT), "x") == 4


def test_data_is_followed_through_splits_and_pairs() -> None:
    text = (
        "x, y = load()\ny = y.astype('float32')\nx = x * 3\n"
        "x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2)\n"
        "a, b = x_train[:90], y_train[:90]\nmodel.fit(a, b, epochs=3)\n"
    )
    script = Script("train.py", text)
    assert last_change(script, "x") == 3 and last_change(script, "y") is None
    assert last_change(script, "y", usual=True) == 2


@pytest.mark.parametrize("made", ["y = y.astype(str)", "y = y.astype('object')"])
def test_numbers_made_texts_or_objects_are_a_change(made: str) -> None:
    assert last_change(Script("train.py", f"{START}{made}\n{FIT}"), "y") == 4
