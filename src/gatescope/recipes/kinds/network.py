"""Recipes of networks: data, network, training, and variants that are compared side by side."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
from pydantic import Field as Setting
from pydantic import PositiveInt
from rich.console import Console

from gatescope.data.bundled import Bundled
from gatescope.data.datasets import Dataset
from gatescope.data.memory import LongMemory
from gatescope.data.patients import Patients
from gatescope.data.sources import ImageFiles, SampleTable, SoundFiles, TableFile, TextFiles
from gatescope.data.splits import SPLITS
from gatescope.errors import DivergenceError, UsageError, nearest
from gatescope.recipes.kinds.agreement import scores_of
from gatescope.recipes.kinds.baselines import MOST_TAUGHT, Baseline, baseline_scores
from gatescope.recipes.kinds.kept import keep, origin_of
from gatescope.recipes.kinds.preparing import AnyNetwork, Prepared, prepare
from gatescope.recipes.kinds.recipe import Recipe
from gatescope.recipes.kinds.results import Band, Results
from gatescope.recipes.kinds.settings import override
from gatescope.report.html import Html, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.runs.record import safe_name
from gatescope.training.distribution import Job, fit_together, on_machines
from gatescope.training.fit import MODEL, FitConfig, Fitted, fit

AnySource = Annotated[
    Bundled | TableFile | SampleTable | ImageFiles | SoundFiles | TextFiles | Patients | LongMemory,
    Setting(discriminator="kind"),
]


class NetworkRecipe(Recipe):
    """A network and all that decides what it becomes.

    Args:
        data: What it is trained on.
        network: How it is built.
        training: How it is trained.
        samples: How many of the training part are learned from, drawn at random; None for all.
        variants: By name, what is set otherwise, each as `--set` would be told; none for one
            network alone.
        workers: Processes that train it together.
        baselines: What it must beat.
        expected: Bands of scores on the test part: `test` of one network, or a variant's name.
    """

    data: AnySource
    network: AnyNetwork
    training: FitConfig
    samples: PositiveInt | None = None
    variants: Mapping[str, tuple[str, ...]] = {}
    workers: PositiveInt = 1
    baselines: tuple[Baseline, ...]
    expected: Mapping[str, Band]

    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Trains the network, or each variant, and compares with baselines; see `run_network`."""
        self._check_workers()
        return run_network(self, module, folder, resume=resume, console=console)

    def take_part(self, folder: Path, *, resume: bool, console: Console | None) -> None:
        """Trains together with another process, which leads and shows what came of it.

        Args:
            folder: Where that one writes.
            resume: Whether to go on there.
            console: Where progress is shown; None is silent.
        """
        self._check_workers()
        for name, settings in (self.variants or {"test": ()}).items():
            chosen, where = override(self, settings), _run_folder(self, name, folder)
            _train_together(chosen, where, resume=resume, console=console)

    def _check_workers(self) -> None:
        """A process takes part in one training of several machines, for TensorFlow leaves none."""
        if on_machines() and self.workers > 1 and len(self.variants) > 1:
            raise UsageError(
                f"TF_CONFIG is set, and the recipe trains {len(self.variants)} networks in turn",
                "one, for a process can take part in one training with other machines",
                f"name it: --variant {shlex.quote(next(iter(self.variants)))}",
            )

    def only(self, variant: str, settings: Sequence[str] = ()) -> NetworkRecipe:
        """The recipe with one of its variants alone.

        Args:
            variant: Its name.
            settings: What is set after what the variant sets.

        Raises:
            UsageError: There is none of that name.
        """
        if variant not in self.variants:
            raise UsageError(
                f"there is no variant {variant!r}",
                f"one of {', '.join(self.variants)}" if self.variants else "no --variant",
                nearest(variant, self.variants) or "leave --variant out",
            )
        others = self.variants.keys() - {variant}
        left = {name: band for name, band in self.expected.items() if name not in others}
        alone = {variant: (*self.variants[variant], *settings)}
        return self.model_copy(update={"variants": alone, "expected": left})

    def first(self, settings: Sequence[str] = ()) -> NetworkRecipe:
        """The one network, or the first of several, as a recipe without variants.

        Args:
            settings: What is set after what the variant sets.
        """
        chosen = override(self, [*next(iter(self.variants.values()), ()), *settings])
        return chosen.model_copy(update={"variants": {}})


