"""What a network is given and what it is asked for: one frozen configuration each.

All three builders take any number of both. This module loads no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from gatescope.catalog.lookup import find
from gatescope.catalog.pairs import Pair, Target, pairs_for
from gatescope.errors import ConfigurationError, nearest
from gatescope.models.blueprint import Blueprint, Row

_FROZEN = ConfigDict(frozen=True, extra="forbid")

OUTPUT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"
"""What an input or an output can be called."""
Name = Annotated[str, Field(pattern=OUTPUT_NAME)]
"""What TensorFlow takes as the name of a layer."""


class NumbersInput(BaseModel):
    """Columns of numbers.

    Args:
        name: Of the input.
        size: How many numbers a sample has.
        normalize: Whether the model itself subtracts the mean and divides by the deviation of
            each; `gatescope.models.building.adapt` tells it both.

    Input shape: `(batch, size)`.
    """

    model_config = _FROZEN

    kind: Literal["numbers"] = "numbers"
    name: Name
    size: PositiveInt
    normalize: bool


class CategoryInput(BaseModel):
    """One of several categories, as a whole number from 0.

    Args:
        name: Of the input.
        categories: How many there are, the one for unseen values included.
        embedding: Numbers that stand for a category, learned.

    Input shape: `(batch,)`.
    """

    model_config = _FROZEN

    kind: Literal["category"] = "category"
    name: Name
    categories: PositiveInt
    embedding: PositiveInt


class ImageInput(BaseModel):
    """Images of one size.

    Args:
        name: Of the input.
        height: In pixels.
        width: In pixels.
        channels: 1 for grey, 3 for colour.
        rescale: Whether values come in [0, 255] and the model brings them to [−1, 1].

    Input shape: `(batch, height, width, channels)`.
    """

    model_config = _FROZEN

    kind: Literal["image"] = "image"
    name: Name
    height: PositiveInt
    width: PositiveInt
    channels: PositiveInt
    rescale: bool


class TextInput(BaseModel):
    """Texts as token ids, 0 being padding.

    Args:
        name: Of the input.
        tokens: How many ids there are, 0 included.
        length: Ids of each text, padding included.
        embedding: Numbers that stand for a token, learned.

    Input shape: `(batch, length)`.
    """

    model_config = _FROZEN

    kind: Literal["text"] = "text"
    name: Name
    tokens: PositiveInt
    length: PositiveInt
    embedding: PositiveInt


class SequenceInput(BaseModel):
    """Numbers that come step after step.

    Args:
        name: Of the input.
        length: Steps of each sample. None for sequences of any length: within a batch, shorter
            ones end in steps of zeros only, which the network skips.
        features: Numbers a step.

    Input shape: `(batch, length, features)`.
    """

    model_config = _FROZEN

    kind: Literal["sequence"] = "sequence"
    name: Name
    length: PositiveInt | None
    features: PositiveInt


InputConfig = Annotated[
    NumbersInput | CategoryInput | ImageInput | TextInput | SequenceInput,
    Field(discriminator="kind"),
]


class OutputConfig(BaseModel):
    """One thing that the network is asked for; `kind` decides last activation and loss.

    Args:
        kind: `number`; `numbers`; `binary`, yes or no, as 1 or 0; `classes`, one of several, as a
            whole number from 0; `labels`, any of several, each 1 or 0.
        name: Of the output.
        units: How many numbers, classes or labels; 1 for `number` and `binary`.
        loss: As the catalog spells it; None for the usual one of that kind. The last activation
            is the one that the catalog pairs it with.
        weight: Of this loss in the sum of all.
        metrics: As Keras spells them, `accuracy` meaning the one of that kind; None for what is
            usual: the mean absolute error of numbers, the accuracy of all else.

    Output shape: `(batch, units)`: numbers, or probabilities, or what a hinge loss takes.
    """

    model_config = _FROZEN

    kind: Target
    name: Name
    units: PositiveInt = 1
    loss: str | None = None
    weight: PositiveFloat = 1.0
    metrics: tuple[str, ...] | None = None

    @field_validator("loss")
    @classmethod
    def _as_the_catalog_spells_it(cls, loss: str | None) -> str | None:
        return None if loss is None else find("loss", loss).name

    @model_validator(mode="after")
    def _fits_together(self) -> OutputConfig:
        if self.kind in ("number", "binary") and self.units != 1:
            raise ValueError(f"{self.kind!r} has units=1; for more take {_MORE[self.kind]}")
        if self.kind == "classes" and self.units < 2:
            raise ValueError("'classes' needs units of 2 or more; for yes or no take 'binary'")
        fitting = dict.fromkeys(pair.loss for pair in pairs_for(self.kind))
        if self.loss not in (None, *fitting):
            raise ValueError(
                f"{self.loss} is no loss for {self.kind!r}, but {', '.join(fitting)} are"
            )
        return self

    @property
    def pair(self) -> Pair:
        """Last activation, loss, and the labels that go with them."""
        pairs = pairs_for(self.kind)
        return next(pair for pair in pairs if self.loss in (None, pair.loss))


_MORE = {"number": "'numbers'", "binary": "'labels' or 'classes'"}


def losses_for(kind: Target) -> tuple[str, ...]:
    """The losses for targets as data sets hold them, classes as whole numbers; the usual one first.

    Args:
        kind: Of the target.

    Example:
        >>> losses_for("binary")[:2]
        ('binary_crossentropy', 'binary_focal_crossentropy')
    """
    pairs = pairs_for(kind)
    if kind == "classes":
        pairs = tuple(pair for pair in pairs if pair.labels.startswith("whole"))
    return tuple(dict.fromkeys(pair.loss for pair in pairs))


def compile_arguments(outputs: Sequence[OutputConfig]) -> dict[str, Any]:
    """Losses, their weights and metrics of outputs, as `keras.Model.compile` takes them.

    Args:
        outputs: Those of the model.

    Returns:
        `loss`, `loss_weights` and `metrics`, each by the name of an output.

    Raises:
        ConfigurationError: Keras has no such metric.

    Example:
        >>> compile_arguments([OutputConfig(kind="binary", name="spam")])["loss"]
        {'spam': 'binary_crossentropy'}
    """
    return {
        "loss": {output.name: output.pair.loss for output in outputs},
        "loss_weights": {output.name: output.weight for output in outputs},
        "metrics": {output.name: _metrics(output) for output in outputs},
    }


def _metrics(output: OutputConfig) -> list[Any]:
    usual = ("mean_absolute_error",) if output.kind in ("number", "numbers") else ("accuracy",)
    names = usual if output.metrics is None else output.metrics
    return [_accuracy(output) if name == "accuracy" else _metric(name) for name in names]


def _accuracy(output: OutputConfig) -> Any:
    """The accuracy of a kind: Keras guesses it from shapes, and takes labels for classes."""
    import keras

    if output.kind in ("number", "numbers"):
        raise ConfigurationError(
            f"output {output.name!r} of kind {output.kind!r} is to have an accuracy",
            "a metric of numbers",
            "mean_absolute_error, root_mean_squared_error or r2_score",
        )
    if output.kind == "classes":
        sparse = output.pair.labels.startswith("whole")
        name = "SparseCategoricalAccuracy" if sparse else "CategoricalAccuracy"
        return getattr(keras.metrics, name)("accuracy")
    # A hinge loss parts yes from no at 0, a probability at 0.5.
    threshold = 0.5 if output.pair.activation == "sigmoid" else 0.0
    return keras.metrics.BinaryAccuracy("accuracy", threshold=threshold)


def _metric(name: str) -> Any:
    import keras

    try:
        return keras.metrics.get(name)
    except ValueError:
        known = [name for name in dir(keras.metrics) if name[0].isupper()]
        raise ConfigurationError(
            f"Keras has no metric {name!r}",
            "a class of keras.metrics, such as AUC, or its name in lower case",
            nearest(name, known) or "keras.io/api/metrics lists them",
        ) from None


def read(blueprint: Blueprint, config: InputConfig, *, mask: bool) -> Row:
    """Draws an input and what makes numbers of it.

    Args:
        blueprint: To draw in.
        config: The input.
        mask: Whether what follows can skip padding.
    """
    name = config.name
    match config:
        case NumbersInput():
            x = blueprint.input(name, (config.size,))
            if not config.normalize:
                return x
            return blueprint.layer("Normalization", f"{name}_normalization", x)
        case CategoryInput():
            x = blueprint.input(name, (), "int32")
            return _embedded(blueprint, x, config.categories, config.embedding, mask=False)
        case ImageInput():
            x = blueprint.input(name, (config.height, config.width, config.channels))
            if not config.rescale:
                return x
            scale = {"scale": 1 / 127.5, "offset": -1.0}
            return blueprint.layer("Rescaling", f"{name}_rescaling", x, **scale)
        case TextInput():
            x = blueprint.input(name, (config.length,), "int32")
            return _embedded(blueprint, x, config.tokens, config.embedding, mask=mask)
        case SequenceInput():
            x = blueprint.input(name, (config.length, config.features))
            return x if config.length else blueprint.layer("Masking", f"{name}_masking", x)


def _embedded(blueprint: Blueprint, x: Row, ids: int, size: int, *, mask: bool) -> Row:
    settings = {"input_dim": ids, "output_dim": size, "mask_zero": mask}
    return blueprint.layer("Embedding", f"{x.name}_embedding", x, **settings)


def vector(blueprint: Blueprint, config: InputConfig) -> Row:
    """Draws an input as one vector: the mean of a text's tokens, all numbers of anything else."""
    x = read(blueprint, config, mask=True)
    if isinstance(config, TextInput):
        return blueprint.layer("MeanOverTime", f"{config.name}_mean", x)
    if len(x.shape) == 1:
        return x
    return blueprint.layer("Flatten", f"{config.name}_flat", x)


def answer(blueprint: Blueprint, x: Row, config: OutputConfig, penalty: Mapping[str, Any]) -> None:
    """Draws an output behind a vector, its kernel penalized as all others are."""
    settings = {"units": config.units, "activation": config.pair.activation, **penalty}
    # In half precision a softmax and its logarithm would lose what they are about.
    blueprint.layer("Dense", config.name, x, **settings, dtype="float32")
    blueprint.outputs.append(config.name)
