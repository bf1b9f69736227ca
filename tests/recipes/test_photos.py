"""Recipes of photos, on a folder of the user's and on samples."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from gatescope.data.datasets import Part
from gatescope.recipes.kinds.lessons import lesson
from gatescope.recipes.kinds.network import NetworkRecipe, prepared
from gatescope.recipes.kinds.results import Results, write_results
from gatescope.recipes.kinds.settings import override
from gatescope.training.fit import MODEL

ONE_EPOCH = ("training.epochs=1", "training.batch_size=8")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of photos of any size, each of another colour."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for place, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(12):
            pixels = rng.integers(0, 100, (20 + number, 30, 3), np.uint8)
            pixels[..., place] += 100
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def run(name: str, folder: Path, data: Path | None, *settings: str) -> Results:
    module = importlib.import_module(f"gatescope.recipes.{name}")
    chosen = override(module.recipe(data) if data else module.recipe(), settings)
    results = chosen.run(module, folder, resume=False, console=None)
    page = write_results(results, lesson(name), folder).read_text()
    assert "data:image/" in page or name == "transfer"
    return results


def short(recipe: NetworkRecipe, *names: str) -> str:
    """Some of the variants, for as few samples and epochs as everything else."""
    long = ("samples", "training.epochs")
    kept = {
        name: [one for one in recipe.variants[name] if not one.startswith(long)] for name in names
    }
    return f"variants={json.dumps(kept)}"


def test_transfer_learns_a_folder_of_any_classes_frozen_and_not(
    photos: Path, tmp_path: Path
) -> None:
    module = importlib.import_module("gatescope.recipes.transfer")
    recipe = module.recipe(photos)
    frozen, tuned = "frozen, 300", "fine-tuned, 300"
    some = (short(recipe, frozen, tuned), "samples=16", "expected={}")
    found = run("transfer", tmp_path, photos, *ONE_EPOCH, *some)
    assert [row[0] for row in found.rows] == [frozen, tuned]
    whole = keras.models.load_model(tmp_path / "frozen-300" / MODEL)
    assert whole.input_shape[1:] == (96, 96, 3) and whole.output_shape == (None, 3)


def test_samples_of_fewer_are_among_those_of_more(photos: Path) -> None:
    module = importlib.import_module("gatescope.recipes.transfer")
    recipe = module.recipe(photos)
    fine = override(recipe, ["network.frozen=false", "network.start=random"])
    part = recipe.data.load().train

    def taught(samples: int) -> Part:
        return prepared(fine.model_copy(update={"samples": samples})).data.train

    few, more = ({one.tobytes() for one in taught(n).x["image"]} for n in (5, 9))
    assert len(few) == 5 and len(more) == 9 and few < more
    assert taught(999) is part


def test_dropout_shows_masks_and_doubts_of_a_folder(photos: Path, tmp_path: Path) -> None:
    module = importlib.import_module("gatescope.recipes.dropout")
    names = list(module.recipe(photos).variants)
    found = run(
        "dropout", tmp_path, photos, short(module.recipe(photos), names[0], names[-1]), *ONE_EPOCH,
        "network.hidden=[16]", "expected={}",
    )  # fmt: skip
    assert {f"gap: {names[0]}", "20 votes", "log loss of one pass"} <= set(found.scores)


def test_style_and_dream_change_a_photo_of_the_users(photos: Path, tmp_path: Path) -> None:
    few = ("side=64", "steps=12", "expected={}")
    painted = run("style", tmp_path, photos / "red", *few)
    assert painted.scores["style loss left"] < 0.9
    dreamt = run("dream", tmp_path, None, *few, 'layers=["block2_expand_relu"]')
    (times,) = dreamt.scores.values()
    (noise,) = dreamt.baselines.values()
    assert times > 1 and times > noise
