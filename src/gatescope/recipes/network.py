"""Recipes of networks: data, network, training, and variants that are compared side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from gatescope.models.conv import ConvConfig, conv
from gatescope.models.dense import DenseConfig, dense
from gatescope.models.heads import compile_arguments
from gatescope.models.pretrained import PretrainedConfig, parted, pretrained
from gatescope.models.recurrent import RecurrentConfig, recurrent
from gatescope.recipes.baselines import IN_WORDS, Baseline, baseline_score
from gatescope.recipes.recipe import Recipe
from gatescope.recipes.results import Band, Results
from gatescope.recipes.settings import override
from gatescope.report.html import Html, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.runs.record import safe_name
from gatescope.training.fit import MODEL, FitConfig, Fitted, fit

AnySource = Annotated[
    Bundled | TableFile | ImageFiles | SoundFiles | TextFiles, Setting(discriminator="kind")
]
AnyNetwork = DenseConfig | ConvConfig | RecurrentConfig | PretrainedConfig


class NetworkRecipe(Recipe):
    """A network and all that decides what it becomes.

    Args:
        data: What it is trained on.
        network: How it is built.
        training: How it is trained.
        samples: How many of the training part are learned from, drawn at random; None for all.
        variants: By name, what is set otherwise, each as `--set` would be told; none for one
            network alone.
        baselines: What it must beat.
        expected: Bands of scores on the test part: `test` of one network, or a variant's name.
    """

    data: AnySource
    network: AnyNetwork
    training: FitConfig
    samples: PositiveInt | None = None
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
        where = folder / (safe_name(name) if recipe.variants else "run")
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
    keras.utils.set_random_seed(recipe.training.seed)
    model = built(recipe.network)
    held = {"train": _drawn(data.train, recipe), "dev": data.dev, "test": data.test}
    learner, parts = _learning(model, recipe.network, held)
    learner.compile(**compile_arguments(recipe.network.outputs))
    fitted = fit(
        learner, _given(parts["train"], recipe), recipe.training, run=folder, resume=resume,
        validation=_given(parts["dev"], recipe), console=console,
    )  # fmt: skip
    if learner is not model:
        model.save(folder / MODEL)
    scores = {name: score(learner, part, data.targets) for name, part in parts.items()}
    return Trained(name, recipe, data, model, fitted, scores, time.monotonic() - began)


def _drawn(part: Part, recipe: NetworkRecipe) -> Part:
    """As many samples as are to be learned from; more of them begin with those of fewer."""
    if recipe.samples is None or recipe.samples >= len(part):
        return part
    order = np.random.default_rng(recipe.training.seed).permutation(len(part))
    return part.rows(np.sort(order[: recipe.samples]))


def _learning(
    model: keras.Model, network: AnyNetwork, parts: Mapping[str, Part]
) -> tuple[keras.Model, Mapping[str, Part]]:
    """What is trained and on what: behind a frozen backbone the features that it says once."""
    if not (isinstance(network, PretrainedConfig) and network.frozen):
        return model, parts
    backbone, learner = parted(model)

    def read(part: Part) -> Part:
        (pixels,) = part.x.values()
        features = backbone.predict(pixels, verbose=0, batch_size=64)
        return Part({learner.inputs[0].name: np.asarray(features)}, part.y)

    return learner, {name: read(part) for name, part in parts.items()}


def _given(part: Part, recipe: NetworkRecipe) -> tuple[Any, Any]:
    """Inputs by name and targets in the order of the outputs, as Keras takes them."""
    y = [part.y[output.name] for output in recipe.network.outputs]
    return dict(part.x), y[0] if len(y) == 1 else y


def built(network: AnyNetwork) -> keras.Model:
    """The network of a configuration.

    Args:
        network: Of any kind.
    """
    if isinstance(network, ConvConfig):
        return conv(network)
    if isinstance(network, PretrainedConfig):
        return pretrained(network)
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
