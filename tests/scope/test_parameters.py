"""Parameters against Keras, multiply-adds against TensorFlow's profiler and by hand, comparisons
against the entries of Jacobians, and what can be wrong."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import gatescope as gs
from gatescope.errors import UsageError
from gatescope.scope.costs import runs
from gatescope.scope.parameters_view import LayerCost, Parameters, Saved


def stack(shape: tuple[int | None, ...], *parts: keras.Layer, **options: object) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *parts], **options)


def only(found: Parameters, kind: str) -> LayerCost:
    (row,) = [row for row in found.layers if row.kind == kind]
    return row


def lenet() -> keras.Model:
    return stack(
        (32, 32, 1),
        layers.Conv2D(6, 5, activation="tanh", name="C1"),
        layers.AveragePooling2D(2, name="S2"),
        layers.Conv2D(16, 5, activation="tanh", name="C3"),
        layers.AveragePooling2D(2, name="S4"),
        layers.Flatten(name="flat"),
        layers.Dense(120, activation="tanh", name="C5"),
        layers.Dense(84, activation="tanh", name="F6"),
        layers.Dense(10, name="output"),
        name="lenet",
    )


def residual() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    block = layers.Conv2D(4, 3, strides=2, padding="same", name="block")(inputs)
    block = layers.BatchNormalization(name="norm")(block)
    shortcut = layers.Conv2D(4, 1, strides=2, name="shortcut")(inputs)
    total = layers.Add()([block, shortcut])
    after = layers.Conv2D(5, 3, name="after")(total)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D(name="gap")(after)))


def nested() -> keras.Model:
    inner = stack((8, 8, 3), layers.Conv2D(4, 3, name="conv"), layers.MaxPooling2D(2), name="inner")
    return stack((8, 8, 3), inner, layers.Flatten(), layers.Dense(2, name="dense"))


def siamese() -> keras.Model:
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    shared = layers.Dense(4, name="shared")
    return keras.Model([left, right], layers.Concatenate()([shared(left), shared(right)]))


class Block(layers.Layer):
    """A layer of a user's: weights of its own, layers inside, in a list and alone."""

    def __init__(self, units: int, **options: object) -> None:
        super().__init__(**options)
        self.dense, self.more = layers.Dense(units), [layers.Dense(units, use_bias=False)]

    def build(self, shape: tuple[int, ...]) -> None:
        self.dense.build(shape)
        self.more[0].build((*shape[:-1], self.dense.units))
        self.mix = self.add_weight(shape=(self.dense.units, 3), name="mix")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.more[0](self.dense(x)) @ self.mix


class Branching(keras.Model):
    """A subclassed model that uses one layer twice and is a function inside."""

    def __init__(self) -> None:
        super().__init__(name="branching")
        self.conv, self.block = layers.Conv2D(4, 3, padding="same"), Block(5)

    @tf.function
    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.block(self.conv(self.conv(x)))


def branching() -> keras.Model:
    model = Branching()
    model(tf.zeros((2, 8, 8, 4)))
    return model


class OwnConv(layers.Conv2D):
    """A subclass of one of Keras' layers."""


def attention() -> keras.Model:
    words = keras.Input((7, 8))
    heads = layers.MultiHeadAttention(2, 4)(words, words)
    return keras.Model(words, layers.LayerNormalization()(layers.Add()([words, heads])))


def recurrent() -> keras.Model:
    return stack(
        (9,),
        layers.Embedding(50, 6, mask_zero=True),
        layers.LSTM(5, return_sequences=True),
        layers.Bidirectional(layers.GRU(4, return_sequences=True)),
        layers.SimpleRNN(3),
    )


