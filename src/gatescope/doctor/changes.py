"""Applies a remedy to a copy: the network as Keras writes it down, compile arguments, and data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gatescope.doctor.evidence import Sample
from gatescope.doctor.finding import Change
from gatescope.doctor.outcome import classes_of


class NotApplicable(Exception):  # noqa: N818 - it is an answer, not an error
    """A change cannot be made to a copy; the text says why."""


@dataclass(frozen=True)
class Specimen:
    """What a proof needs of a training, all of it plain data.

    Args:
        model: The network as `keras.saving.serialize_keras_object` writes it.
        compile: Arguments of `compile`, as `get_compile_config` writes them.
        fit: `batch_size`, `epochs`, `shuffle` and the number of all `samples`.
        sample: Some of the data.
        weights: Those of layers that are not to be drawn anew, such as a frozen backbone's.
    """

    model: Mapping[str, Any]
    compile: Mapping[str, Any]
    fit: Mapping[str, Any]
    sample: Sample
    weights: Mapping[str, Any] = field(default_factory=dict)


def apply(specimen: Specimen, changes: Sequence[Change]) -> Specimen:
    """The specimen with some changes made.

    Raises:
        NotApplicable: One cannot be made to a copy.
    """
    for change in changes:
        if not is_applicable(change):
            raise NotApplicable(f"{change.target} is nothing that a copy has")
        root = "layer" if change.layer is not None else change.target.partition(".")[0]
        specimen = _APPLIERS[root](specimen, change)
    return specimen


def is_applicable(change: Change) -> bool:
    """Whether a copy has what a change is about, as it has no metrics; a trial shows the rest."""
    root = "layer" if change.layer is not None else change.target.partition(".")[0]
    return root in _APPLIERS and (root != "data" or change.value in _DATA)


def _of_layer(specimen: Specimen, change: Change) -> Specimen:
    model = copy.deepcopy(dict(specimen.model))
    layers, place = _found(model, str(change.layer))
    if change.action == "remove":
        _bypass(model, layers.pop(place))
    elif change.action == "insert":
        if model.get("class_name") != "Sequential":
            raise NotApplicable("a layer can only be put into a Sequential copy")
        layers.insert(place + 1, dict(change.value["layer"]))
    elif change.setting == "trainable":
        _unfreeze(layers[place])
    else:
        layers[place]["config"][change.setting] = change.value
    model["config"].pop("build_input_shape", None)
    model.pop("build_config", None)
    return replace(specimen, model=model)


def _found(model: Any, name: str) -> tuple[list[Any], int]:
    for place, layer in enumerate(model["config"].get("layers", [])):
        if layer["config"].get("name") == name:
            layer.pop("build_config", None)
            return model["config"]["layers"], place
        if "layers" in layer["config"]:
            try:
                return _found(layer, name)
            except NotApplicable:
                continue
    raise NotApplicable(f"the copy has no layer {name!r}")


def _unfreeze(layer: Any) -> None:
    layer["config"]["trainable"] = True
    for inner in layer["config"].get("layers", []):
        _unfreeze(inner)


def _bypass(model: Any, removed: Any) -> None:
    """Wires what took the output of a removed layer to what it took itself."""
    if model.get("class_name") == "Sequential":
        return
    sources = list(_histories(removed.get("inbound_nodes")))
    if len(sources) != 1:
        raise NotApplicable("the layer joins several others")
    name = removed["config"]["name"]
    for layer in model["config"]["layers"]:
        for history in _histories(layer.get("inbound_nodes")):
            if history[0] == name:
                history[:] = sources[0]
    for key in ("input_layers", "output_layers"):
        model["config"][key] = _renamed(model["config"].get(key), name, sources[0])


def _histories(node: Any) -> list[Any]:
    if isinstance(node, Mapping):
        own = node.get("config", {})
        if isinstance(own, Mapping) and "keras_history" in own:
            return [own["keras_history"]]
        return [found for value in node.values() for found in _histories(value)]
    if isinstance(node, list | tuple):
        return [found for value in node for found in _histories(value)]
    return []


def _renamed(told: Any, name: str, source: Sequence[Any]) -> Any:
    if isinstance(told, list) and told and told[0] == name and len(told) == 3:
        return list(source)
    return [_renamed(one, name, source) for one in told] if isinstance(told, list) else told


def _of_optimizer(specimen: Specimen, change: Change) -> Specimen:
    compiled = copy.deepcopy(dict(specimen.compile))
    if not change.setting:
        settings = dict(change.value) if isinstance(change.value, dict) else {"name": change.value}
        name = settings.pop("name")
        compiled["optimizer"] = {"class_name": name, "config": settings}
    else:
        optimizer = compiled.get("optimizer")
        if not isinstance(optimizer, dict):
            raise NotApplicable("the optimizer was not written down")
        optimizer["config"][change.setting] = change.value
    return replace(specimen, compile=compiled)


def _of_loss(specimen: Specimen, change: Change) -> Specimen:
    compiled = copy.deepcopy(dict(specimen.compile))
    compiled["metrics"] = None
    if not change.part:
        compiled["loss"] = _other_loss(compiled["loss"], change)
        return replace(specimen, compile=compiled)
    losses = compiled["loss"]
    try:
        key = int(change.part) if isinstance(losses, list) else change.part
        losses[key] = _other_loss(losses[key], change)
    except (LookupError, TypeError, ValueError):
        raise NotApplicable(f"the copy has no loss of {change.part}") from None
    return replace(specimen, compile=compiled)


def _other_loss(loss: Any, change: Change) -> Any:
    if not change.setting:
        return change.value
    name = loss["class_name"] if isinstance(loss, dict) else loss
    settings = dict(loss.get("config", {})) if isinstance(loss, dict) else {}
    return {"class_name": name, "config": settings | {change.setting: change.value}}


def _of_loss_weights(specimen: Specimen, change: Change) -> Specimen:
    return replace(specimen, compile={**specimen.compile, "loss_weights": change.value})


def _of_fit(specimen: Specimen, change: Change) -> Specimen:
    if change.setting in (
        "patience",
        "mode",
    ):  # a copy has no callbacks: it trains as long as was asked
        asked = specimen.fit.get("asked_epochs", specimen.fit.get("epochs"))
        return replace(specimen, fit={**specimen.fit, "epochs": asked})
    return replace(specimen, fit={**specimen.fit, change.setting: change.value})


def _of_data(specimen: Specimen, change: Change) -> Specimen:
    way, sample = _DATA[change.value], specimen.sample
    names = sample.inputs if change.target == "data.x" else sample.targets
    if change.part not in names:
        return replace(specimen, sample=way(sample))
    place, side = names.index(change.part), change.target.removeprefix("data.")
    one = {key: getattr(sample, key)[place : place + 1] for key in (side, f"{side}_val")}
    empty: dict[str, Any] = {"x": (), "y": (), "x_val": (), "y_val": ()}
    changed = way(Sample(**(empty | one)))
    return replace(specimen, sample=replace(sample, **{
        key: (*whole[:place], *getattr(changed, key), *whole[place + 1 :])
        for key in one
        if (whole := getattr(sample, key))
    }))  # fmt: skip


def _standardized(sample: Sample) -> Sample:
    """By the mean and deviation of the training part alone."""
    means = [np.nanmean(part, 0, keepdims=True) for part in sample.x]
    spreads = [np.nanstd(part, 0, keepdims=True) + 1e-7 for part in sample.x]

    def scaled(parts: Sequence[Any]) -> tuple[Any, ...]:
        rows = zip(parts, means, spreads, strict=True)
        return tuple(((p - m) / s).astype(np.float32) for p, m, s in rows)

    return replace(sample, x=scaled(sample.x), x_val=scaled(sample.x_val) if sample.x_val else ())


def _scaled(sample: Sample) -> Sample:
    return _on_x(sample, lambda part: part.astype(np.float32) / 255)


def _on_x(sample: Sample, function: Callable[[Any], Any]) -> Sample:
    x, x_val = (tuple(map(function, parts)) for parts in (sample.x, sample.x_val))
    return replace(sample, x=x, x_val=x_val)


def _on_y(sample: Sample, function: Callable[[Any], Any]) -> Sample:
    y, y_val = (tuple(map(function, parts)) for parts in (sample.y, sample.y_val))
    return replace(sample, y=y, y_val=y_val)


def _without_nan(sample: Sample) -> Sample:
    def clean(xs: Any, ys: Any) -> tuple[Any, Any]:
        kept = np.ones(len(xs[0]), bool)
        for part in (*xs, *ys):
            if part.dtype.kind == "f":
                kept &= np.isfinite(part.reshape(len(part), -1)).all(1)
        return tuple(part[kept] for part in xs), tuple(part[kept] for part in ys)

    x, y = clean(sample.x, sample.y)
    if not len(x[0]):
        raise NotApplicable("no sample would be left")
    x_val, y_val = clean(sample.x_val, sample.y_val) if sample.x_val else ((), ())
    return replace(sample, x=x, y=y, x_val=x_val, y_val=y_val)


def _one_hot(sample: Sample) -> Sample:
    count = int(max(part.max() for part in (*sample.y, *sample.y_val))) + 1
    return _on_y(sample, lambda part: np.eye(count, dtype=np.float32)[classes_of(part)])


def _standardized_y(sample: Sample) -> Sample:
    mean, spread = sample.y[0].mean(), sample.y[0].std() + 1e-7
    return _on_y(sample, lambda part: ((part - mean) / spread).astype(np.float32))


def _from_zero(sample: Sample) -> Sample:
    least = min(part.min() for part in sample.y)
    return _on_y(sample, lambda part: part - least)


def _reshuffled(sample: Sample) -> Sample:
    """What is held out drawn anew, at random."""
    if not sample.x_val:
        return sample
    whole = [
        [np.concatenate(pair) for pair in zip(*parts, strict=True)]
        for parts in ((sample.x, sample.x_val), (sample.y, sample.y_val))
    ]
    order, at = np.random.default_rng(0).permutation(len(whole[0][0])), len(sample.x[0])
    first, rest = order[:at], order[at:]
    x, y, x_val, y_val = (
        tuple(one[rows] for one in part) for rows in (first, rest) for part in whole
    )
    return replace(sample, x=x, y=y, x_val=x_val, y_val=y_val)


_DATA: Mapping[str, Callable[[Sample], Sample]] = {
    "standardize": _standardized,
    "scale": _scaled,
    "drop_nan": _without_nan,
    "shuffle": _reshuffled,
    "one_hot": _one_hot,
    "integer": lambda sample: _on_y(sample, classes_of),
    "standardize_y": _standardized_y,
    "column": lambda sample: _on_y(sample, lambda part: part.reshape(len(part), -1)),
    "from_zero": _from_zero,
    "yes_no": lambda sample: _on_y(sample, lambda part: (part > 0).astype(np.float32)),
}
_APPLIERS: Mapping[str, Callable[[Specimen, Change], Specimen]] = {
    "layer": _of_layer,
    "optimizer": _of_optimizer,
    "loss": _of_loss,
    "loss_weights": _of_loss_weights,
    "fit": _of_fit,
    "data": _of_data,
}
