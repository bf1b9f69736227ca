"""What all recipes have in common: a complete, typed configuration that can be run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from gatescope.recipes.kinds.results import Results


class Recipe(BaseModel, ABC):
    """A complete configuration, which says what is to come of it and what that must beat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Does what it says.

        Args:
            module: Where the recipe comes from, whose functions such as `pictures` may show more.
            folder: Where everything goes; it exists.
            resume: Whether to go on in that folder.
            console: Where progress is shown; None is silent.
        """