KINDS = {
    "lenet": lenet,
    "residual": residual,
    "nested": nested,
    "siamese": siamese,
    "branching": branching,
    "attention": attention,
    "recurrent": recurrent,
    "subclassed layer": lambda: stack((8, 8, 3), OwnConv(4, 3)),
    "conv1d": lambda: stack((9, 3), layers.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    "conv3d": lambda: stack((5, 6, 7, 2), layers.Conv3D(3, 2)),
    "dilated": lambda: stack((9, 9, 2), layers.Conv2D(3, 3, dilation_rate=2)),
    "grouped": lambda: stack((8, 8, 4), layers.Conv2D(6, 3, groups=2, padding="same")),
    "depthwise": lambda: stack((8, 8, 4), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "separable": lambda: stack((8, 8, 4), layers.SeparableConv2D(5, 3), layers.Dropout(0.5)),
    "separable1d": lambda: stack((8, 4), layers.SeparableConv1D(5, 3)),
    "transposed": lambda: stack((5, 5, 3), layers.Conv2DTranspose(4, 3, strides=2)),
    "time": lambda: stack((4, 8, 8, 1), layers.TimeDistributed(layers.Conv2D(3, 3))),
    "convlstm": lambda: stack((4, 6, 6, 2), layers.ConvLSTM2D(3, 3)),
    "norms": lambda: stack((8, 6), layers.GroupNormalization(2), layers.PReLU()),
    "einsum": lambda: stack((8, 6), layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")),
    "spectral": lambda: stack((6,), layers.SpectralNormalization(layers.Dense(3))),
    "regularized": lambda: stack((6,), layers.Dense(3, activity_regularizer="l2")),
    "cells": lambda: stack((7, 3), layers.RNN([layers.LSTMCell(4), layers.GRUCell(5)])),
}


@pytest.mark.parametrize("kind", KINDS)
def test_keras_counts_the_same_parameters(kind: str) -> None:
    model = KINDS[kind]()
    found = gs.parameters(model)
    assert found.parameters == model.count_params()
    trainable = sum(np.prod(weight.shape, dtype=int) for weight in model.trainable_weights)
    assert found.trainable_parameters == trainable
    assert found.multiply_adds is not None


PROFILED = ("lenet", "residual", "nested", "siamese", "grouped", "depthwise", "separable")


@pytest.mark.parametrize("kind", [*PROFILED, "einsum", "conv3d", "time", "separable1d"])
def test_the_profiler_counts_twice_as_many_operations(kind: str) -> None:
    model = KINDS[kind]()
    found = gs.parameters(model)
    inputs = [tf.TensorSpec((1, *one.shape[1:]), one.dtype) for one in model.inputs]
    tf.config.run_functions_eagerly(True)  # or it does not see into a grouped convolution
    try:
        function = tf.function(lambda *x: model(list(x) if len(x) > 1 else x[0]))
        graph = function.get_concrete_function(*inputs).graph
    finally:
        tf.config.run_functions_eagerly(False)
    assert 2 * found.multiply_adds == profiled(graph)


def profiled(graph: tf.Graph) -> int:
    """Floating-point operations of products, as TensorFlow registers them for each kind of op."""
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    options["account_type_regexes"] = [".*(MatMul|Conv).*"]
    options["start_name_regexes"] = [".*"]
    count = 0
    for node in profiler.profile(graph, cmd="op", options=options).children:
        count += _of(node)
    return count


def _of(node: object) -> int:
    mine = node.float_ops if re.search("MatMul|Conv", node.name) else 0
    return mine + sum(map(_of, node.children))


def test_lenet_by_hand() -> None:
    found = gs.parameters(lenet())
    rows = {row.name: row for row in found.layers}
    # LeCun et al. 1998: C1 has 156 parameters and 122,304 connections.
    c1 = rows["C1"]
    assert (c1.parameters, c1.unshared_parameters) == (156, 122_304)
    assert c1.multiply_adds == 28 * 28 * 6 * 25
    assert c1.dense_parameters == (32 * 32 + 1) * 28 * 28 * 6
    assert c1.dense_multiply_adds == 32 * 32 * 28 * 28 * 6
    # Here C3 sees all of S2; the paper's sees part of it.
    assert rows["C3"].multiply_adds == 10 * 10 * 16 * 25 * 6
    assert rows["F6"].parameters == rows["F6"].unshared_parameters == 84 * 121
    assert rows["S2"].unshared_parameters is rows["S2"].dense_parameters is None
    assert found.multiply_adds == 117_600 + 240_000 + 48_000 + 10_080 + 840
    assert found.unshared_parameters == 122_304 + 10 * 10 * 16 * 151 + 48_120 + 10_164 + 850


def test_what_pooling_saves_in_lenet_by_hand() -> None:
    s2, s4 = gs.parameters(lenet()).reductions
    # Without S2, C3 makes 24 × 24 positions, S4 keeps 12 × 12, and C5 sees 2,304 numbers.
    wider = 16 * (12 * 12 - 5 * 5) * 120
    assert (s2.layers, s2.positions, s2.kept) == (("S2",), 28 * 28, 14 * 14)
    assert s2.saved == Saved((24 * 24 - 10 * 10) * 16 * 150 + wider, wider)
    wider = 16 * (10 * 10 - 5 * 5) * 120
    assert s4.saved == Saved(wider, wider)
    wider = 16 * (24 * 24 - 5 * 5) * 120
    both = Saved((24 * 24 - 10 * 10) * 16 * 150 + wider, wider)
    assert gs.parameters(lenet()).saved_by_all == both


def test_strides_side_by_side_are_left_out_together() -> None:
    block, gap = gs.parameters(residual()).reductions
    assert block.layers == ("block", "shortcut")
    # The layers themselves are not what comes after them; Dense sees 5 averages either way.
    assert block.saved == Saved((14 * 14 - 6 * 6) * 5 * 9 * 4, 0)
    assert gap.layers == ("gap",)
    assert gap.saved == Saved((36 - 1) * 5 * 2, (36 - 1) * 5 * 2)


def test_pooling_inside_a_nested_model() -> None:
    (pooling,) = gs.parameters(nested()).reductions
    assert pooling.layers[0].startswith("inner/max_pooling2d")
    assert pooling.saved == Saved((36 - 9) * 4 * 2, (36 - 9) * 4 * 2)


def test_a_reduction_that_the_rest_needs_has_no_saving() -> None:
    fixed = (layers.MaxPooling2D(2), layers.Reshape((48,)), layers.Dense(2))
    found = gs.parameters(stack((8, 8, 3), *fixed))
    assert [one.saved for one in found.reductions] == [None]


class Repeated(layers.Layer):
    """A layer of a user's that calls another in a loop, once for each position."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.dense = layers.Dense(shape[-1], use_bias=False, name="dense")
        self.dense.build((None, shape[-1]))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        turns = x.shape[1]
        more, turn = (lambda i, y: i < turns), (lambda i, y: (i + 1, self.dense(y)))
        return tf.while_loop(more, turn, (0, x[:, 0]), maximum_iterations=turns)[1]


class Spare(layers.Layer):
    """A layer of a user's that computes more than it needs."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.used, self.spare = layers.Dense(4), layers.Dense(50)
        self.used.build(shape)
        self.spare.build((*shape[:-1], 4))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = self.used(x)
        self.spare(y)
        return y


def test_a_loop_turns_more_often_without_pooling() -> None:
    found = gs.parameters(stack((12, 3), layers.MaxPooling1D(3), Repeated()))
    assert found.multiply_adds == 4 * 9
    assert found.saved_by_all == Saved((12 - 4) * 9, 0)


def test_what_no_output_needs_is_not_counted() -> None:
    pooled = (layers.MaxPooling1D(2), Spare(), layers.GlobalAveragePooling1D(), layers.Dense(2))
    found = gs.parameters(stack((8, 3), *pooled))
    assert found.multiply_adds == 4 * 3 * 4 + 4 * 2
    assert found.reductions[0].saved == Saved(4 * 3 * 4, 0)


def transformer() -> keras.Model:
    image = keras.Input((16, 16, 3))
    patches = layers.Conv2D(8, 4, strides=4, name="patches")(image)
    patches = layers.Reshape((-1, 8))(patches)
    heads = layers.MultiHeadAttention(2, 4)(patches, patches)
    words = layers.LayerNormalization()(layers.Add()([patches, heads]))
    return keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling1D()(words)))


def masked() -> keras.Model:
    return stack(
        (12,),
        layers.Embedding(30, 6, mask_zero=True),
        layers.LSTM(5, return_sequences=True),
        layers.AveragePooling1D(2),
        layers.GRU(4, return_sequences=True),
        layers.MaxPooling1D(3),
        layers.LSTM(3),
    )


SAVING = {
    "lenet": lenet,
    "residual": residual,
    "nested": nested,
    "transformer": transformer,
    "masked": masked,
    "called twice": lambda: stack(
        (16, 16, 3), conv := layers.Conv2D(3, 3, padding="same"), layers.MaxPooling2D(2), conv
    ),
    "dilated": lambda: stack(
        (20, 20, 3), layers.Conv2D(4, 3, strides=2), layers.SeparableConv2D(5, 3, dilation_rate=2)
    ),
    "loop": lambda: stack((12, 3), layers.MaxPooling1D(3), layers.MaxPooling1D(2), Repeated()),
}


@pytest.mark.filterwarnings("ignore:Layer .* mask attached")
@pytest.mark.parametrize("kind", SAVING)
def test_what_is_remembered_of_a_run_before_is_what_would_be_counted(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SAVING[kind]()
    found = gs.parameters(model)
    assert found.saved_by_all is not None
    monkeypatch.setattr(runs, "fingerprint", lambda structure: None)  # remembers nothing
    assert gs.parameters(model) == found


def test_a_layer_is_run_once_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    model, shapes = lenet(), []
    call = layers.Conv2D.call
    watched = lambda self, x: (shapes.append((self.name, x.shape[1])), call(self, x))[1]  # noqa: E731
    monkeypatch.setattr(layers.Conv2D, "call", watched)
    gs.parameters(model)
    assert shapes == [("C1", 32), ("C3", 14), ("C3", 28)]


def test_pooling_that_keeps_every_position_saves_nothing() -> None:
    same = layers.MaxPooling2D(3, strides=1, padding="valid")
    assert gs.parameters(stack((8, 8, 3), same)).reductions == ()


LINEAR = {
    "conv1d": lambda: stack((9, 3), layers.Conv1D(4, 3)),
    "dilated": lambda: stack((9, 9, 2), layers.Conv2D(3, 3, dilation_rate=2)),
    "strided": lambda: stack((9, 9, 2), layers.Conv2D(3, 3, strides=2)),
    "grouped": lambda: stack((8, 8, 4), layers.Conv2D(6, 3, groups=2)),
    "depthwise": lambda: stack((8, 8, 4), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "conv3d": lambda: stack((4, 4, 4, 2), layers.Conv3D(3, 2)),
    "transposed": lambda: stack((5, 5, 3), layers.Conv2DTranspose(4, 3)),
    "sequence": lambda: stack((5, 3), layers.Dense(4)),
    "dense": lambda: stack((6,), layers.Dense(4)),
}


@pytest.mark.parametrize("kind", LINEAR)
def test_without_sharing_there_is_a_weight_for_each_entry_of_the_jacobian(kind: str) -> None:
    """Each output needs one weight for each input that it depends on, and a bias."""
    model = LINEAR[kind]()
    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    x = tf.ones((1, *model.input_shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x)
    jacobian = tape.jacobian(y, x).numpy()
    (row,) = gs.parameters(model).layers
    connections = np.abs(jacobian).astype(int).sum() if kind == "transposed" else 0
    connections = connections or np.count_nonzero(jacobian)
    assert row.multiply_adds == connections
    assert row.unshared_parameters == connections + y.numpy().size
    assert row.dense_parameters == (x.numpy().size + 1) * y.numpy().size


def test_recurrent_layers_cost_a_step_for_each_time_step() -> None:
    found = gs.parameters(recurrent())
    lstm, gru, plain = (only(found, kind) for kind in ("LSTM", "Bidirectional", "SimpleRNN"))
    assert lstm.steps == gru.steps == plain.steps == 9
    assert lstm.multiply_adds == 9 * 4 * 5 * (6 + 5)
    assert gru.multiply_adds == 9 * 2 * 3 * 4 * (5 + 4)
    assert plain.multiply_adds == 9 * 3 * (8 + 3)
    for layer in (lstm, gru, plain):
        assert layer.unshared_parameters == 9 * layer.parameters
    assert lstm.dense_parameters == (9 * 6 + 1) * 9 * 5
    assert plain.dense_parameters == (9 * 8 + 1) * 3
    assert f"{lstm.name}: 9 time steps of 220 multiply-adds" in str(found)


def test_an_unrolled_recurrence_costs_the_same() -> None:
    loop, unrolled = (
        only(gs.parameters(stack((9, 6), layers.LSTM(5, unroll=unroll))), "LSTM")
        for unroll in (False, True)
    )
    assert loop.multiply_adds == unrolled.multiply_adds
    assert loop.unshared_parameters == unrolled.unshared_parameters


def test_an_embedding_looks_up_and_multiplies_nothing() -> None:
    embedding = only(gs.parameters(recurrent()), "Embedding")
    assert (embedding.parameters, embedding.multiply_adds) == (300, 0)
    assert embedding.unshared_parameters == 9 * 300  # a table for each position
    assert embedding.dense_parameters == 9 * 50 * 9 * 6  # from one-hot words to all features


def test_attention_by_hand() -> None:
    heads = only(gs.parameters(attention()), "MultiHeadAttention")
    projections, scores = 4 * 7 * 8 * 8, 2 * 2 * 7 * 7 * 4
    assert heads.multiply_adds == projections + scores
    assert heads.unshared_parameters == 7 * heads.parameters


def test_a_shared_layer_is_one_row_with_all_its_work() -> None:
    shared = only(gs.parameters(siamese()), "Dense")
    assert (shared.calls, shared.parameters, shared.multiply_adds) == (2, 28, 48)
    assert shared.unshared_parameters == 2 * 28
    assert "shared ×2" in str(gs.parameters(siamese()))


def test_layers_of_a_users_own_are_rows_with_what_is_theirs() -> None:
    found = gs.parameters(branching())
    rows = {row.name: row for row in found.layers}
    (block,) = [row for row in found.layers if row.kind == "Block"]
    assert (block.parameters, block.multiply_adds) == (15, 64 * 15)
    assert block.unshared_parameters == 64 * 15
    assert block.dense_parameters is None  # layers inside it are between its ends
    dense = [row for row in found.layers if row.kind == "Dense"]
    assert [row.parameters for row in dense] == [25, 25]
    assert all(row.name.startswith(f"{block.name}/") for row in dense)
    assert [row.calls for row in rows.values() if row.kind == "Conv2D"] == [2]


class Scaled(layers.Layer):
    """Element-wise weights, which are no connections that Gatescope knows."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.scale = self.add_weight(shape=(shape[-1],))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x * self.scale


@pytest.mark.parametrize(
    "layer", [Scaled(), layers.BatchNormalization(), layers.LayerNormalization(), layers.PReLU()]
)
def test_a_layer_that_is_not_understood_has_no_comparison(layer: keras.Layer) -> None:
    found = gs.parameters(stack((8, 3), layer))
    (row,) = found.layers
    assert row.parameters == layer.count_params()
    assert row.unshared_parameters is row.dense_parameters is row.dense_multiply_adds is None
    assert found.unshared_parameters == row.parameters
    assert "–: cannot be told" in str(found)


class Hidden(layers.Layer):
    """Work that does not show in a graph."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = tf.numpy_function(lambda a: a @ a, [x], tf.float32)
        return tf.ensure_shape(y, x.shape)


class Endless(layers.Layer):
    """A loop that nobody knows the end of."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        condition = lambda y: tf.reduce_sum(y) < 3  # noqa: E731
        return tf.while_loop(condition, lambda y: y @ tf.ones((3, 3)), [x])[0]


@pytest.mark.parametrize("layer", [Hidden(), Endless()])
def test_work_that_cannot_be_counted_is_not_given_a_number(layer: keras.Layer) -> None:
    found = gs.parameters(stack((3,), layer, layers.Dense(2)))
    assert found.layers[0].multiply_adds is None
    assert found.multiply_adds is None
    assert "– multiply-adds for one sample" in str(found)


def test_a_weight_of_two_layers_counts_once() -> None:
    inputs = keras.Input((5,))
    embedding = layers.ReversibleEmbedding(20, 4)
    model = keras.Model(inputs, embedding(embedding(inputs), reverse=True))
    found = gs.parameters(model)
    assert found.parameters == model.count_params()


@pytest.mark.parametrize("kind", ["residual", "recurrent", "regularized", "separable"])
def test_nothing_changes(kind: str) -> None:
    model = KINDS[kind]()
    call, seeds = keras.layers.Layer.__call__, [v.numpy().copy() for v in model.variables]
    gs.parameters(model)
    gs.parameters(model)
    assert keras.layers.Layer.__call__ is call
    assert not tf.config.functions_run_eagerly()
    for before, after in zip(seeds, model.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    assert all(isinstance(loss, tf.Tensor) and loss.shape == () for loss in model.losses)
    layers.Dense(2).build((None, 3))  # a layer made later has its weights at once
    model(np.zeros((1, *model.input_shape[1:]), np.float32))


def test_sizes_left_open_are_taken_from_the_call() -> None:
    model = stack((None, None, 3), layers.Conv2D(4, 3))
    assert gs.parameters(model, input_shape=(10, 12, 3)).multiply_adds == 8 * 10 * 4 * 27
    assert gs.parameters(model, input_shape=[10, 12, 3]).multiply_adds == 8 * 10 * 4 * 27
    assert gs.parameters(model, np.zeros((5, 10, 12, 3))).multiply_adds == 8 * 10 * 4 * 27
    assert gs.parameters(branching(), input_shape=(4, 4, 4)).input_shapes == ((4, 4, 4),)


def test_several_inputs_by_place_by_name_or_as_a_batch() -> None:
    left, right = keras.Input((None, 2), name="left"), keras.Input((3,), name="right")
    model = keras.Model([left, right], [layers.Dense(1)(left), layers.Dense(1)(right)])
    for given in ([(4, 2), (3,)], {"right": (3,), "left": (4, 2)}):
        assert gs.parameters(model, input_shape=given).input_shapes == ((4, 2), (3,))
    found = gs.parameters(model, [np.zeros((1, 4, 2)), np.zeros((1, 3))])
    assert found.multiply_adds == 4 * 2 + 3
    named = keras.Model({"left": left, "right": right}, layers.Dense(1)(left))
    assert gs.parameters(named, input_shape={"left": (4, 2), "right": (3,)}).multiply_adds == 8


class Pair(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="pair")
        self.dense = layers.Dense(3)

    def call(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return self.dense(a) + self.dense(b)


def test_a_call_with_several_arguments() -> None:
    model = Pair()
    a, b = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    model(a, b)
    assert gs.parameters(model, (a, b)).multiply_adds == 2 * 4 * 3


def test_mixed_precision_counts_the_same() -> None:
    layer = layers.Conv2D(4, 3, dtype="mixed_bfloat16")
    (row,) = gs.parameters(stack((8, 8, 3), layer)).layers
    assert (row.parameters, row.unshared_parameters) == (112, 36 * 112)


def test_channels_first() -> None:
    options = {"data_format": "channels_first"}
    conv, pooling = layers.Conv2D(4, 3, **options), layers.MaxPooling2D(2, **options)
    found = gs.parameters(stack((3, 8, 8), conv, pooling, layers.Flatten(), layers.Dense(2)))
    assert found.layers[0].multiply_adds == 36 * 4 * 27
    assert [(one.positions, one.kept) for one in found.reductions] == [(36, 9)]


def test_the_table() -> None:
    assert str(gs.parameters(lenet())) == TABLE.strip("\n")


TABLE = """
lenet: 61,706 parameters (0 not trainable), 416,520 multiply-adds for one sample of shape \
(32, 32, 1)

layer   kind              output        parameters  multiply-adds  unshared      dense
C1      Conv2D            28 × 28 × 6          156        117,600   122,304  4,821,600
S2      AveragePooling2D  14 × 14 × 6            0              0         –          –
C3      Conv2D            10 × 10 × 16       2,416        240,000   241,600  1,883,200
S4      AveragePooling2D  5 × 5 × 16             0              0         –          –
flat    Flatten           400                    0              0         –          –
C5      Dense             120               48,120         48,000    48,120     48,120
F6      Dense             84                10,164         10,080    10,164     10,164
output  Dense             10                   850            840       850        850
total                                       61,706        416,520   423,038  6,763,934

without       positions  kept  multiply-adds saved  parameters saved
S2                  784   196            1,370,880           228,480
S4                  100    25              144,000           144,000
all of these          –     –            2,200,320         1,057,920

multiply-adds: in matrix products and convolutions; element-wise work is not counted
unshared: parameters if each connection had its own weight (locally connected)
dense: parameters if each output of the layer saw each of its inputs
saved: what the other layers would cost more if all positions were kept
"""


def test_the_table_for_notebooks_and_the_dict() -> None:
    model = stack((8,), layers.Dense(2, name="a>b"))
    found = gs.parameters(model)
    assert "a&gt;b" in found._repr_html_()
    assert "<table" in found._repr_html_()
    data = json.loads(json.dumps(gs.parameters(lenet()).to_dict()))
    assert data["multiply_adds"] == 416_520
    assert data["layers"][0]["unshared_parameters"] == 122_304
    assert data["reductions"][1]["saved"] == {"multiply_adds": 144_000, "parameters": 144_000}


def refused(model: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(UsageError) as caught:
        gs.parameters(model, *args, **kwargs)
    return str(caught.value)


def test_what_is_no_model() -> None:
    text = refused("model.keras")
    assert "str is not a Keras model" in text
    assert "keras.saving.load_model" in text
    assert "keras.Sequential([keras.Input(shape), layer])" in refused(layers.Dense(2))


def test_a_model_that_is_not_built() -> None:
    text = refused(keras.Sequential([layers.Dense(2)], name="later"))
    assert "the model 'later' is not built: it has no weights yet" in text
    assert "start a Sequential with keras.Input(shape)" in text


@pytest.mark.filterwarnings("ignore:`build..` was called")
def test_a_model_whose_layers_are_not_built() -> None:
    model = Branching()
    model.build((None, 8, 8, 4))  # which marks it as built and makes no weight
    text = refused(model)
    assert re.match(r"the layer 'conv2d\w*' is not built: it has no weights yet", text)
    assert not model.conv.built


def test_sizes_that_are_left_open() -> None:
    model = stack((None, None, 3), layers.Conv2D(4, 3), name="open")
    text = refused(model)
    assert "the input of 'open' leaves its size open: (?, ?, 3)" in text
    assert "multiply-adds depend on them" in text
    assert "input_shape=(…)" in text


class Restless(keras.Model):
    def build(self, shape: object = None) -> None:
        self.built = True


def test_a_model_that_kept_no_input() -> None:
    model = Restless(name="restless")
    model.built = True
    assert "the input of 'restless' leaves its size open: unknown" in refused(model)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (None, 8, 8, 3), (1, 8, 8, 3)])
def test_a_shape_that_does_not_fit(shape: tuple[int, ...]) -> None:
    model = stack((None, None, 3), layers.Conv2D(4, 3), name="rgb")
    text = refused(model, input_shape=shape)
    if None in shape:
        assert f"input_shape={shape!r} is no shape" in text
    else:
        assert f"input_shape={shape!r} does not fit the inputs of 'rgb'" in text
        assert "expected: (?, ?, 3) for " in text
        assert "without the batch axis" in text


@pytest.mark.parametrize("shape", [0, (), (0, 3), (2.5,), "8,8,3", {"left": "x"}])
def test_what_is_no_shape(shape: object) -> None:
    text = refused(stack((8, 8, 3), layers.Conv2D(4, 3)), input_shape=shape)
    assert "input_shape=" in text
    assert "fix: " in text


def test_wrong_names_of_inputs() -> None:
    text = refused(siamese(), input_shape={"left": (6,), "write": (6,)})
    assert "expected: (6,) for left, (6,) for right" in text


def test_batch_and_shape_at_once() -> None:
    text = refused(lenet(), np.zeros((1, 32, 32, 1)), input_shape=(32, 32, 1))
    assert "both batch and input_shape were given" in text


def test_a_single_number_is_no_batch() -> None:
    text = refused(lenet(), 3.0)
    assert "the batch holds 3.0, which has no axis for samples" in text
    assert "gs.parameters(model, x[:1])" in text


def test_no_arrays_at_all() -> None:
    text = refused(lenet(), object())
    assert re.match("the batch holds <object .*, which has no axis for samples", text)


@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (2, 32, 32, 3), (2, 32)])
def test_a_batch_of_the_wrong_shape(shape: tuple[int, ...]) -> None:
    text = refused(lenet(), np.zeros(shape))
    assert f"'lenet' does not run as a graph on one sample of shape {shape[1:]}: " in text
    assert re.search("expected: |incompatible|must be", text)
    assert "gs.parameters(model, batch) with a batch that model(batch) takes" in text
