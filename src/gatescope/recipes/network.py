"""Recipes of networks: data, network, training, and variants that are compared side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
from pydantic import Field as Setting
from rich.console import Console

from gatescope.data.bundled import Bundled
from gatescope.data.datasets import Dataset, Part
from gatescope.data.memory import LongMemory
from gatescope.data.patients import Patients
from gatescope.data.sources import ImageFiles, SampleTable, SoundFiles, TableFile, TextFiles
from gatescope.data.splits import SPLITS
from gatescope.models.conv import ConvConfig, conv
from gatescope.models.dense import DenseConfig, dense
from gatescope.models.heads import compile_arguments
from gatescope.models.recurrent import RecurrentConfig, recurrent
from gatescope.recipes.agreement import scores_of
from gatescope.recipes.baselines import Baseline, baseline_scores
from gatescope.recipes.from_data import matched
from gatescope.recipes.recipe import Recipe
from gatescope.recipes.results import Band, Results
from gatescope.recipes.settings import override
from gatescope.report.html import Html, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.runs.record import safe_name
from gatescope.training.fit import FitConfig, Fitted, fit

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
        variants: By name, what is set otherwise, each as `--set` would be told; none for one
            network alone.
        baselines: What it must beat.
        expected: Bands of scores on the test part: `test` of one network, or a variant's name.
    """

    data: AnySource
    network: DenseConfig | ConvConfig | RecurrentConfig
    training: FitConfig
    variants: Mapping[str, tuple[str, ...]] = {}
    baselines: tuple[Baseline, ...]
    expected: Mapping[str, Band]

    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Trains the network, or each variant, and compares with baselines; see `run_network`."""
        return run_network(self, module, folder, resume=resume, console=console)


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
    """

    name: str
    recipe: NetworkRecipe
    data: Dataset
    model: keras.Model
    fitted: Fitted
    scores: Mapping[str, float]
    by_target: Mapping[str, float]
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
        where = folder / (safe_name(name) if recipe.variants else "run")
        trained.append(train(name, chosen, where, resume=resume, console=console))
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
        rows=[_row(one) for one in trained],
        columns=_COLUMNS,
        pictures=[_curves(trained), *show(trained)],
        notes=(*data.notes, *_units(data)),
    )


def _units(data: Dataset) -> Iterator[str]:
    for target in data.targets:
        if target.is_number:
            yield f"the score of {target.name!r} is R²: 1 is exact, 0 is no better than the mean"


def _named(trained: Sequence[Trained]) -> dict[str, float]:
    """The test score of each network and, where it has several targets, of each of these."""
    scores = {}
    for one in trained:
        scores[one.name] = one.scores["test"]
        if len(one.by_target) > 1:
            scores |= {f"{one.name}: {target}": value for target, value in one.by_target.items()}
    return scores


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
    network = matched(recipe.network, data)
    keras.utils.set_random_seed(recipe.training.seed)
    model = built(network)
    model.compile(**compile_arguments(network.outputs))
    outputs = [output.name for output in network.outputs]
    fitted = fit(
        model, _learned_from(data, outputs, recipe.training), recipe.training, run=folder,
        resume=resume, validation=_held_out(data, outputs, recipe.training), console=console,
    )  # fmt: skip
    by_target = {split: scores_of(model, data, split, outputs) for split in SPLITS}
    means = {str(split): float(np.mean(list(each.values()))) for split, each in by_target.items()}
    took = time.monotonic() - began
    return Trained(name, recipe, data, model, fitted, means, by_target["test"], took)


def _learned_from(data: Dataset, outputs: Sequence[str], config: FitConfig) -> Any:
    """What `fit` learns from: arrays where they fit into memory, else batches of each epoch."""
    if data.streamed is None:
        return _given(data.train, outputs)
    return data.streamed.epochs(config.batch_size, config.seed)


def _held_out(data: Dataset, outputs: Sequence[str], config: FitConfig) -> Any:
    streamed = data.streamed
    if streamed is None:
        return _given(data.dev, outputs)
    return lambda epoch: streamed.stream("dev", config.batch_size)


def _given(part: Part, outputs: Sequence[str]) -> tuple[Any, Any]:
    """Inputs by name and targets in the order of the outputs, as Keras takes them."""
    y = [part.y[name] for name in outputs]
    return dict(part.x), y[0] if len(y) == 1 else y


def built(network: DenseConfig | ConvConfig | RecurrentConfig) -> keras.Model:
    """The network of a configuration.

    Args:
        network: Of any kind.
    """
    if isinstance(network, ConvConfig):
        return conv(network)
    return recurrent(network) if isinstance(network, RecurrentConfig) else dense(network)


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
