"""What a run's record says of a model and of how it is trained."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def describe_training(model: keras.Model, given: Mapping[str, Any]) -> dict[str, object]:
    """What `compile` and `fit` were told, as plain data.

    Args:
        model: A compiled model.
        given: The arguments of `fit`.
    """
    settings = {
        name: value
        for name, value in given.items()
        if isinstance(value, int | float | str | bool) and name not in ("self", "verbose")
    }
    data: dict[str, object] = {
        name: _shape(given[name]) for name in ("x", "y", "validation_data") if name in given
    }
    data |= {"samples": _length(given.get("x")), "callbacks": _callbacks(given.get("callbacks"))}
    data |= {"class_weight": given.get("class_weight") is not None}
    return {
        "optimizer": describe_optimizer(model.optimizer),
        "loss": _name(model.loss),
        "metrics": [metric.name for metric in model.metrics],
        "jit_compile": bool(model.jit_compile),
        "run_eagerly": bool(model.run_eagerly),
        "steps_per_execution": model.steps_per_execution,
        "fit": {**settings, **data},
    }


def cut_by(deadline: float | None, epochs: int) -> str | None:
    """What ended a training before its own end; None where nothing did.

    Args:
        deadline: When trainings are to end, by `time.monotonic`.
        epochs: How many were asked for.
    """
    if deadline is not None and time.monotonic() > deadline:
        return "--seconds"
    most = keras.config.max_epochs()
    return f"at most {most} of {epochs} epochs" if most and most < epochs else None


def describe_optimizer(optimizer: Any) -> dict[str, object]:
    """An optimizer's class and settings, as far as it tells them."""
    try:
        settings = _plain(optimizer.get_config())
    except NotImplementedError:  # a user's own class need not tell
        settings = {}
    return {"name": type(optimizer).__name__, **settings}


def describe_layers(model: keras.Model) -> list[dict[str, object]]:
    """The layers of a model in order, each with its class, shapes, activation and weights."""
    return [
        {
            "name": layer.name,
            "class": type(layer).__name__,
            "output": _output_shape(layer),
            "activation": _name(getattr(layer, "activation", None)),
            "weights": layer.count_params() if layer.built else None,
            "trainable": layer.trainable,
        }
        for layer in model.layers
    ]


def describe_model(model: keras.Model) -> dict[str, object]:
    """Each layer with its configuration, wiring and first weights, and the compile arguments.

    Args:
        model: A compiled model; where it is not built, shapes and weights are missing.
    """
    return {
        "kind": _kind(model),
        "built": bool(model.built),
        "outputs": _outputs(model),
        "inputs": _inputs(model),
        "layers": [_layer(layer) for layer in _leaves(model)],
        "compile": _compiled(model),
    }


def _output_shape(layer: Any) -> str | None:
    try:
        return str(layer.output.shape)
    except (AttributeError, ValueError):
        return None


def _shape(data: Any) -> str:
    if isinstance(data, list | tuple):
        return f"[{', '.join(map(_shape, data))}]"
    if isinstance(data, dict):
        return f"{{{', '.join(f'{name}: {_shape(part)}' for name, part in data.items())}}}"
    shape = getattr(data, "shape", None)
    return (
        f"{type(data).__name__} {shape} {data.dtype}"
        if shape is not None
        else (type(data).__name__)
    )


def _name(thing: Any) -> str | None:
    if thing is None or isinstance(thing, str):
        return thing
    if isinstance(thing, list | tuple | dict):
        parts = thing.values() if isinstance(thing, dict) else thing
        return ", ".join(str(_name(part)) for part in parts)
    return str(getattr(thing, "__name__", None) or getattr(thing, "name", type(thing).__name__))


def _plain(configuration: Mapping[str, Any]) -> dict[str, object]:
    return {
        name: float(value) if isinstance(value, np.floating) else value
        for name, value in configuration.items()
        if isinstance(value, int | float | str | bool | dict | np.floating)
    }


def _kind(model: keras.Model) -> str:
    if isinstance(model, keras.Sequential):
        return "sequential"
    return "functional" if getattr(model, "_is_graph_network", False) else _functional(model)


