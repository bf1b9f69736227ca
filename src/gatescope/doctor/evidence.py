"""What rules look at: a training's configuration, structure, curves, probes, data and script.

What is not known is None or empty, and rules stay silent without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatescope.catalog.lookup import folded
from gatescope.catalog.losses import LOSSES
from gatescope.doctor.outcome import Outcome
from gatescope.doctor.script import Script

Numbers = NDArray[Any]
RECURRENT = ("SimpleRNN", "LSTM", "GRU", "Bidirectional", "RNN", "ConvLSTM2D")
CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "SeparableConv2D", "DepthwiseConv2D")
POOLINGS = ("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D")
NORMALIZATIONS = ("BatchNormalization", "LayerNormalization", "GroupNormalization")
DROPOUTS = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "AlphaDropout")
ACTIVATIONS = {
    "ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "PReLU": "leaky_relu",
    "Softmax": "softmax",
}  # fmt: skip
_PASSING = ("Dropout", "Flatten", "Reshape", "InputLayer", "ActivityRegularization")


@dataclass(frozen=True)
class Weight:
    """A variable of a layer, and its numbers before training."""

    name: str
    shape: tuple[int, ...]
    trainable: bool = True
    mean: float | None = None
    deviation: float | None = None
    size: float | None = None
    alike: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer of the network: what it was asked to be, and how it is wired."""

    name: str
    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)
    input: tuple[int | None, ...] | None = None
    output: tuple[int | None, ...] | None = None
    activation: str | None = None
    inbound: tuple[str, ...] = ()
    trainable: bool = True
    weights: tuple[Weight, ...] = ()

    @property
    def units(self) -> int | None:
        """The size of its last axis."""
        if self.output:
            return self.output[-1]
        return self.config.get("units") or self.config.get("filters")

    @property
    def kernel(self) -> Weight | None:
        """Its first weight of two axes or more."""
        return next((one for one in self.weights if len(one.shape) > 1), None)

    @property
    def parameters(self) -> int:
        """How many numbers it could learn."""
        return sum(prod(one.shape) for one in self.weights)

    @property
    def applies(self) -> str | None:
        """The activation that it ends in; None where it has none to speak of."""
        if self.kind in ACTIVATIONS:
            return ACTIVATIONS[self.kind]
        return self.activation

    @property
    def learns(self) -> bool:
        """Whether it multiplies by a kernel."""
        known = (*RECURRENT, *CONVOLUTIONS, "Dense", "EinsumDense", "Conv2DTranspose")
        return self.kind in known or (self.kernel is not None and self.kind != "Embedding")


@dataclass(frozen=True)
class Training:
    """The arguments of `compile` and `fit`.

    Attributes:
        optimizer: Its class, as Keras spells it.
        settings: Its configuration.
        loss: As the catalog spells it; None where it is the user's own, or there are several.
        loss_settings: Such as `from_logits`.
        losses: Of several outputs, loss and settings of each, by name or place.
        metrics: Names.
        fit: Arguments of `fit`, with `samples`, `callbacks` and `class_weight`.
    """

    optimizer: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    loss: str | None = None
    loss_settings: Mapping[str, Any] = field(default_factory=dict)
    losses: Mapping[str, tuple[str | None, Mapping[str, Any]]] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    fit: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learning_rate(self) -> float | None:
        """The learning rate; of a schedule that it starts with."""
        rate = self.settings.get("learning_rate")
        if isinstance(rate, Mapping):
            return rate.get("config", {}).get("initial_learning_rate")
        return float(rate) if isinstance(rate, int | float) else None

    @property
    def from_logits(self) -> bool:
        """Whether the loss expects logits."""
        return bool(self.loss_settings.get("from_logits"))

    @property
    def epochs(self) -> int | None:
        """How often the data is gone through."""
        return self.fit.get("epochs", 1) if self.fit else None

    @property
    def batch_size(self) -> int | None:
        """Samples of a step."""
        return (self.fit.get("batch_size") or 32) if self.fit else None


