"""Recipes of embeddings: a network that tells people apart of whom it has seen no image before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import keras
import numpy as np
from pydantic import Field as Setting
from pydantic import PositiveFloat, PositiveInt, model_validator
from rich.console import Console

from gatescope.data.datasets import Dataset, Part
from gatescope.data.sources import ImageFiles
from gatescope.errors import DataError
from gatescope.models.conv import ConvConfig, conv
from gatescope.recipes.kinds.baselines import Components, flat
from gatescope.recipes.kinds.identification import Identified, identified
from gatescope.recipes.kinds.recipe import Recipe
from gatescope.recipes.kinds.results import Band, Results
from gatescope.report.html import Html, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.training.fit import FitConfig, Fitted, fit
from gatescope.training.pairs import ContrastiveLoss, few_of_each


class EmbeddingRecipe(Recipe):
    """A network whose output is a vector for each image, near to others of the same person.

    Args:
        data: Images by person, each of whom is in one part alone (`unseen_classes`).
        network: With one output, of `numbers`: the vector.
        temperature: Of the contrastive loss.
        each: Images of a person in a batch; `training.batch_size` is that of all.
        training: How it is trained.
        shots: Images of each test person that are known, once for each score `rank-1`.
        galleries: How often these are drawn; scores are means.
        expected: Bands of scores on people of the test part.
    """

    data: ImageFiles
    network: ConvConfig
    temperature: PositiveFloat = 0.1
    each: PositiveInt = 4
    training: FitConfig
    shots: Annotated[tuple[PositiveInt, ...], Setting(min_length=1)] = (1, 5)
    galleries: PositiveInt = 50
    expected: Mapping[str, Band]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if [output.kind for output in self.network.outputs] != ["numbers"]:
            raise ValueError("an embedding is one output of kind 'numbers'")
        if not self.data.images.unseen_classes:
            raise ValueError("people of the test part must be unseen: unseen_classes=True")
        if self.training.batch_size < 2 * self.each:
            raise ValueError(
                f"batch_size={self.training.batch_size} holds no two people with each={self.each}"
            )
        return self

    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Trains on some people and identifies others, beside pixels; see `run_embedding`."""
        return run_embedding(self, module, folder, resume=resume, console=console)


@dataclass(frozen=True)
class Embedded:
    """A network that was trained, and the vectors of people whom it has never seen.

    Args:
        recipe: What was asked.
        data: Images by person.
        model: The network.
        fitted: Curves.
        test: Vectors of the test part.
        pixels: What the baseline makes of the same images.
        seconds: What training took.
    """

    recipe: EmbeddingRecipe
    data: Dataset
    model: keras.Model
    fitted: Fitted
    test: Identified
    pixels: Identified
    seconds: float


def run_embedding(
    recipe: EmbeddingRecipe, module: Any, folder: Path, *, resume: bool, console: Console | None
) -> Results:
    """Trains an embedding and scores it on people of whom it has seen no image.

    Rank-1: of each test person so many images are known, drawn at random; each other image of the
    test part is a probe, and is right where the nearest known image, by the cosine, is of its
    person. Verification: the area under the ROC curve over all pairs of test images.

    Args:
        recipe: What to do.
        module: Whose function `pictures`, where it has one, makes more sections of the page.
        folder: Where the run goes.
        resume: Whether to go on there.
        console: Where progress is shown.
    """
    trained = train(recipe, folder / "run", resume=resume, console=console)
    show: Callable[[Embedded], Sequence[Html]] = getattr(module, "pictures", _no_pictures)
    words = "50 principal components of pixels"
    baselines = {f"{name}, {words}": one for name, one in scores(recipe, trained.pixels).items()}
    people = {part: len(np.unique(held.y["class"])) for part, held in _parts(trained.data).items()}
    row = (
        people["test"], people["dev"], people["train"], trained.model.count_params(),
        len(trained.fitted.history["loss"]), round(trained.seconds, 1),
    )  # fmt: skip
    return Results(
        scores=scores(recipe, trained.test),
        expected=recipe.expected,
        baselines=baselines,
        rows=[row],
        columns=_COLUMNS,
        pictures=[_curves(trained), *show(trained)],
    )


def train(
    recipe: EmbeddingRecipe, folder: Path, *, resume: bool, console: Console | None
) -> Embedded:
    """Builds and trains the network.

    Args:
        recipe: What to do.
        folder: Of the run.
        resume: Whether to go on there.
        console: Where progress is shown.

    Raises:
        DataError: A part has one person alone.
    """
    began = time.monotonic()
    data = recipe.data.load()
    for name, part in _parts(data).items():
        _check_several(name, part)
    keras.utils.set_random_seed(recipe.training.seed)
    model = conv(recipe.network)
    model.compile(loss=ContrastiveLoss(recipe.temperature))
    asked = {
        "classes": recipe.training.batch_size // recipe.each,
        "each": recipe.each,
        "seed": recipe.training.seed,
    }
    train_on, held_out = (
        few_of_each(dict(part.x), part.y["class"], **asked) for part in (data.train, data.dev)
    )
    fitted = fit(
        model, train_on, recipe.training, run=folder, resume=resume, validation=held_out,
        console=console,
    )  # fmt: skip
    test = identified(
        np.asarray(model.predict(dict(data.test.x), verbose=0, batch_size=256)),
        data.test.y["class"],
    )
    return Embedded(recipe, data, model, fitted, test, _of_pixels(data), time.monotonic() - began)


def scores(recipe: EmbeddingRecipe, vectors: Identified) -> dict[str, float]:
    """What vectors are worth: rank-1 for each number of known images, and verification.

    Args:
        recipe: How it is scored.
        vectors: Of the network or a baseline.
    """
    seed = recipe.data.images.split.seed
    found = {_name(shots): vectors.rank_1(shots, recipe.galleries, seed) for shots in recipe.shots}
    return {**found, "verification": vectors.verification()}


def _name(shots: int) -> str:
    return f"rank-1 of {shots} known" if shots > 1 else "rank-1 of one known"


def _parts(data: Dataset) -> dict[str, Part]:
    return {"train": data.train, "dev": data.dev, "test": data.test}


def _check_several(name: str, part: Part) -> None:
    if len(np.unique(part.y["class"])) < 2:
        raise DataError(
            f"{name} has images of one person alone",
            "two people in each part, or there is nobody to be told from",
            f"add people, or set a larger share: --set data.images.split.{name}=0.3",
        )


def _of_pixels(data: Dataset) -> Identified:
    """The baseline: components of pixels, found on the same people as the network learned from."""
    components = Components(random_state=0)
    components.fit_transform(flat(data.train).astype(np.float32))
    return identified(components.transform(flat(data.test)), data.test.y["class"])


_COLUMNS = (
    "people in test", "in dev", "in train", "parameters", "epochs", "seconds",
)  # fmt: skip


def _curves(trained: Embedded) -> Html:
    names = {"loss": "people it learns from", "val_loss": "other people"}
    lines = [
        Series(told, range(1, len(line) + 1), line)
        for name, told in names.items()
        if (line := trained.fitted.history.get(name))
    ]
    title = "Contrastive loss"
    return section("Learning", line_chart(lines, title=title, x_label="epoch", y_label="loss"))


def _no_pictures(trained: Embedded) -> Sequence[Html]:
    return ()
