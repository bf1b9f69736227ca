"""Dense networks: any inputs and outputs, any depth, what they are made of.

Seed 0 throughout; shapes and counts equal Keras', losses are only compared with each other.
"""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gatescope.errors import ConfigurationError, UsageError
from gatescope.models.building import build, deep
from gatescope.models.dense import DenseConfig, dense
from gatescope.models.heads import (
    CategoryInput,
    ImageInput,
    NumbersInput,
    OutputConfig,
    SequenceInput,
    TextInput,
)
from gatescope.models.network import Depth

INPUTS = (
    NumbersInput(name="numbers", size=4, normalize=True),
    CategoryInput(name="category", categories=5, embedding=2),
    ImageInput(name="image", height=4, width=5, channels=2, rescale=True),
    TextInput(name="text", tokens=9, length=6, embedding=3),
    SequenceInput(name="sequence", length=3, features=2),
)
OUTPUTS = (
    OutputConfig(kind="number", name="number"),
    OutputConfig(kind="numbers", name="several", units=3),
    OutputConfig(kind="binary", name="binary"),
    OutputConfig(kind="classes", name="classes", units=3),
    OutputConfig(kind="labels", name="labels", units=3),
)
KINDS = [each.kind for each in INPUTS]
CLASSES = OUTPUTS[3]


def tower(depth: int, **options: object) -> DenseConfig:
    hidden = Depth(depth=depth, width=16)
    return DenseConfig(inputs=INPUTS[:1], outputs=(CLASSES,), hidden=hidden, **options)


@pytest.mark.parametrize("given", INPUTS, ids=KINDS)
def test_every_kind_of_input_alone_trains(given, train):
    # Some units of relu may be dead on so few samples; those of tanh never are.
    config = DenseConfig(inputs=(given,), outputs=(CLASSES,), hidden=(8,), activation="tanh")
    assert np.isfinite(train(config)).all()


@pytest.mark.parametrize("asked", OUTPUTS, ids=[each.kind for each in OUTPUTS])
def test_every_kind_of_output_alone_trains(asked, train):
    config = DenseConfig(inputs=INPUTS[:1], outputs=(asked,), hidden=(8,), activation="tanh")
    assert np.isfinite(train(config)).all()


def test_all_inputs_and_outputs_together_train(train):
    config = DenseConfig(
        inputs=INPUTS,
        outputs=OUTPUTS,
        hidden=(8, 8, 6),
        activation="tanh",
        normalization="layer",
        residual=True,
        dropout=0.1,
        l1=1e-5,
        l2=1e-4,
    )
    assert np.isfinite(train(config)).all()


@given(data=st.data())
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_shapes_and_counts_are_those_of_keras(check, data):
    config = DenseConfig(
        inputs=data.draw(st.lists(st.sampled_from(INPUTS), min_size=1, unique=True)),
        outputs=data.draw(st.lists(st.sampled_from(OUTPUTS), min_size=1, unique=True)),
        hidden=data.draw(st.lists(st.integers(1, 5), max_size=4)),
        activation=data.draw(st.sampled_from(["relu", "tanh", "selu", "gelu"])),
        normalization=data.draw(st.sampled_from([None, "batch", "layer"])),
        residual=data.draw(st.booleans()),
        dropout=data.draw(st.sampled_from([0.0, 0.3])),
    )
    check(config.blueprint())


def test_a_table_of_layers_needs_no_tensorflow():
    code = """
import sys
from gatescope.models.conv import BlockConfig, ConvConfig
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import ImageInput, OutputConfig
from gatescope.models.recurrent import RecurrentConfig
image = ImageInput(name="x", height=8, width=8, channels=1, rescale=True)
config = ConvConfig(inputs=(image,), blocks=(BlockConfig(filters=4),), top="average",
                    outputs=(OutputConfig(kind="classes", name="y", units=2),))
print(config.blueprint().parameters, {"tensorflow", "keras"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "50 set()\n"


def test_two_hundred_plain_layers_build(check):
    check(tower(200).blueprint())


@pytest.fixture(scope="module")
def thousand():
    """A thousand layers; 4,002 with what is between them, far beyond Python's recursion."""
    keras.utils.set_random_seed(0)
    config = tower(1000, residual=True, normalization="layer")
    return config, dense(config)


def test_a_thousand_residual_layers_build_as_predicted(thousand):
    config, model = thousand
    assert len(model.layers) == len(config.blueprint().rows) > 4000
    assert model.count_params() == config.blueprint().parameters


def test_gradients_reach_the_first_of_a_thousand_layers_and_a_step_along_them_helps(thousand):
    _, model = thousand
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(32, 4)), tf.float32)
    y = tf.cast(x[:, 0] > 0, tf.int32) + tf.cast(x[:, 1] > 0, tf.int32)

    def loss() -> tf.Tensor:
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, model([x])))

    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        before = loss()
    gradients = tape.gradient(before, weights)
    norms = {
        w.path: float(tf.norm(g)) for w, g in zip(model.trainable_weights, gradients, strict=True)
    }
    kernels = [norms[f"dense_{place}/kernel"] for place in (1, 2, 500, 1000)]
    assert min(kernels) > 1e-3 * max(kernels)
    assert np.isfinite(list(norms.values())).all()
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.assign_sub(0.05 * gradient)
    assert loss() < before


def output_of(model: keras.Model, name: str, x: np.ndarray) -> np.ndarray:
    return keras.Model(model.inputs, model.get_layer(name).output)([tf.constant(x)]).numpy()


