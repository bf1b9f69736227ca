"""What dense, convolutional and recurrent networks share: inputs, dense layers, outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveInt,
    model_validator,
)

from gatescope.catalog.initializers import INITIALIZERS
from gatescope.catalog.lookup import find
from gatescope.catalog.pairs import initializer_for
from gatescope.models.blueprint import Blueprint, Row
from gatescope.models.heads import InputConfig, OutputConfig, answer

Normalization = Literal["batch", "layer"]
Share = Annotated[float, Field(ge=0, lt=1)]

_NORMALIZATIONS = {"batch": "BatchNormalization", "layer": "LayerNormalization"}
_NO_LAYERS_OWN = ("glu", "threshold")  # one halves the units, the other needs arguments


def _known_activation(name: str) -> str:
    found = find("activation", name).name
    if found in _NO_LAYERS_OWN:
        raise ValueError(f"{found} cannot be the activation of a layer by its name alone")
    return found


def _known_initializer(name: str) -> str:
    found = find("initializer", name).name
    if INITIALIZERS[found].shape == "fixed":
        raise ValueError(f"{found} draws nothing at random, so all units would stay the same")
    return found


ActivationName = Annotated[str, AfterValidator(_known_activation)]
InitializerName = Annotated[str, AfterValidator(_known_initializer)]


class Depth(BaseModel):
    """Many layers of one width.

    Args:
        depth: How many layers.
        width: Units of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: PositiveInt
    width: PositiveInt


class NetworkConfig(BaseModel, ABC):
    """A network with any number of inputs and outputs, and dense layers between them.

    Weights are drawn with Keras' global seed: `keras.utils.set_random_seed(seed)` before building.

    Args:
        inputs: What it is given.
        outputs: What it is asked for; each has a last layer of its own.
        hidden: Units of each dense layer, or how many of one width: `Depth(depth=200, width=64)`.
        activation: Of every layer but the last ones, as the catalog spells it.
        activations: Of each dense layer, where they are not all alike.
        initializer: Of kernels, as the catalog spells it; None for the one that the catalog
            advises for that activation. Residual branches without normalization then start at
            zero, so that at first a network of any depth passes on what it gets (Zhang, Dauphin &
            Ma 2019, arXiv:1901.09321).
        normalization: Of each dense layer, before its activation.
        residual: Whether each dense layer but the first adds to what it gets, with normalization
            and activation before it (He et al. 2016, arXiv:1603.05027).
        dropout: Share of the units that a step of training leaves out.
        l1: Penalty on the sizes of kernels.
        l2: Penalty on their squares.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[InputConfig, ...] = Field(min_length=1)
    outputs: tuple[OutputConfig, ...] = Field(min_length=1)
    hidden: tuple[PositiveInt, ...] | Depth = ()
    activation: ActivationName = "relu"
    activations: tuple[ActivationName, ...] = ()
    initializer: InitializerName | None = None
    normalization: Normalization | None = None
    residual: bool = False
    dropout: Share = 0.0
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [each.name for each in (*self.inputs, *self.outputs)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two inputs or outputs are called {', '.join(sorted(twice))}")
        return self

    @model_validator(mode="after")
    def _an_activation_for_each(self) -> Self:
        if self.activations and len(self.activations) != len(self.widths):
            raise ValueError(
                f"{len(self.widths)} dense layers have {len(self.activations)} activations"
            )
        if self.activations and self.residual:
            raise ValueError("a residual network has one activation: set activation")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each dense layer."""
        if isinstance(self.hidden, Depth):
            return (self.hidden.width,) * self.hidden.depth
        return self.hidden

    @abstractmethod
    def blueprint(self) -> Blueprint:
        """Draws the network: every layer with its shape and its weights, without TensorFlow.

        Raises:
            ConfigurationError: A layer cannot take what it is given; it is named, and the way
                there is shown.
        """

    def activation_of(self, place: int) -> str:
        """The activation of a dense layer.

        Args:
            place: Of the layer, from 1.
        """
        return self.activations[place - 1] if self.activations else self.activation

    def weights(
        self, prefix: str = "kernel", *, start: str | None = None, activation: str | None = None
    ) -> dict[str, Any]:
        """The settings of a layer's kernel.

        Args:
            prefix: Of the settings, as Keras spells them.
            start: The initializer, where it is not to be the usual one.
            activation: Behind the layer; None for the network's.
        """
        usual = start or self.initializer or initializer_for(activation or self.activation)
        return {f"{prefix}_initializer": usual, **self.penalty(prefix)}

    def penalty(self, prefix: str = "kernel") -> dict[str, Any]:
        """The setting of a layer that penalizes its kernel; nothing where there is no penalty.

        Args:
            prefix: Of the setting, as Keras spells it.
        """
        if not (self.l1 or self.l2):
            return {}
        config = {"l1": self.l1, "l2": self.l2}
        return {f"{prefix}_regularizer": {"class_name": "L1L2", "config": config}}

    def branch_start(self, normalization: Normalization | None) -> str | None:
        """The initializer of the last kernel of a residual branch; None for the usual one."""
        return "zeros" if normalization is None and self.initializer is None else None