@dataclass(frozen=True)
class Sample:
    """Some of the data, at most a few thousand samples.

    Attributes:
        x: Inputs, an array each.
        y: Targets, an array each.
        x_val: Held-out inputs.
        y_val: Held-out targets.
        inputs: Names of several inputs as `fit` was given them; numbers where it was a list.
        targets: Names of several targets.
    """

    x: tuple[Numbers, ...]
    y: tuple[Numbers, ...] = ()
    x_val: tuple[Numbers, ...] = ()
    y_val: tuple[Numbers, ...] = ()
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def one_y(self) -> Numbers | None:
        """The targets, where there is one array of numbers."""
        known = len(self.y) == 1 and self.y[0].dtype.kind in "biuf"
        return self.y[0] if known else None

    @property
    def one_x(self) -> Numbers | None:
        """The inputs, where there is one array of numbers."""
        known = len(self.x) == 1 and self.x[0].dtype.kind in "biuf"
        return self.x[0] if known else None


def copies(sample: Sample | None) -> bool:
    """Whether the targets are the inputs, as those of an autoencoder are, noise apart."""
    x, y = (sample.one_x, sample.one_y) if sample else (None, None)
    return x is not None and y is not None and x.size == y.size and x.ndim > 1 and x.shape[1] > 1


@dataclass(frozen=True)
class Curve:
    """Values over steps or epochs."""

    label: str
    x: Numbers
    y: Numbers

    @property
    def finite(self) -> Curve:
        """Without what is not finite."""
        known = np.isfinite(self.y)
        return Curve(self.label, self.x[known], self.y[known])


@dataclass(frozen=True)
class Crash:
    """The exception that ended a script, in a training or later."""

    kind: str
    message: str
    line: int | None = None
    later: bool = False


