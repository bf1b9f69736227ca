"""One trial of a sweep: a network trained by some settings, judged by the dev part alone.

    python -m gatescope.recipes.running.trial FOLDER

trains what `FOLDER/trial.json` asks and leaves `FOLDER/outcome.json`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gatescope.errors import GatescopeError
from gatescope.recipes.kinds.agreement import scores_of
from gatescope.recipes.kinds.lessons import lesson, read_lesson
from gatescope.recipes.kinds.network import NetworkRecipe, network_recipe, prepared
from gatescope.recipes.running.loading import load_recipe
from gatescope.runs.files import atomic_write
from gatescope.training.fit import RECIPE, fit

ASKED, OUTCOME, LOG, RUN = "trial.json", "outcome.json", "trial.log", "run"


class TrialAsked(BaseModel):
    """What a trial is to train.

    Args:
        recipe: A name, or the path of a file that ends in `.py`.
        given: What its function `recipe` is given.
        variant: Of several; the first where none is named.
        settings: Changes, each `name=value`.
    """

    model_config = ConfigDict(frozen=True)

    recipe: str
    given: Mapping[str, Any] = {}
    variant: str | None = None
    settings: tuple[str, ...] = ()

    def load(self) -> NetworkRecipe:
        """The recipe with its settings, and with all of its variants."""
        own = self.recipe.endswith(".py")
        found = read_lesson(Path(self.recipe)) if own else lesson(self.recipe)
        paths = {name: Path(self.given[name]) for name in ("data",) if name in self.given}
        loaded = load_recipe(found, {**self.given, **paths}, self.settings)
        return network_recipe(found.name, loaded.recipe)

    def network(self) -> NetworkRecipe:
        """The recipe of the one network that is trained."""
        recipe = self.load()
        alone = recipe if self.variant is None else recipe.only(self.variant)
        return alone.first(self.settings)


class Outcome(BaseModel):
    """What came of a trial.

    Args:
        dev: Its score on the dev part; None where it failed.
        history: Each metric of every epoch.
        best_epoch: The place of the best epoch in it.
        seconds: What it took.
        failure: What went wrong.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    dev: float | None = None
    history: Mapping[str, tuple[float, ...]] = {}
    best_epoch: int = 0
    seconds: float = 0.0
    failure: str | None = None

    @property
    def loss(self) -> float | None:
        """The lowest loss on the dev part."""
        return min(self.history.get("val_loss", ()), default=None)


def run_trial(asked: TrialAsked, folder: Path) -> Outcome:
    """Trains one network; goes on where an earlier try was stopped.

    Args:
        asked: What.
        folder: Where its run goes.
    """
    began = time.monotonic()
    try:
        recipe = asked.network()
        ready = prepared(recipe)
        model, taught, held_out = ready.job(recipe.training)
        where = folder / RUN
        resume = (where / RECIPE).exists()
        fitted = fit(model, taught, recipe.training, run=where, resume=resume, validation=held_out)
        scores = scores_of(model, ready.data, "dev", ready.outputs)
    except GatescopeError as error:
        return Outcome(seconds=time.monotonic() - began, failure=error.happened)
    history = {name: tuple(line) for name, line in fitted.history.items()}
    seconds = time.monotonic() - began
    dev = sum(scores.values()) / len(scores)
    return Outcome(dev=dev, history=history, best_epoch=fitted.best_epoch, seconds=seconds)


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Leaves what came of a trial in its folder."""
    atomic_write(folder / OUTCOME, outcome.model_dump_json().encode())


def _main(folder: Path) -> None:
    asked = TrialAsked.model_validate_json((folder / ASKED).read_bytes())
    write_outcome(run_trial(asked, folder), folder)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