def _functional(model: keras.Model) -> str:
    return "functional" if hasattr(model, "operations") else "subclassed"


def _leaves(model: keras.Model) -> list[Any]:
    """The layers in order, those of inner models in the place of these."""
    found: list[Any] = []
    for layer in model.layers:
        inside = _leaves(layer) if isinstance(layer, keras.Model) else [layer]
        found += [one for one in inside if one not in found]
    return found


def _outputs(model: keras.Model) -> list[str]:
    """Names of the layers that put the results out; of a subclassed model its last one."""
    if not hasattr(model, "operations"):
        return [model.layers[-1].name] if model.layers else []
    outputs = keras.tree.flatten(model.outputs or [])
    found = [tensor._keras_history.operation for tensor in outputs]
    return [
        (_leaves(one) or [one])[-1].name if hasattr(one, "layers") else one.name for one in found
    ]


def _inputs(model: keras.Model) -> list[str]:
    """Names of the layers that take the data in; none of a subclassed model."""
    tensors = keras.tree.flatten(model.inputs or []) if hasattr(model, "operations") else []
    return [tensor._keras_history.operation.name for tensor in tensors]


def _layer(layer: Any) -> dict[str, object]:
    return {
        "name": layer.name,
        "class": type(layer).__name__,
        "own": type(layer).__module__.partition(".")[0] == "keras",
        "config": _configuration(layer),
        "input": _known_shape(layer, "input"),
        "output": _known_shape(layer, "output"),
        "activation": _name(getattr(layer, "activation", None)),
        "inbound": _inbound(layer),
        "trainable": layer.trainable,
        "weights": [_weight(layer, variable) for variable in layer.weights],
    }


def _configuration(thing: Any) -> dict[str, object]:
    try:
        return dict(thing.get_config())
    except Exception:  # noqa: BLE001 - a class of the user's may not have it, or fail in it
        return {}


def _compiled(model: keras.Model) -> dict[str, object]:
    try:
        return dict(model.get_compile_config() or {})
    except Exception:  # noqa: BLE001 - such as a loss that cannot be written down
        loss, optimizer = _name(model.loss), model.optimizer
        told = {"class_name": type(optimizer).__name__, "config": _configuration(optimizer)}
        return {"optimizer": told, "loss": loss, "whole": False}


def _known_shape(layer: Any, side: str) -> list[Any] | None:
    try:
        flat = keras.tree.flatten(getattr(layer, side))
        return list(flat[0].shape)
    except (AttributeError, ValueError, IndexError):
        return None


def _inbound(layer: Any) -> list[str]:
    nodes = getattr(layer, "_inbound_nodes", None) or []
    return [parent.operation.name for parent in nodes[-1].parent_nodes] if nodes else []


def _weight(layer: Any, variable: Any) -> dict[str, object]:
    values = np.asarray(variable, np.float32) if _is_float(variable) else np.zeros((0,), np.float32)
    told = {
        "name": variable.name,
        "shape": list(variable.shape),
        "trainable": any(variable is one for one in layer.trainable_variables),
    }
    if not values.size:
        return told
    units = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    return told | {
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "size": float(np.abs(values).max()),
        "alike": bool(values.ndim > 1 and (units == units[:, :1]).all()),
    }


def _is_float(variable: Any) -> bool:
    return "float" in str(variable.dtype)


def _length(data: Any) -> int | None:
    flat = keras.tree.flatten(data) if data is not None else []
    shape = getattr(flat[0], "shape", None) if flat else None
    return int(shape[0]) if shape and shape[0] is not None else None


def _callbacks(given: Any) -> list[dict[str, object]]:
    known = ("patience", "monitor", "min_delta", "restore_best_weights", "mode")
    found = getattr(given, "callbacks", None) or keras.tree.flatten(given or [])
    return [
        {"class": type(one).__name__, **_plain({n: v for n, v in vars(one).items() if n in known})}
        for one in found
        if type(one) is not keras.callbacks.LambdaCallback
    ]