@dataclass(frozen=True)
class Evidence:
    """All that is known of a training.

    Attributes:
        layers: The layers in order.
        outputs: Names of those that put the results out.
        inputs: Names of those that take the data in, where the network is a graph of layers.
        kind: `sequential`, `functional` or `subclassed`.
        training: Arguments of `compile` and `fit`.
        history: A curve a metric, over epochs.
        losses: The loss of each batch.
        probes: By layer and statistic of `STATISTICS`.
        batches: Statistics of inputs and targets (`BATCH_STATISTICS`).
        sample: Some of the data.
        asked: What the trained model was asked about later, by `evaluate` and `predict`.
        evaluated: What `evaluate` came to then, by metric.
        bad: What is known of the first step that was not finite: `step`, `layer`, `op`, `told`.
        script: The user's script.
        crash: What ended it.
        cut: By what it was ended before its own end, such as `--seconds`; empty where it was not.
        outcome: How well the network does, beside what is easy.
    """

    layers: tuple[Layer, ...] = ()
    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    kind: str = "sequential"
    training: Training | None = None
    history: Mapping[str, Curve] = field(default_factory=dict)
    losses: Curve | None = None
    probes: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    batches: Mapping[str, Curve] = field(default_factory=dict)
    sample: Sample | None = None
    asked: Mapping[str, Sample] = field(default_factory=dict)
    evaluated: Mapping[str, float] = field(default_factory=dict)
    bad: Mapping[str, Any] | None = None
    script: Script | None = None
    crash: Crash | None = None
    cut: str = ""
    outcome: Outcome | None = None

    @property
    def own_step(self) -> bool:
        """Whether the script computes its loss by itself, under a tape."""
        return self.script is not None and bool(self.script.calls("GradientTape"))

    @property
    def fails(self) -> bool:
        """Whether it is known not to learn, or to do worse than a simple model."""
        # What was cut short may have learned later.
        shown = self.outcome is not None and self.outcome.fails and not self.cut
        return self.bad is not None or shown

    @property
    def fine(self) -> bool:
        """Whether it is known to learn well."""
        return self.bad is None and self.outcome is not None and self.outcome.fine

    @cached_property
    def last(self) -> Layer | None:
        """The layer that puts the result out, where there is one result; see `tail`."""
        return self.tail[-1] if self.tail else None

    @cached_property
    def tail(self) -> tuple[Layer, ...]:
        """The last layer with weights and what follows it and computes something."""
        if len(self.outputs) != 1:
            return ()
        layer, tail = self.named(self.outputs[0]), list[Layer]()
        while layer is not None and len(tail) < len(self.layers):
            if layer.kind not in _PASSING:
                tail.insert(0, layer)
            if layer.learns:
                return tuple(tail)
            layer = self.before(layer)
        return ()

    @property
    def head(self) -> Layer | None:
        """The last layer with weights."""
        return self.tail[0] if self.tail else None

    @property
    def last_activation(self) -> str | None:
        """What the network ends in: the last activation that is not linear."""
        applied = [one.applies for one in self.tail if one.applies not in (None, "linear")]
        return applied[-1] if applied else ("linear" if self.tail else None)

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """Layers with kernels before the last one."""
        ends = {self.head.name} if self.head else set(self.outputs)
        return tuple(one for one in self.layers if one.learns and one.name not in ends)

    def named(self, name: str) -> Layer | None:
        """The layer of a name."""
        return next((one for one in self.layers if one.name == name), None)

    def before(self, layer: Layer) -> Layer | None:
        """The layer that hands its output to this one, where it is one alone."""
        if self.kind == "functional" and layer.inbound:
            return self.named(layer.inbound[0]) if len(layer.inbound) == 1 else None
        place = self.layers.index(layer)
        return self.layers[place - 1] if place else None

    def after(self, layer: Layer) -> Layer | None:
        """The layer that takes the output of this one, where it is one alone."""
        if self.kind == "functional":
            found = [one for one in self.layers if layer.name in one.inbound]
            return found[0] if len(found) == 1 else None
        place = self.layers.index(layer) + 1
        return self.layers[place] if place < len(self.layers) else None

    def activated(self, layer: Layer) -> str | None:
        """The activation that the output of a layer goes through, its own or that of the next."""
        if layer.applies not in (None, "linear"):
            return layer.applies
        following = self.after(layer)
        while following and following.kind in (*NORMALIZATIONS, *DROPOUTS):
            following = self.after(following)
        known = following and following.kind in (*ACTIVATIONS, "Activation")
        return following.applies if following and known else layer.applies

    def probe(self, layer: str, statistic: str) -> Curve | None:
        """A statistic over the probed steps, without what is not finite; None where unknown."""
        found = self.probes.get(layer, {}).get(statistic)
        return found.finite if found is not None and len(found.finite.y) else None

    def end(self, metric: str) -> float | None:
        """The last value of a metric of epochs."""
        curve = self.history.get(metric)
        return float(curve.y[-1]) if curve is not None and len(curve.y) else None

    @property
    def symptom(self) -> str:
        """What is known of how badly it does, in words."""
        if self.bad is not None:
            return f"the loss or a gradient is not finite from step {self.bad.get('step')} on"
        known = self.outcome.known if self.outcome else None
        if known is None:
            return "how well it learns is not known"
        beside = (
            ""
            if self.outcome is None or self.outcome.simple is None
            else (f"; a simple model reaches {self.outcome.simple:.2f}")
        )
        return f"skill {known:.2f} of 1 (0 is guessing){beside}"

    def classes(self, y: Numbers) -> Numbers:
        """The class of each label, of one-hot ones and of those of a sequence, too."""
        sparse = self.training is not None and "sparse" in (self.training.loss or "")
        return (y if sparse or y.ndim < 2 or y.shape[-1] < 2 else y.argmax(-1)).ravel()

    def sure(self, failing: float, unknown: float, fine: float) -> float:
        """A confidence by whether the network fails, is not known to, or does well."""
        return failing if self.fails else fine if self.fine else unknown

    @property
    def steps(self) -> int | None:
        """How many steps were trained."""
        return (
            int(self.losses.x[-1]) + 1 if self.losses is not None and len(self.losses.x) else None
        )


