"""Runs a recipe, of whichever kind it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from gatescope.errors import ConfigurationError
from gatescope.recipes.circuit import CircuitRecipe, run_circuit
from gatescope.recipes.results import Results


def run_recipe(
    recipe: Any, module: Any, folder: Path, *, resume: bool, console: Console | None
) -> Results:
    """Runs a recipe.

    Args:
        recipe: Its configuration.
        module: Where it comes from, whose `pictures` show the mechanism, if it has them.
        folder: Where everything goes.
        resume: Whether to go on in that folder.
        console: Where progress is shown.

    Raises:
        ConfigurationError: `recipe()` of that module returned something else.
    """
    if isinstance(recipe, CircuitRecipe):
        return run_circuit(recipe)
    from gatescope.recipes.network import NetworkRecipe, run_network  # loads TensorFlow

    if isinstance(recipe, NetworkRecipe):
        return run_network(recipe, module, folder, resume=resume, console=console)
    raise ConfigurationError(
        f"recipe() returned {type(recipe).__name__}", "a recipe", "see gatescope recipes copy"
    )
