"""Networks as programs: what one would type to build the same with Keras alone."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from typing import Any

from gatescope.errors import ConfigurationError
from gatescope.models.blueprint import INPUT, Blueprint, Row

_OURS = (
    "AttentionOverTime",
    "EfficientNetLite0",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "MaxOverTime",
    "MeanOverTime",
    "RandomRecording",
)


def keras_code(blueprint: Blueprint, model: str = "model") -> str:
    """A network as a program, a line for each layer.

    It draws the same weights: call `keras.utils.set_random_seed` before it, as before `build`.

    Args:
        blueprint: Of a configuration, or drawn by hand.
        model: The variable that the model is to be called.

    Returns:
        Lines that need `import keras` and `from keras import layers` above them.

    Raises:
        ConfigurationError: A layer is none of Keras'.

    Example:
        >>> x = NumbersInput(name="x", size=2, normalize=False)
        >>> y = OutputConfig(kind="binary", name="y")
        >>> print(keras_code(DenseConfig(inputs=(x,), outputs=(y,)).blueprint()))
        x = keras.Input(shape=(2,), dtype="float32", name="x")
        y = layers.Dense(units=1, activation="sigmoid", dtype="float32", name="y")(x)
        model = keras.Model(x, y, name="dense")
        <BLANKLINE>
    """
    called = {row.name: f"{_identifier(row.name)}" for row in blueprint.rows}
    if len({*called.values(), model}) <= len(called):  # names that differ in signs alone
        called = {name: f"{short}_{at}" for at, (name, short) in enumerate(called.items())}
    lines = [f"{called[row.name]} = {_made(row, called)}" for row in blueprint.rows]
    inputs = [called[row.name] for row in blueprint.rows if row.kind == INPUT]
    outputs = [called[name] for name in blueprint.outputs]
    given = f"{_listed(inputs)}, {_listed(outputs)}, name={quoted(blueprint.name)}"
    lines.append(f"{model} = keras.Model({given})")
    return "\n".join(lines) + "\n"


def _made(row: Row, called: Mapping[str, str]) -> str:
    """What makes the output of a layer."""
    if row.kind in _OURS:
        raise ConfigurationError(
            f"layer {row.name} is Gatescope's own {row.kind}, which Keras has not",
            "a network of Keras' layers",
            "save the model: gatescope.models.building.build(blueprint).save('model.keras')",
        )
    settings = dict(row.settings)
    name = f"name={quoted(row.name)}"
    if row.kind == INPUT:
        return f"keras.Input({_arguments(settings)}, {name})"
    given = _listed([called[each] for each in row.inputs])
    if row.kind == "Bidirectional":
        inner = f"layers.{settings.pop('layer')}({_arguments(settings)})"
        return f"layers.Bidirectional({inner}, {name})({given})"
    arguments = ", ".join(filter(None, (_arguments(settings), name)))
    return f"layers.{row.kind}({arguments})({given})"


def _arguments(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_written(value)}" for name, value in settings.items())


def _written(value: Any) -> str:
    """A setting as Python; objects of Keras stand in settings as their class and configuration."""
    if isinstance(value, Mapping) and "class_name" in value:
        return f"keras.regularizers.{value['class_name']}({_arguments(value['config'])})"
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """Any text as Python writes it, between double quotes.

    Args:
        text: Whatever it holds.

    Example:
        >>> print(quoted("a 'b'"))
        "a 'b'"
    """
    return json.dumps(text)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _identifier(name: str) -> str:
    """A variable's name for a layer's."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    taken = keyword.iskeyword(plain) or plain in ("keras", "layers")
    return f"_{plain}" if plain[0].isdigit() or taken else plain
