"""Recipes as they were asked for: of their module, from what they are given, with changes."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gatescope.errors import ConfigurationError, UsageError
from gatescope.recipes.kinds.blame import blamed
from gatescope.recipes.kinds.lessons import HOME, Lesson
from gatescope.recipes.kinds.recipe import Recipe
from gatescope.recipes.kinds.settings import override


@dataclass(frozen=True)
class Loaded:
    """A recipe that can be run.

    Args:
        lesson: What its source says of it.
        module: Where it comes from, whose functions such as `pictures` may show more.
        recipe: With all changes.
    """

    lesson: Lesson
    module: Any
    recipe: Recipe


def load_recipe(
    lesson: Lesson, given: Mapping[str, object], settings: Iterable[str] = ()
) -> Loaded:
    """Loads a recipe.

    Args:
        lesson: Which.
        given: What its function `recipe` is given, by the name of the argument.
        settings: Changes, each `name=value`.

    Raises:
        UsageError: Its file is no recipe.
        ConfigurationError: Python stops in its file, it makes something else than a recipe, or a
            change cannot be.

    Example:
        >>> load_recipe(lesson("gate"), {}, ["steps=20"]).recipe.steps
        20
    """
    with blamed(lesson.file):
        module = _module(lesson)
        made = module.recipe(**given)
    if not isinstance(made, Recipe):
        raise ConfigurationError(
            f"recipe() of {lesson.file.name} returned {type(made).__name__}",
            "a recipe",
            "see gatescope recipes copy",
        )
    return Loaded(lesson, module, override(made, settings))


def _module(lesson: Lesson) -> Any:
    """The module of a recipe, which may be a file of the user's."""
    file = lesson.file
    if file.parent == HOME:
        return importlib.import_module(f"gatescope.recipes.{file.stem}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file", "a recipe", "gatescope recipes copy")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "recipe"):
        raise UsageError(
            f"{file} has no function recipe()",
            "a recipe as gatescope recipes copy makes one",
            "let recipe() return the configuration",
        )
    return module