_FUNCTIONS = {"softmax_v2": "softmax", "leaky_relu_v2": "leaky_relu"}
"""Functions of TensorFlow under the names of their activations."""


def named(told: Any) -> Any:
    """A model as Keras writes it down, functions that are not its own by their names."""
    if isinstance(told, Mapping):
        if told.get("class_name") == "function" and isinstance(told.get("config"), str):
            return _FUNCTIONS.get(told["config"], told["config"])
        return {key: named(value) for key, value in told.items()}
    return [named(one) for one in told] if isinstance(told, list) else told


def layer_of(told: Mapping[str, Any]) -> Layer:
    """A layer as `describe_model` wrote it."""
    weights = tuple(
        Weight(**{**one, "shape": tuple(one["shape"])}) for one in told.get("weights", ())
    )
    return Layer(
        name=told["name"],
        kind=told["class"],
        config=told.get("config") or {},
        input=_shape(told.get("input")),
        output=_shape(told.get("output")),
        activation=_FUNCTIONS.get(str(told.get("activation")), told.get("activation")),
        inbound=tuple(told.get("inbound", ())),
        trainable=bool(told.get("trainable", True)),
        weights=weights,
    )


def training_of(compiled: Mapping[str, Any], fit: Mapping[str, Any]) -> Training:
    """The arguments of `compile` as Keras writes them down, and those of `fit`."""
    optimizer = compiled.get("optimizer") or {}
    if isinstance(optimizer, str):
        optimizer = {"class_name": optimizer, "config": {}}
    if optimizer.get("class_name") == "LossScaleOptimizer":
        optimizer = optimizer["config"].get("inner_optimizer", optimizer)
    loss, settings = _loss(compiled.get("loss"))
    metrics = compiled.get("metrics") or []
    return Training(
        optimizer=optimizer.get("class_name", ""),
        settings=optimizer.get("config", {}),
        loss=loss,
        loss_settings=settings,
        losses=_losses(compiled.get("loss")),
        metrics=tuple(map(_metric, metrics if isinstance(metrics, list) else [])),
        fit=fit,
    )


def _shape(told: Sequence[Any] | None) -> tuple[int | None, ...] | None:
    return tuple(told) if told is not None else None


def _loss(told: Any) -> tuple[str | None, Mapping[str, Any]]:
    if isinstance(told, list) and len(told) == 1:
        told = told[0]
    settings: Mapping[str, Any] = {}
    if isinstance(told, Mapping) and "class_name" in told:
        name = told["class_name"]
        inner = told.get("config")
        if name == "function" and isinstance(inner, str):
            name = inner
        settings = inner if isinstance(inner, Mapping) else {}
        told = name
    return (catalogued(told), settings) if isinstance(told, str) else (None, {})


def _losses(told: Any) -> dict[str, tuple[str | None, Mapping[str, Any]]]:
    """The loss of each of several outputs, by name or place."""
    if isinstance(told, list) and len(told) > 1:
        return {str(place): _loss(one) for place, one in enumerate(told)}
    if isinstance(told, Mapping) and "class_name" not in told:
        return {str(name): _loss(one) for name, one in told.items()}
    return {}


def catalogued(name: str) -> str | None:
    """The name that the catalog gives a loss."""
    for row in LOSSES.values():
        if folded(name) in map(folded, (row.name, *row.aliases)):
            return row.name
    return None


def _metric(told: Any) -> str:
    if isinstance(told, Mapping):
        return str((told.get("config") or {}).get("name") or told.get("class_name"))
    return str(told)
