"""Networks as programs: what they build has the weights that the library's builder draws."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from keras import layers

from gatescope.errors import ConfigurationError
from gatescope.models.blueprint import Blueprint
from gatescope.models.building import build
from gatescope.models.code import keras_code
from gatescope.models.conv import BlockConfig, ConvConfig
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import ImageInput, NumbersInput, OutputConfig, SequenceInput, TextInput
from gatescope.models.recurrent import RecurrentConfig

NUMBERS = NumbersInput(name="numbers", size=4, normalize=False)
CLASSES = OutputConfig(kind="classes", name="kind", units=3)
CONFIGS = {
    "dense": DenseConfig(
        inputs=(NUMBERS,), outputs=(CLASSES,), hidden=(5, 4), activations=("selu", "tanh"),
        normalization="batch", dropout=0.2, l1=0.1, l2=0.2,
    ),
    "residual": DenseConfig(
        inputs=(NUMBERS, NumbersInput(name="more.numbers", size=2, normalize=False)),
        outputs=(CLASSES, OutputConfig(kind="number", name="size")), hidden=(5, 5), residual=True,
    ),
    "conv": ConvConfig(
        inputs=(ImageInput(name="x", height=8, width=8, channels=1, rescale=True),),
        blocks=(BlockConfig(filters=4),), top="average", outputs=(CLASSES,),
    ),
    "recurrent": RecurrentConfig(
        inputs=(SequenceInput(name="x", length=6, features=2),), outputs=(CLASSES,), cell="lstm",
        units=(3,), bidirectional=True,
    ),
}  # fmt: skip


def run(code):
    names = {"keras": keras, "layers": layers}
    exec(code, names)  # noqa: S102
    return names["model"]


def told(layer):
    """What a layer is; Keras counts on in the names that it gives to inner ones."""
    return re.sub(r"lstm(_\d+)?'", "lstm'", str(layer.get_config()))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_program_builds_the_same_network(name):
    blueprint = CONFIGS[name].blueprint()
    keras.utils.set_random_seed(5)
    ours = build(blueprint)
    keras.utils.set_random_seed(5)
    theirs = run(keras_code(blueprint))
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert [told(layer) for layer in ours.layers] == [told(layer) for layer in theirs.layers]


@pytest.mark.parametrize("name", ["class", "1st", "keras", "model", "x.y", 'quo"te'])
def test_any_name_becomes_a_variable(name):
    blueprint = Blueprint("net")
    blueprint.layer("Dense", name, blueprint.input("x_y", (2,)), units=1)
    blueprint.outputs.append(name)
    assert run(keras_code(blueprint)).layers[-1].name == name


def test_a_layer_that_keras_has_not_is_refused():
    text = TextInput(name="text", tokens=9, length=4, embedding=2)
    drawn = DenseConfig(inputs=(text,), outputs=(CLASSES,)).blueprint()
    with pytest.raises(ConfigurationError, match="MeanOverTime"):
        keras_code(drawn)