def test_a_deep_residual_network_without_normalization_starts_as_a_shallow_one():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    model = build(tower(150, residual=True).blueprint())
    shallow, whole = (output_of(model, name, x) for name in ("dense_1", "add_150"))
    np.testing.assert_array_equal(shallow, whole)
    drawn = build(tower(150, residual=True, initializer="he_normal").blueprint())
    assert np.abs(output_of(drawn, "add_150", x)).max() > 1e9


def test_a_deep_residual_normalized_network_learns(train):
    losses = train(tower(10, residual=True, normalization="batch", activation="tanh"))
    assert losses[-1] < losses[0]


def test_a_deep_model_comes_back_from_its_file(tmp_path):
    model, limit = dense(tower(400)), 400  # in place of 1,000 each, to be quick
    model.save(tmp_path / "deep.keras")
    usual = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(limit)
        with pytest.raises(RecursionError):
            keras.models.load_model(tmp_path / "deep.keras")
        with deep(len(model.layers)):
            back = keras.models.load_model(tmp_path / "deep.keras")
        assert sys.getrecursionlimit() == limit
    finally:
        sys.setrecursionlimit(usual)
    for old, new in zip(model.weights, back.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def layers_of(config: DenseConfig) -> list[str]:
    return [row.kind for row in config.blueprint().rows][2:-1]


def test_order_of_what_a_layer_is_made_of():
    assert layers_of(tower(1)) == ["Dense"]
    norm = "LayerNormalization"
    plain = tower(1, normalization="layer", dropout=0.5)
    assert layers_of(plain) == ["Dense", norm, "Activation", "Dropout"]
    residual = tower(2, normalization="layer", dropout=0.5, residual=True)
    assert layers_of(residual) == [
        *("Dense", norm, "Activation", "Dropout", "Dense", "Add", norm, "Activation"),
    ]


def test_selu_gets_the_dropout_and_the_initializer_that_it_needs():
    dense_1, dropout_1 = tower(1, activation="selu", dropout=0.1).blueprint().rows[2:4]
    assert dense_1.settings["kernel_initializer"] == "lecun_normal"
    assert dropout_1.kind == "AlphaDropout"


def test_penalties_reach_every_kernel():
    model = build(tower(2, l1=0.5, l2=0.25).blueprint())
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    kernels = [layer.kernel.numpy() for layer in layers]  # the output's among them
    expected = [0.5 * np.abs(kernel).sum() + 0.25 * (kernel**2).sum() for kernel in kernels]
    np.testing.assert_allclose([float(loss) for loss in model.losses], expected, rtol=1e-5)


def test_outputs_stay_in_single_precision_where_the_rest_is_not():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(tower(1).blueprint())
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("dense_1").output.dtype == "bfloat16"
    assert model.output.dtype == "float32"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"activation": "glu"}, "glu cannot be the activation of a layer by its name alone"),
        ({"initializer": "zeros"}, "zeros draws nothing at random"),
        ({"outputs": (OutputConfig(kind="number", name="numbers"),)}, "are called numbers"),
        ({"inputs": ()}, "at least 1 item"),
        ({"depth": 3}, "Extra inputs are not permitted"),
        ({"dropout": 1.0}, "less than 1"),
    ],
)
def test_a_network_that_cannot_be_is_refused(options, told):
    with pytest.raises(ValidationError, match=told):
        DenseConfig(**{"inputs": INPUTS[:1], "outputs": (CLASSES,), **options})


def test_sequences_of_any_length_are_not_for_dense_layers():
    given = SequenceInput(name="steps", length=None, features=2)
    with pytest.raises(ConfigurationError) as caught:
        dense(DenseConfig(inputs=(given,), outputs=(CLASSES,)))
    assert "layer steps_flat: it gets ?×2, whose length is open" in str(caught.value)
    assert "let recurrent() read it" in caught.value.fix


def test_an_input_with_the_name_of_a_layer_is_refused():
    given = NumbersInput(name="dense_1", size=2, normalize=False)
    with pytest.raises(ConfigurationError, match="two layers are called 'dense_1'"):
        dense(DenseConfig(inputs=(given,), outputs=(CLASSES,), hidden=(3,)))


def test_each_layer_may_have_an_activation_of_its_own():
    config = DenseConfig(
        inputs=INPUTS[:1], outputs=(CLASSES,), hidden=(4, 3, 2), dropout=0.1,
        activations=("relu", "tanh", "SELU"),
    )  # fmt: skip
    rows = {row.name: row for row in config.blueprint().rows}
    found = [rows[f"dense_{place}"].settings for place in (1, 2, 3)]
    assert [each["activation"] for each in found] == ["relu", "tanh", "selu"]
    starts = [each["kernel_initializer"] for each in found]
    assert starts == ["he_normal", "glorot_uniform", "lecun_normal"]
    assert [rows[f"dropout_{place}"].kind for place in (1, 2, 3)] == [
        "Dropout", "Dropout", "AlphaDropout",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": (4, 3), "activations": ("relu",)}, "2 dense layers have 1 activation"),
        ({"hidden": (4,), "activations": ("relu",), "residual": True}, "residual"),
        ({"hidden": (4,), "activations": ("rleu",)}, "rleu"),
    ],
)
def test_activations_that_do_not_fit_are_refused(given, message):
    with pytest.raises((ValidationError, UsageError), match=message):
        DenseConfig(inputs=INPUTS[:1], outputs=(CLASSES,), **given)
