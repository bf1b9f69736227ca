"""What does not fit into memory is trained on batch by batch, and comes to the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gatescope.data import sources
from gatescope.data.datasets import Dataset
from gatescope.data.images import ImagesConfig
from gatescope.data.sources import ImageFiles, Source, TableFile
from gatescope.data.splits import SPLITS, SplitConfig
from gatescope.data.table import TableConfig
from gatescope.models.dense import DenseConfig
from gatescope.recipes.kinds.agreement import scores_of
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
from gatescope.recipes.kinds.network import NetworkRecipe, train
from gatescope.training.fit import FitConfig

FIFTHS = SplitConfig(dev=0.2, test=0.2, seed=0)


def table(folder: Path, target: str) -> Source:
    drawn = np.random.default_rng(0)
    rows = "".join(
        f"{size:.3f},{'abc'[place % 3]},{size * 2 + place % 3:.3f},{'yn'[int(size > 0)]}\n"
        for place, size in enumerate(drawn.normal(size=200))
    )
    (folder / "a.csv").write_text("size,kind,price,large\n" + rows)
    dropped = ("large" if target == "price" else "price",)
    asked = TableConfig(target=target, split=FIFTHS, drop=dropped)
    return TableFile(path=folder / "a.csv", table=asked)


def images(folder: Path) -> Source:
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (folder / name).mkdir()
        for place in range(20):
            pixels = rng.integers(0, 100, (4, 4, 3)) + 100 * (name == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{place}.png")
    return images_again(folder)


MAKERS = {
    "numbers": lambda folder: table(folder, "price"),
    "classes": lambda folder: table(folder, "large"),
    "images": images,
}


@pytest.fixture(params=list(MAKERS))
def both(request, tmp_path: Path, monkeypatch) -> tuple[Source, Source]:
    """The same data in arrays and streamed."""
    kept = MAKERS[request.param](tmp_path)
    kept.load()
    streamed = kept.model_copy(deep=True)
    streamed.__dict__.pop("_loaded", None)
    monkeypatch.setattr(sources, "_KEPT_BYTES", 0)
    streamed.load()
    return kept, streamed


def test_the_parts_are_samples_and_a_note_says_so(both) -> None:
    kept, streamed = (source.load() for source in both)
    assert kept.streamed is None and streamed.streamed is not None
    assert (kept.inputs, kept.targets) == (streamed.inputs, streamed.targets)
    assert "are read anew in each epoch" in streamed.notes[-1]
    for split in SPLITS:
        # Of so few samples, all are in the sample, in some order.
        for name, array in kept.part(split).x.items():
            mine = np.sort(streamed.part(split).x[name].reshape(len(array), -1), 0)
            np.testing.assert_array_equal(mine, np.sort(array.reshape(len(array), -1), 0))


def test_training_and_scores_go_through_batches(both, tmp_path: Path) -> None:
    kept, streamed = (trained(source, tmp_path / str(place)) for place, source in enumerate(both))
    assert len(streamed.fitted.history["val_loss"]) == 2
    # Batches have another order, so weights differ a little; the scores are of the same samples.
    again = train_scores(streamed.model, both[0].load())
    assert again == pytest.approx(streamed.scores["test"], abs=1e-5)
    assert kept.model.count_params() == streamed.model.count_params()


def trained(source: Source, folder: Path):
    data = source.load()
    network = DenseConfig(inputs=inputs_of(data), hidden=(4,), outputs=outputs_of(data))
    recipe = NetworkRecipe(
        data=source, network=network, training=FitConfig(epochs=2, batch_size=16), baselines=(),
        expected={},
    )  # fmt: skip
    return train("test", recipe, folder, resume=False, console=None)


def train_scores(model, data: Dataset) -> float:
    (target,) = data.targets
    return scores_of(model, data, "test", [target.name])[target.name]


def test_samples_of_large_data_take_a_share_of_the_memory(tmp_path: Path, monkeypatch) -> None:
    sample = 4 * 4 * 3 + 4  # bytes of pixels and label
    monkeypatch.setattr(sources, "_KEPT_BYTES", 3 * 7 * sample)
    monkeypatch.setattr(sources, "_LEAST_SAMPLED", 2)
    data = images(tmp_path).load()
    assert data.streamed is not None
    assert [len(data.part(split)) for split in SPLITS] == [7, 7, 7]
    monkeypatch.setattr(sources, "_LEAST_SAMPLED", 8)
    again = images_again(tmp_path)
    assert [len(again.load().part(split)) for split in SPLITS] == [8, 8, 8]


def images_again(folder: Path) -> Source:
    return ImageFiles(path=folder, images=ImagesConfig(height=4, width=4, channels=3, split=FIFTHS))
