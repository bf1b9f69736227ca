"""Recipes of networks: data, network, training, and variants that are compared side by side."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
from pydantic import Field as Setting
from pydantic import PositiveInt
from rich.console import Console
from sklearn.metrics import accuracy_score, r2_score

from gatescope.data.bundled import Bundled
from gatescope.data.datasets import Array, Dataset, Field, Part
from gatescope.data.sources import ImageFiles, SoundFiles, TableFile, TextFiles
from gatescope.errors import UsageError, nearest
from gatescope.models.conv import ConvConfig, conv
from gatescope.models.dense import DenseConfig, dense
from gatescope.models.heads import compile_arguments
from gatescope.models.recurrent import RecurrentConfig, recurrent
from gatescope.recipes.baselines import IN_WORDS, Baseline, baseline_score
from gatescope.recipes.recipe import Recipe
from gatescope.recipes.results import Band, Results
from gatescope.recipes.settings import override
from gatescope.report.html import Html, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.runs.record import safe_name
from gatescope.training.distribution import Job, fit_together, on_machines
from gatescope.training.fit import FitConfig, Fitted, fit

AnySource = Annotated[
    Bundled | TableFile | ImageFiles | SoundFiles | TextFiles, Setting(discriminator="kind")
]


class NetworkRecipe(Recipe):
    """A network and all that decides what it becomes.

    Args:
        data: What it is trained on.
        network: How it is built.
        training: How it is trained.
        variants: By name, what is set otherwise, each as `--set` would be told; none for one
            network alone.
        workers: Processes that train it together.
        baselines: What it must beat.
        expected: Bands of scores on the test part: `test` of one network, or a variant's name.
    """

    data: AnySource
    network: DenseConfig | ConvConfig | RecurrentConfig
    training: FitConfig
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
        seconds: What training took.
    """

    name: str
    recipe: NetworkRecipe
    data: Dataset
    model: keras.Model
    fitted: Fitted
    scores: Mapping[str, float]
    seconds: float


def run_network(
    recipe: NetworkRecipe, module: Any, folder: Path, *, resume: bool, console: Console | None
) -> Results:
    """Trains a network, or each variant of it, and compares it with baselines.

    Args:
        recipe: What to do.
        module: Whose functions `pictures` and `measure`, where it has them, make sections and
            more scores of what was trained.
        folder: Where runs go.
        resume: Whether to go on there.
        console: Where progress is shown.
    """
    trained = []
    for name, settings in (recipe.variants or {"test": ()}).items():
        chosen = override(recipe, settings)
        if console is not None and recipe.variants:
            console.print(f"\n{name}", style="bold")
        where = _run_folder(recipe, name, folder)
        trained.append(train(name, chosen, where, resume=resume, console=console))
    show: Callable[[Sequence[Trained]], Sequence[Html]] = getattr(module, "pictures", _no_pictures)
    measure: Callable[[Sequence[Trained]], Mapping[str, float]]
    measure = getattr(module, "measure", _no_measures)
    data = recipe.data.load()
    return Results(
        scores={one.name: one.scores["test"] for one in trained} | dict(measure(trained)),
        expected=recipe.expected,
        baselines={
            IN_WORDS[name]: baseline_score(name, data, recipe.training.seed)
            for name in recipe.baselines
        },
        rows=[_row(one) for one in trained],
        columns=_COLUMNS,
        pictures=[_curves(trained), *show(trained)],
    )


def train(
    name: str, recipe: NetworkRecipe, folder: Path, *, resume: bool, console: Console | None
) -> Trained:
    """Builds and trains one network.

    Args:
        name: Of the variant.
        recipe: With its settings.
        folder: Of the run.
        resume: Whether to go on there.
        console: Where progress is shown.
    """
    began = time.monotonic()
    data = recipe.data.load()
    if recipe.workers > 1:
        _train_together(recipe, folder, resume=resume, console=console)
        resume = True  # with a training that is finished
    model, taught, held_out = job(recipe)
    fitted = fit(
        model, taught, recipe.training, run=folder, resume=resume, validation=held_out,
        console=console,
    )  # fmt: skip
    parts = {"train": data.train, "dev": data.dev, "test": data.test}
    scores = {part: score(model, held, data.targets) for part, held in parts.items()}
    return Trained(name, recipe, data, model, fitted, scores, time.monotonic() - began)


def job(recipe: NetworkRecipe) -> Job:
    """The network of a recipe, new and compiled, with what it learns from and is compared by.

    Args:
        recipe: Of one network, or whose variants are left aside.
    """
    data = recipe.data.load()
    keras.utils.set_random_seed(recipe.training.seed)
    model = built(recipe.network)
    model.compile(**compile_arguments(recipe.network.outputs))
    return Job(model, _given(data.train, recipe), _given(data.dev, recipe))


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
        partial(job, recipe), recipe.training, workers=recipe.workers, run=folder,
        resume=resume, console=console,
    )  # fmt: skip


def _given(part: Part, recipe: NetworkRecipe) -> tuple[Any, Any]:
    """Inputs by name and targets in the order of the outputs, as Keras takes them."""
    y = [part.y[output.name] for output in recipe.network.outputs]
    return dict(part.x), y[0] if len(y) == 1 else y


def built(network: DenseConfig | ConvConfig | RecurrentConfig) -> keras.Model:
    """The network of a configuration.

    Args:
        network: Of any kind.
    """
    if isinstance(network, ConvConfig):
        return conv(network)
    return recurrent(network) if isinstance(network, RecurrentConfig) else dense(network)


def score(model: keras.Model, part: Part, targets: Sequence[Field]) -> float:
    """Accuracy of classes, R² of numbers; of several targets their mean.

    Args:
        model: The network.
        part: Samples.
        targets: In the order of the network's outputs.
    """
    predicted = model.predict(dict(part.x), verbose=0, batch_size=256)
    outputs = predicted if isinstance(predicted, list) else [predicted]
    return float(np.mean([
        _score(target, part.y[target.name], np.asarray(output))
        for target, output in zip(targets, outputs, strict=True)
    ]))  # fmt: skip


def _score(target: Field, true: Array, predicted: Array) -> float:
    if target.kind in ("number", "numbers"):
        return float(r2_score(true, predicted))
    chosen = predicted.argmax(-1) if target.kind == "classes" else predicted[:, 0] > 0.5
    return float(accuracy_score(true.ravel(), chosen))


_COLUMNS = ("", "test", "dev", "train", "parameters", "epochs", "seconds")


def _row(one: Trained) -> tuple[object, ...]:
    scores = (one.scores[part] for part in ("test", "dev", "train"))
    epochs = len(one.fitted.history["loss"])
    return one.name, *scores, one.model.count_params(), epochs, round(one.seconds, 1)


def _curves(trained: Sequence[Trained]) -> Html:
    kinds = [("loss", "Loss in training"), ("val_loss", "Loss on held-out data")]
    charts = [
        line_chart(
            [Series(one.name, range(1, len(line) + 1), line) for one in trained
             if (line := one.fitted.history.get(kind))],
            title=title, x_label="epoch", y_label="loss",
        )
        for kind, title in kinds
    ]  # fmt: skip
    return section("Learning", *charts)


def _no_pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    return ()


def _no_measures(trained: Sequence[Trained]) -> Mapping[str, float]:
    return {}
