"""Recipes that take less than half a minute land in the bands that they state."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from gatescope.recipes.lessons import lesson
from gatescope.recipes.network import NetworkRecipe
from gatescope.recipes.results import write_results
from gatescope.recipes.settings import override


def run(name: str, folder: Path, *settings: str):
    module = importlib.import_module(f"gatescope.recipes.{name}")
    chosen = override(module.recipe(), settings)
    return chosen.run(module, folder, resume=False, console=None)


@pytest.mark.parametrize("name", ["gate", "gates", "learning_rate"])
def test_a_recipe_lands_in_its_band_and_shows_a_page(name: str, tmp_path: Path) -> None:
    results = run(name, tmp_path)
    assert results.outside == {}
    page = write_results(results, lesson(name.replace("_", "-")), tmp_path).read_text()
    assert "What came of it" in page and "<svg" in page


@pytest.mark.parametrize("name", ["losses", "activations", "hidden", "convolution", "pooling"])
def test_every_variant_of_a_longer_recipe_trains_and_is_drawn(name: str, tmp_path: Path) -> None:
    results = run(name, tmp_path, "training.epochs=1")
    module = importlib.import_module(f"gatescope.recipes.{name}")
    assert [row[0] for row in results.rows] == list(module.recipe().variants)
    assert set(module.recipe().expected) <= set(results.scores)
    assert write_results(results, lesson(name), tmp_path).stat().st_size > 10_000


def test_a_variant_is_set_as_on_the_command_line(tmp_path: Path) -> None:
    module = importlib.import_module("gatescope.recipes.hidden")
    chosen: NetworkRecipe = override(module.recipe(), module.recipe().variants["two"])
    assert chosen.network.widths == (16, 16)


def test_depth_is_drawn_layer_by_layer(tmp_path: Path) -> None:
    few = 'variants={"3": ["network.hidden.depth=3"], "4": ["network.hidden.depth=4"]}'
    results = run("deep", tmp_path, "training.epochs=1", few, "expected={}")
    page = write_results(results, lesson("deep"), tmp_path).read_text()
    assert "How alike samples are" in page and {"alike: 3", "alike: 4"} <= set(results.scores)