@dataclass(frozen=True)
class Trained:
    """A network that a recipe trained.

    Args:
        name: Of the variant.
        recipe: With its settings.
        data: What it learned from.
        model: The network, with the weights of its best epoch.
        fitted: Curves.
        scores: On each part: accuracy of classes, R² of numbers; of several targets the mean.
        by_target: On the test part, each target by itself.
        seconds: What training took.
        callbacks: What watched it.
    """

    name: str
    recipe: NetworkRecipe
    data: Dataset
    model: keras.Model
    fitted: Fitted
    scores: Mapping[str, float]
    by_target: Mapping[str, float]
    seconds: float
    callbacks: tuple[keras.callbacks.Callback, ...] = ()


def run_network(
    recipe: NetworkRecipe, module: Any, folder: Path, *, resume: bool, console: Console | None
) -> Results:
    """Trains a network, or each variant of it, and compares it with baselines.

    Args:
        recipe: What to do.
        module: Whose functions, where it has them, show more: `callbacks` watch each training,
            `pictures` and `measure` make sections and more scores of what was trained.
        folder: Where runs go.
        resume: Whether to go on there.
        console: Where progress is shown.
    """
    watch: Callable[[], Sequence[keras.callbacks.Callback]]
    watch = getattr(module, "callbacks", _no_callbacks)
    trained, diverged = [], {}
    for name, settings in (recipe.variants or {"test": ()}).items():
        chosen = override(recipe, settings)
        if console is not None and recipe.variants:
            console.print(f"\n{name}", style="bold")
        where = _run_folder(recipe, name, folder)
        try:
            one = train(name, chosen, where, resume=resume, console=console, callbacks=watch())
        except DivergenceError as error:
            if not recipe.variants:
                raise
            diverged[name] = error.happened  # which is what some variants are there to show
            continue
        trained.append(one)
        origin = origin_of(chosen, module, name if recipe.variants else "")
        keep(where, one.data, chosen.network.outputs, origin)
    show: Callable[[Sequence[Trained]], Sequence[Html]] = getattr(module, "pictures", _no_pictures)
    measure: Callable[[Sequence[Trained]], Mapping[str, float]]
    measure = getattr(module, "measure", _no_measures)
    data = recipe.data.load()
    return Results(
        scores=_named(trained) | dict(measure(trained)),
        expected=recipe.expected,
        baselines={
            told: value
            for name in recipe.baselines
            for told, value in baseline_scores(name, data, recipe.training.seed).items()
        },
        rows=[*map(_row, trained), *map(_diverged_row, diverged)],
        columns=_COLUMNS,
        pictures=[_curves(trained), *show(trained)],
        notes=(
            *data.notes, *_units(data), *(_sampled(data) if recipe.baselines else ()),
            *(f"{name}: {why}" for name, why in diverged.items()),
        ),
    )  # fmt: skip


def _sampled(data: Dataset) -> Iterator[str]:
    if len(data.train) > MOST_TAUGHT:
        yield f"baselines learned from {MOST_TAUGHT:,} of {len(data.train):,} training samples"


def _units(data: Dataset) -> Iterator[str]:
    for target in data.targets:
        if target.is_number:
            yield f"the score of {target.title!r} is R²: 1 is exact, 0 is no better than the mean"


def _named(trained: Sequence[Trained]) -> dict[str, float]:
    """The test score of each network and, where it has several targets, of each of these."""
    scores = {}
    for one in trained:
        scores[one.name] = one.scores["test"]
        if len(one.by_target) > 1:
            scores |= {f"{one.name}: {target}": value for target, value in one.by_target.items()}
    return scores


