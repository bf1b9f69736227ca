"""Files of every kind as data sets of named inputs and targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from gatescope.data.images import ImagesConfig
from gatescope.data.reader import Rows
from gatescope.data.sounds import SoundsConfig
from gatescope.data.sources import ImageFiles, SoundFiles, Source, TableFile, TextFiles
from gatescope.data.splits import SplitConfig
from gatescope.data.table import TableConfig
from gatescope.data.texts import TextsConfig
from gatescope.models.dense import DenseConfig, dense
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of

FIFTHS = SplitConfig(dev=0.2, test=0.2, seed=0)


def table(folder: Path) -> Source:
    rows = "".join(f"{i},{'ab'[i % 2]},{i / 3}\n" for i in range(40))
    (folder / "a.csv").write_text("size,colour,price\n" + rows)
    return TableFile(path=folder / "a.csv", table=TableConfig(target="price", split=FIFTHS))


def images(folder: Path) -> Source:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        (folder / name).mkdir()
        for place in range(10):
            pixels = rng.integers(0, 256, (6, 6, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{place}.png")
    asked = ImagesConfig(height=6, width=6, channels=1, split=FIFTHS)
    return ImageFiles(path=folder, images=asked)


def sounds(folder: Path) -> Source:
    rng = np.random.default_rng(0)
    for name in ("yes", "no"):
        (folder / name).mkdir()
        for place in range(10):
            wave = rng.integers(-9999, 9999, 800, np.int16)
            wavfile.write(folder / name / f"{place}.wav", 8000, wave)
    asked = SoundsConfig(rate=8000, seconds=0.1, mels=8, split=FIFTHS)
    return SoundFiles(path=folder, sounds=asked)


def texts(folder: Path) -> Source:
    for name, word in (("good", "fine"), ("bad", "dull")):
        lines = "".join(f"a {word} film of {i} scenes\n" for i in range(20))
        (folder / f"{name}.txt").write_text(lines)
    asked = TextsConfig(classes={"bad": "bad.txt", "good": "good.txt"}, split=FIFTHS)
    return TextFiles(path=folder, texts=asked)


@pytest.mark.parametrize("make", [table, images, sounds, texts])
def test_a_network_takes_the_inputs_and_targets_of_any_source(make, tmp_path: Path) -> None:
    data = make(tmp_path).load()
    assert {field.name for field in data.inputs} == set(data.train.x)
    assert len(data.train) > len(data.dev) > 0 and len(data.test) > 0
    model = dense(DenseConfig(inputs=inputs_of(data), outputs=outputs_of(data)))
    (target,) = data.targets
    predicted = np.asarray(model(dict(data.test.x)))
    units = len(target.classes) if target.kind == "classes" else 1
    assert predicted.shape == (len(data.test), units)
    assert len(data.test.y[target.name]) == len(data.test)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("price (EUR)", "price_EUR"),
        ("цена", "column"),
        ("numbers", "numbers_2"),
        ("co lour", "co_lour_2"),
    ],
)
@pytest.mark.parametrize("classes", [False, True])
def test_a_column_of_any_name_may_be_the_target(column, name, classes, tmp_path: Path) -> None:
    rows = "".join(
        f"{i / 7},{'ab'[i % 2]},{'yn'[i % 2] if classes else i / 3}\n" for i in range(40)
    )
    (tmp_path / "a.csv").write_text(f"size,co-lour,{column}\n{rows}", encoding="utf-8")
    asked = TableConfig(target=column, split=FIFTHS)
    data = TableFile(path=tmp_path / "a.csv", table=asked).load()
    (target,) = data.targets
    assert (target.name, target.title) == (name, column)
    model = dense(DenseConfig(inputs=inputs_of(data), outputs=outputs_of(data)))
    assert len(np.asarray(model(dict(data.test.x)))) == len(data.test.y[name])


@pytest.mark.parametrize("cell", ["", "NA", "-", "None"])
def test_what_reads_as_a_missing_number_is_noted_where_training_lacked_none(cell, tmp_path) -> None:
    rows = "".join(f"{i / 7},{i / 3}\n" for i in range(40))
    (tmp_path / "a.csv").write_text(f"size,price\n{rows}")
    asked = TableConfig(target="price", split=FIFTHS)
    reader = TableFile(path=tmp_path / "a.csv", table=asked).load().reader
    given = Rows("new.csv", {"size": ["1.5", cell]})
    x = reader.read(given)["numbers"]
    assert x[1] == 0  # the mean
    fine, noted = reader.notes(given)
    assert not fine and "'size' is missing, as in no row of training" in noted[0]


def test_data_is_loaded_once(tmp_path: Path) -> None:
    source = table(tmp_path)
    first = source.load()
    (tmp_path / "a.csv").unlink()
    assert source.load() is first and source.model_copy() == source