def finish(blueprint: Blueprint, vectors: Sequence[Row], config: NetworkConfig) -> Blueprint:
    """Draws what is behind the inputs: joins their vectors, dense layers, outputs."""
    x = vectors[0]
    if len(vectors) > 1:
        x = blueprint.layer("Concatenate", "joined", *vectors)
    draw = _residual if config.residual else _plain
    x = draw(blueprint, x, config)
    for output in config.outputs:
        answer(blueprint, x, output, config.penalty())
    return blueprint


def _plain(blueprint: Blueprint, x: Row, config: NetworkConfig) -> Row:
    for place, units in enumerate(config.widths, 1):
        activation = config.activation_of(place)
        fused = {} if config.normalization else {"activation": activation}
        x = _dense(blueprint, x, config, place, units, **fused)
        if config.normalization:
            x = normalized(blueprint, x, config.normalization, f"normalization_{place}")
            x = _activated(blueprint, x, activation, str(place))
        x = _dropped(blueprint, x, config, place)
    return x


def _residual(blueprint: Blueprint, x: Row, config: NetworkConfig) -> Row:
    """A first layer to the width, then layers that each add something to what they get."""
    for place, units in enumerate(config.widths, 1):
        if place == 1:
            x = _dense(blueprint, x, config, place, units)
            continue
        way = _prepared(blueprint, x, config, str(place))
        way = _dropped(blueprint, way, config, place)
        start = config.branch_start(config.normalization)
        way = _dense(blueprint, way, config, place, units, start=start)
        if way.shape != x.shape:
            settings = {"units": units, "use_bias": False, **config.weights()}
            x = blueprint.layer("Dense", f"shortcut_{place}", x, **settings)
        x = blueprint.layer("Add", f"add_{place}", x, way)
    return _prepared(blueprint, x, config, "end") if config.widths else x


def _prepared(blueprint: Blueprint, x: Row, config: NetworkConfig, place: str) -> Row:
    if config.normalization:
        x = normalized(blueprint, x, config.normalization, f"normalization_{place}")
    return activated(blueprint, x, config, place)


def _dense(
    blueprint: Blueprint,
    x: Row,
    config: NetworkConfig,
    place: int,
    units: int,
    *,
    start: str | None = None,
    **settings: Any,
) -> Row:
    # Batch normalization behind it would subtract the bias.
    bias = config.residual or config.normalization != "batch"
    kernel = config.weights(start=start, activation=config.activation_of(place))
    return blueprint.layer(
        "Dense", f"dense_{place}", x, units=units, use_bias=bias, **kernel, **settings
    )


def _dropped(blueprint: Blueprint, x: Row, config: NetworkConfig, place: int) -> Row:
    if not config.dropout:
        return x
    # Only this one keeps the mean and variance that selu relies on.
    kind = "AlphaDropout" if config.activation_of(place) == "selu" else "Dropout"
    return blueprint.layer(kind, f"dropout_{place}", x, rate=config.dropout)


def normalized(blueprint: Blueprint, x: Row, normalization: Normalization, name: str) -> Row:
    """Draws a normalization."""
    return blueprint.layer(_NORMALIZATIONS[normalization], name, x)


def activated(blueprint: Blueprint, x: Row, config: NetworkConfig, place: str) -> Row:
    """Draws the activation of the network."""
    return _activated(blueprint, x, config.activation, place)


def _activated(blueprint: Blueprint, x: Row, activation: str, place: str) -> Row:
    return blueprint.layer("Activation", f"activation_{place}", x, activation=activation)