def train(
    name: str,
    recipe: NetworkRecipe,
    folder: Path,
    *,
    resume: bool,
    console: Console | None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Trained:
    """Builds and trains one network.

    Args:
        name: Of the variant.
        recipe: With its settings.
        folder: Of the run.
        resume: Whether to go on there.
        console: Where progress is shown.
        callbacks: Of Keras, which watch the training.
    """
    began = time.monotonic()
    if recipe.workers > 1:
        _train_together(recipe, folder, resume=resume, console=console)
        resume = True  # with a training that is finished
    ready = prepared(recipe)
    taught = ready.job(recipe.training)
    fitted = fit(
        taught.model, taught.data, recipe.training, run=folder, resume=resume,
        validation=taught.validation, console=console, callbacks=callbacks,
    )  # fmt: skip
    if ready.learner is not ready.model:
        ready.model.save(folder / MODEL)
    by_target = {
        split: scores_of(ready.learner, ready.data, split, ready.outputs) for split in SPLITS
    }
    means = {str(split): float(np.mean(list(each.values()))) for split, each in by_target.items()}
    took = time.monotonic() - began
    return Trained(
        name,
        recipe,
        recipe.data.load(),
        ready.model,
        fitted,
        means,
        by_target["test"],
        took,
        tuple(callbacks),
    )


def prepared(recipe: NetworkRecipe) -> Prepared:
    """The network of a recipe, new and compiled, with what it learns from and is compared by.

    Args:
        recipe: Of one network, or whose variants are left aside.
    """
    return prepare(recipe.network, recipe.data.load(), recipe.training, recipe.samples)


def _job(recipe: NetworkRecipe) -> Job:
    return prepared(recipe).job(recipe.training)


def network_recipe(name: str, recipe: Recipe) -> NetworkRecipe:
    """A recipe, if it is one of networks.

    Args:
        name: What it is called.
        recipe: Of any kind.

    Raises:
        UsageError: It is another one.
    """
    if isinstance(recipe, NetworkRecipe):
        return recipe
    raise UsageError(
        f"the recipe {name!r} trains no network of layers with one loss",
        "a recipe that does, such as hidden or convolution",
        "gatescope recipes lists them",
    )


def _run_folder(recipe: NetworkRecipe, name: str, folder: Path) -> Path:
    return folder / (safe_name(name) if recipe.variants else "run")


def _train_together(
    recipe: NetworkRecipe, folder: Path, *, resume: bool, console: Console | None
) -> None:
    fit_together(
        partial(_job, recipe), recipe.training, workers=recipe.workers, run=folder,
        resume=resume, console=console,
    )  # fmt: skip


_WIDE = 1_000  # from the smallest loss to the largest, from where on powers of ten are drawn
_COLUMNS = ("", "test", "dev", "train", "parameters", "epochs", "seconds")


def _row(one: Trained) -> tuple[object, ...]:
    scores = (one.scores[part] for part in ("test", "dev", "train"))
    epochs = len(one.fitted.history["loss"])
    return one.name, *scores, one.model.count_params(), epochs, round(one.seconds, 1)


def _diverged_row(name: str) -> tuple[object, ...]:
    return name, "diverged", *[None] * (len(_COLUMNS) - 2)


def _curves(trained: Sequence[Trained]) -> Html:
    kinds = [("loss", "Loss in training"), ("val_loss", "Loss on held-out data")]
    losses = [value for one in trained for kind, _ in kinds for value in
              one.fitted.history.get(kind, ()) if 0 < value < math.inf]  # fmt: skip
    wide = bool(losses) and max(losses) > _WIDE * min(losses)
    charts = [
        line_chart(
            [Series(one.name, range(1, len(line) + 1), line) for one in trained
             if (line := one.fitted.history.get(kind))],
            title=title, x_label="epoch", y_label="loss", log_y=wide,
        )
        for kind, title in kinds
    ]  # fmt: skip
    return section("Learning", *charts)


def _no_pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    return ()


def _no_callbacks() -> Sequence[keras.callbacks.Callback]:
    return ()


def _no_measures(trained: Sequence[Trained]) -> Mapping[str, float]:
    return {}
