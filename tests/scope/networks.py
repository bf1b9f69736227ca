"""Networks of every kind, small, each compiled and with one batch: what traces are tested on.

    for name, build in NETWORKS.items():
        network = build()
        gs.trace(network.model, network.x, network.y)

Each name says what is special about it. What they draw comes from a fixed seed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

BATCH = 4


class Network(NamedTuple):
    """A compiled model with a batch; `loss` is None where the model has a loss of its own."""

    model: keras.Model
    x: Any
    y: Any
    loss: Any


NETWORKS: dict[str, Callable[[], Network]] = {}


def _network(build: Callable[[], Network]) -> Callable[[], Network]:
    def seeded() -> Network:
        keras.utils.clear_session(free_memory=False)  # so that names are the same every time
        keras.utils.set_random_seed(7)
        return build()

    NETWORKS[build.__name__] = seeded
    return seeded


def _compiled(
    model: keras.Model, x: Any, y: Any, loss: Any, optimizer: str = "adam", **settings: Any
) -> Network:
    model.compile(optimizer=optimizer, loss=loss, **settings)
    model(x)
    return Network(model, x, y, loss)


def _numbers(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(BATCH, *shape)).astype("float32")


def _whole(below: int, *shape: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, below, (BATCH, *shape)).astype("int32")


def _sequential(*parts: layers.Layer, shape: tuple[int | None, ...]) -> keras.Sequential:
    return keras.Sequential([keras.Input(shape), *parts])


@_network
def dense() -> Network:
    model = _sequential(
        layers.Dense(8, activation="relu"),
        layers.Dense(6, activation="tanh"),
        layers.Dense(3, activation="softmax"),
        shape=(5,),
    )
    return _compiled(model, _numbers(5), _whole(3), "sparse_categorical_crossentropy", "sgd")


@_network
def several_inputs_and_outputs() -> Network:
    wide, deep = keras.Input((4,), name="wide"), keras.Input((6,), name="deep")
    hidden = layers.Dense(5, activation="gelu", name="hidden")(deep)
    merged = layers.Concatenate(name="merged")([wide, hidden])
    outputs = {
        "price": layers.Dense(1, name="price")(merged),
        "kind": layers.Dense(3, name="kind")(merged),
    }
    x = {"wide": _numbers(4), "deep": _numbers(6, seed=3)}
    y = {"price": _numbers(1, seed=4), "kind": _whole(3)}
    loss = {
        "price": keras.losses.Huber(),
        "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }
    model = keras.Model({"wide": wide, "deep": deep}, outputs)
    model.compile(optimizer="rmsprop", loss=loss, loss_weights={"price": 2.0, "kind": 0.5})
    return Network(model, x, y, None)


class PythonLoop(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.again = layers.Dense(5, activation="tanh", name="again")
        self.last = layers.Dense(1, name="last")

    def call(self, x_BF: Any) -> Any:
        for _ in range(3):
            x_BF = x_BF + self.again(x_BF)
        return self.last(x_BF)


@_network
def python_loop() -> Network:
    return _compiled(PythonLoop(), _numbers(5), _numbers(1, seed=3), "mse", metrics=["mae"])


@_network
def nested() -> Network:
    inner = _sequential(layers.Dense(6, activation="elu"), layers.Dense(4), shape=(5,))
    middle = _sequential(inner, layers.LeakyReLU(), shape=(5,))
    model = _sequential(middle, layers.Dense(2, activation="sigmoid"), shape=(5,))
    y = _whole(2, 2).astype("float32")
    return _compiled(model, _numbers(5), y, "binary_crossentropy", "sgd")


@_network
def siamese() -> Network:
    left, right = keras.Input((6,)), keras.Input((6,))
    encoder = _sequential(layers.Dense(5, activation="relu"), layers.Dense(4), shape=(6,))
    encoder.name = "encoder"
    near = layers.Dot(axes=1, normalize=True)([encoder(left), encoder(right)])
    model = keras.Model([left, right], near)
    return _compiled(model, [_numbers(6), _numbers(6, seed=3)], _whole(2), "hinge")


class OwnOperations(layers.Layer):
    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, x_BTF: Any) -> Any:
        mixed_BTK = tf.einsum("btf,fk->btk", x_BTF, self.kernel)
        bent_BTK = tf.where(mixed_BTK > 0, tf.math.log1p(tf.abs(mixed_BTK)), tf.sin(mixed_BTK))
        return tf.math.reduce_logsumexp(bent_BTK, axis=1)


@_network
def own_operations() -> Network:
    model = keras.Sequential([OwnOperations(name="own"), layers.Dense(1)])
    return _compiled(model, _numbers(5, 4), _numbers(1, seed=3), "mae")


@_network
def convolutional() -> Network:
    model = _sequential(
        layers.Conv2D(4, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Conv2D(5, 3, strides=2, dilation_rate=1, activation="relu"),
        layers.AveragePooling2D(2, strides=1, padding="same"),
        layers.Dropout(0.4),
        layers.Flatten(),
        layers.Dense(3),
        shape=(10, 10, 2),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _compiled(model, _numbers(10, 10, 2), _whole(3), loss, metrics=["accuracy"])


@_network
def causal_conv1d() -> Network:
    model = _sequential(
        layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu"),
        layers.ZeroPadding1D(1),
        layers.MaxPooling1D(2),
        layers.Conv1D(3, 2, strides=2, activation="swish"),
        layers.GlobalMaxPooling1D(),
        shape=(12, 3),
    )
    return _compiled(model, _numbers(12, 3), _numbers(3, seed=3), "mse", "sgd")


@_network
def conv3d() -> Network:
    model = _sequential(
        layers.Conv3D(3, 2, activation="relu"),
        layers.MaxPooling3D(2),
        layers.Conv3D(2, 2, padding="same", activation="tanh"),
        layers.GlobalAveragePooling3D(),
        shape=(6, 6, 6, 2),
    )
    return _compiled(model, _numbers(6, 6, 6, 2), _numbers(2, seed=3), "mse")


@_network
def depthwise_and_separable() -> Network:
    model = _sequential(
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu6"),
        layers.SeparableConv2D(4, 3, padding="same"),
        layers.GroupNormalization(2),
        layers.PReLU(),
        layers.DepthwiseConv2D(3, strides=2),
        layers.GlobalAveragePooling2D(),
        shape=(9, 9, 3),
    )
    return _compiled(model, _numbers(9, 9, 3), _numbers(4, seed=3), "mse")


@_network
def grouped_convolution() -> Network:
    model = _sequential(
        layers.Conv2D(6, 3, groups=2, padding="same", activation="relu"),
        layers.Conv2D(6, 3, groups=3, strides=2, dilation_rate=1),
        layers.Conv2D(4, 2, dilation_rate=2),
        layers.GlobalMaxPooling2D(),
        shape=(9, 9, 4),
    )
    return _compiled(model, _numbers(9, 9, 4), _numbers(4, seed=3), "mse", "sgd")


@_network
def transposed_autoencoder() -> Network:
    model = _sequential(
        layers.Conv2D(3, 3, strides=2, padding="same", activation="relu"),
        layers.UpSampling2D(),
        layers.Conv2DTranspose(2, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
        shape=(8, 8, 1),
    )
    x = np.abs(_numbers(8, 8, 1)).clip(0, 1)
    return _compiled(model, x, x, "binary_crossentropy")


@_network
def residual() -> Network:
    inputs = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(4, 3, padding="same")(inputs)
    for _ in range(2):
        branch = layers.BatchNormalization()(hidden)
        branch = layers.Conv2D(4, 3, padding="same")(layers.Activation("relu")(branch))
        hidden = layers.Add()([hidden, branch])
    pooled = layers.GlobalAveragePooling2D()(hidden)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(pooled))
    y = np.eye(3, dtype="float32")[_whole(3)]
    return _compiled(model, _numbers(8, 8, 3), y, "categorical_crossentropy")


@_network
def lstm() -> Network:
    model = _sequential(layers.LSTM(4), layers.Dense(1), shape=(5, 3))
    return _compiled(model, _numbers(5, 3), _numbers(1, seed=3), "mse")


@_network
def gru_reset_after() -> Network:
    model = _sequential(
        layers.GRU(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.3),
        layers.GRU(3, go_backwards=True),
        shape=(5, 3),
    )
    return _compiled(model, _numbers(5, 3), _numbers(3, seed=3), "mse")


@_network
def gru_reset_before() -> Network:
    model = _sequential(layers.GRU(4, reset_after=False), layers.Dense(2), shape=(5, 3))
    return _compiled(model, _numbers(5, 3), _numbers(2, seed=3), "log_cosh", "sgd")


@_network
def simple_rnn_unrolled() -> Network:
    model = _sequential(layers.SimpleRNN(4, unroll=True), layers.Dense(1), shape=(4, 3))
    return _compiled(model, _numbers(4, 3), _numbers(1, seed=3), "mse", "sgd")


@_network
def bidirectional_masked() -> Network:
    model = _sequential(
        layers.Embedding(9, 4, mask_zero=True),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        layers.SimpleRNN(4),
        layers.Dense(2, activation="softmax"),
        shape=(None,),
    )
    words = _whole(8, 6) + 1
    words[1, 4:] = words[2, 2:] = 0
    return _compiled(model, words, _whole(2), "sparse_categorical_crossentropy")


class MinimalCell(layers.Layer):
    """A gated cell with one gate."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.state_size = self.output_size = units
        self.gate, self.candidate = layers.Dense(units), layers.Dense(units, activation="tanh")

    def build(self, shape: Any) -> None:
        both = (shape[0], shape[-1] + self.state_size)
        self.gate.build(both)
        self.candidate.build(both)
        self.built = True

    def call(self, x_BF: Any, states: Any) -> Any:
        (h_BU,) = states
        forget_BU = keras.ops.sigmoid(self.gate(keras.ops.concatenate([x_BF, h_BU], axis=-1)))
        both_BV = keras.ops.concatenate([x_BF, forget_BU * h_BU], axis=-1)
        h_BU = (1 - forget_BU) * h_BU + forget_BU * self.candidate(both_BV)
        return h_BU, [h_BU]


@_network
def own_cell() -> Network:
    model = _sequential(layers.RNN(MinimalCell(4)), layers.Dense(1), shape=(4, 3))
    return _compiled(model, _numbers(4, 3), _numbers(1, seed=3), "mse")


@_network
def transformer() -> Network:
    inputs = keras.Input((None,), dtype="int32")
    x_BTF = layers.Embedding(11, 8)(inputs)
    heads = layers.MultiHeadAttention(2, 4, dropout=0.1)
    x_BTF = layers.LayerNormalization()(x_BTF + heads(x_BTF, x_BTF, use_causal_mask=True))
    forward = layers.Dense(8)(layers.Dense(12, activation="gelu")(x_BTF))
    x_BTF = layers.LayerNormalization(rms_scaling=False)(layers.Add()([x_BTF, forward]))
    model = keras.Model(inputs, layers.Dense(11)(x_BTF))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _compiled(model, _whole(11, 5), _whole(11, 5, seed=4), loss)


@_network
def attention() -> Network:
    words, asked = keras.Input((None,), dtype="int32"), keras.Input((3, 4))
    known = layers.Embedding(7, 4, mask_zero=True)(words)
    scaled = layers.Attention(use_scale=True)([asked, known])
    added = layers.AdditiveAttention()([asked, known])
    outputs = layers.Dense(1)(layers.Concatenate()([scaled, added]))
    given = _whole(6, 5) + 1
    given[0, 3:] = 0
    model = keras.Model([words, asked], outputs)
    return _compiled(model, [given, _numbers(3, 4)], _numbers(3, 1, seed=3), "mse")


@_network
def time_distributed() -> Network:
    model = _sequential(
        layers.TimeDistributed(layers.Conv2D(2, 3, activation="relu")),
        layers.TimeDistributed(layers.Flatten()),
        layers.TimeDistributed(layers.Dense(3)),
        layers.LSTM(2, unroll=True),
        shape=(3, 5, 5, 1),
    )
    return _compiled(model, _numbers(3, 5, 5, 1), _numbers(2, seed=3), "mse")


@_network
def convolutional_lstm() -> Network:
    model = _sequential(
        layers.ConvLSTM2D(2, 3, padding="same"), layers.GlobalAveragePooling2D(), shape=(3, 5, 5, 1)
    )
    return _compiled(model, _numbers(3, 5, 5, 1), _numbers(2, seed=3), "mse")


def _mixed(policy: str) -> Network:
    model = _sequential(
        layers.Conv2D(4, 3, activation="relu", dtype=policy),
        layers.BatchNormalization(dtype=policy),
        layers.Flatten(dtype=policy),
        layers.Dense(4, activation="relu", dtype=policy),
        layers.Dense(2, dtype="float32"),
        shape=(6, 6, 2),
    )
    return _compiled(model, _numbers(6, 6, 2), _numbers(2, seed=3), "mse", "sgd")


@_network
def mixed_bfloat16() -> Network:
    return _mixed("mixed_bfloat16")


@_network
def mixed_float16() -> Network:
    return _mixed("mixed_float16")


class Gan(keras.Model):
    """Two networks against each other, with an optimizer each."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = _sequential(
            layers.Dense(6, activation="relu"), layers.Dense(3), shape=(2,)
        )
        self.critic = _sequential(layers.Dense(6), layers.Dropout(0.3), layers.Dense(1), shape=(3,))
        self.seeds = keras.random.SeedGenerator(3)
        self.judge = keras.losses.BinaryCrossentropy(from_logits=True)
        self.built = True

    def compile(self, generator: Any, critic: Any) -> None:
        super().compile()
        self.generator_optimizer, self.critic_optimizer = generator, critic

    def call(self, noise_BZ: Any) -> Any:
        return self.generator(noise_BZ)

    def train_step(self, data: Any) -> Any:
        (real_BF,) = data if isinstance(data, tuple) else (data,)
        noise_BZ = keras.random.normal((BATCH, 2), seed=self.seeds)
        with tf.GradientTape() as tape:
            logits = [self.critic(x, training=True) for x in (real_BF, self.generator(noise_BZ))]
            critic_loss = sum(
                self.judge(tf.fill([BATCH, 1], float(label)), one)
                for label, one in zip((1, 0), logits, strict=True)
            )
        weights = self.critic.trainable_variables
        gradients = tape.gradient(critic_loss, weights)
        self.critic_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        with tf.GradientTape() as tape:
            fake = self.critic(self.generator(noise_BZ), training=True)
            generator_loss = self.judge(tf.ones([BATCH, 1]), fake)
        weights = self.generator.trainable_variables
        gradients = tape.gradient(generator_loss, weights)
        self.generator_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return {"critic": critic_loss, "generator": generator_loss}


@_network
def gan() -> Network:
    model = Gan()
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.SGD(1e-2, momentum=0.9))
    return Network(model, _numbers(3), None, None)


class Vae(keras.Model):
    """A variational autoencoder: two losses, summed in a step of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _sequential(layers.Dense(6, activation="relu"), layers.Dense(4), shape=(5,))
        self.decoder = _sequential(layers.Dense(6, activation="relu"), layers.Dense(5), shape=(2,))
        self.seeds = keras.random.SeedGenerator(5)
        self.total = keras.metrics.Mean(name="total")
        self.built = True

    def call(self, x_BF: Any) -> Any:
        return self.decoder(self.encoder(x_BF)[:, :2])

    def train_step(self, data: Any) -> Any:
        x_BF = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            mean_BZ, log_variance_BZ = tf.split(self.encoder(x_BF), 2, axis=-1)
            noise_BZ = keras.random.normal(tf.shape(mean_BZ), seed=self.seeds)
            again_BF = self.decoder(mean_BZ + tf.exp(0.5 * log_variance_BZ) * noise_BZ)
            distance = -0.5 * (1 + log_variance_BZ - mean_BZ**2 - tf.exp(log_variance_BZ))
            loss = tf.reduce_mean((x_BF - again_BF) ** 2) + 0.1 * tf.reduce_mean(distance)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.total.update_state(loss)
        return {"loss": self.total.result()}


@_network
def vae() -> Network:
    model = Vae()
    model.compile(optimizer=keras.optimizers.Adam())
    return Network(model, _numbers(5), None, None)


class Penalized(layers.Layer):
    def call(self, x_BF: Any) -> Any:
        self.add_loss(0.01 * tf.reduce_sum(tf.square(x_BF)))
        return x_BF


@_network
def regularized() -> Network:
    regularizers = keras.regularizers
    model = _sequential(
        layers.Dense(5, kernel_regularizer="l2", bias_regularizer=regularizers.L1(0.01)),
        layers.ActivityRegularization(l1=0.01, l2=0.02),
        Penalized(),
        layers.Dense(2, activity_regularizer=regularizers.L2(0.1), kernel_constraint="max_norm"),
        shape=(4,),
    )
    return _compiled(model, _numbers(4), _numbers(2, seed=3), "mse", "sgd")


class WhileLoop(layers.Layer):
    """A recurrence through `tf.while_loop`, with a tensor array."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel")

    def call(self, x_BTF: Any) -> Any:
        steps, first = x_BTF.shape[1], tf.zeros_like(x_BTF[:, 0])

        def body(step: Any, h_BF: Any) -> Any:
            return step + 1, tf.tanh(x_BTF[:, step] + tf.matmul(h_BF, self.kernel))

        return tf.while_loop(lambda step, _: step < steps, body, [tf.constant(0), first])[1]


@_network
def while_loop() -> Network:
    model = keras.Sequential([WhileLoop(name="loop"), layers.Dense(1)])
    return _compiled(model, _numbers(4, 3), _numbers(1, seed=3), "mse")


class Mapped(layers.Layer):
    """The same dense layer for each sample, by one of TensorFlow's maps."""

    def __init__(self, mapping: Callable[..., Any]) -> None:
        super().__init__()
        self.mapping, self.dense = mapping, layers.Dense(3, activation="tanh")

    def build(self, shape: Any) -> None:
        self.dense.build(shape)
        self.built = True

    def call(self, x_BF: Any) -> Any:
        return self.mapping(lambda x_F: self.dense(x_F[None])[0], x_BF)


def _mapped(mapping: Callable[..., Any]) -> Network:
    model = keras.Sequential([Mapped(mapping), layers.Dense(1)])
    return _compiled(model, _numbers(4), _numbers(1, seed=3), "mse")


@_network
def map_fn() -> Network:
    return _mapped(
        lambda function, x: tf.map_fn(function, x, fn_output_signature=tf.TensorSpec([3]))
    )


@_network
def vectorized_map() -> Network:
    return _mapped(tf.vectorized_map)


@_network
def preprocessing() -> Network:
    normalization = layers.Normalization(axis=-1)
    normalization.adapt(_numbers(8, 8, 3, seed=9) * 3 + 1)
    model = _sequential(
        layers.Rescaling(1 / 2, offset=0.1),
        normalization,
        layers.RandomFlip("horizontal_and_vertical", seed=4),
        layers.RandomTranslation(0.2, 0.2, seed=5),
        layers.CenterCrop(6, 6),
        layers.GaussianNoise(0.1, seed=6),
        layers.Conv2D(2, 3),
        layers.GlobalAveragePooling2D(),
        shape=(8, 8, 3),
    )
    return _compiled(model, _numbers(8, 8, 3), _numbers(2, seed=3), "mse")


class OwnLoss(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3, kernel_regularizer="l2")

    def call(self, x_BF: Any) -> Any:
        return self.dense(x_BF)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **_: Any
    ) -> Any:
        return tf.reduce_mean(tf.abs(y - y_pred) ** 1.5) + sum(self.losses)


@_network
def own_loss() -> Network:
    return _compiled(OwnLoss(), _numbers(4), _numbers(3, seed=3), None)


class GradientPenalty(keras.Model):
    """A loss with a gradient in it: a gradient of a gradient is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = _sequential(layers.Dense(5, "tanh"), layers.Dense(1), shape=(3,))
        self.built = True

    def call(self, x_BF: Any) -> Any:
        return self.critic(x_BF)

    def train_step(self, data: Any) -> Any:
        x_BF, y_B1 = data
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x_BF)
                y_pred_B1 = self(x_BF, training=True)
            slope_BF = inner.gradient(y_pred_B1, x_BF)
            length_B = tf.sqrt(tf.reduce_sum(tf.square(slope_BF), axis=1) + 1e-6)
            penalty = tf.reduce_mean((length_B - 1) ** 2)
            loss = tf.reduce_mean((y_B1 - y_pred_B1) ** 2) + 10 * penalty
        gradients = outer.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


@_network
def gradient_penalty() -> Network:
    model = GradientPenalty()
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    return Network(model, _numbers(3), _numbers(1, seed=3), None)


class CompiledCall(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = layers.Dense(4, activation="softplus"), layers.Dense(1)

    @tf.function(jit_compile=True)
    def call(self, x_BF: Any) -> Any:
        return self.last(self.hidden(x_BF))


@_network
def compiled_call() -> Network:
    loss = "mean_squared_logarithmic_error"
    x, y = _numbers(4), np.abs(_numbers(1, seed=3))
    return _compiled(CompiledCall(), x, y, loss, "sgd", jit_compile=True)


@_network
def wrappers() -> Network:
    model = _sequential(
        layers.SpectralNormalization(layers.Conv2D(3, 3, activation="relu")),
        layers.SpatialDropout2D(0.3, seed=2),
        layers.Flatten(),
        layers.SpectralNormalization(layers.Dense(4), power_iterations=2),
        layers.UnitNormalization(),
        shape=(5, 5, 2),
    )
    return _compiled(model, _numbers(5, 5, 2), _numbers(4, seed=3), "cosine_similarity")


@_network
def loaded() -> Network:
    whole = convolutional()
    whole.model.optimizer.build(whole.model.trainable_variables)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        whole.model.save(path)
        return Network(keras.models.load_model(path), whole.x, whole.y, whole.loss)


@_network
def sparse_input() -> Network:
    inputs = keras.Input((6,), sparse=True)
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(4, activation="relu")(inputs)))
    x = np.where(_numbers(6) > 0.5, _numbers(6), 0)
    return _compiled(model, tf.sparse.from_dense(x), _numbers(1, seed=3), "mse")


@_network
def element_wise() -> Network:
    left, right = keras.Input((5,)), keras.Input((5,))
    merged = [kind()([left, right]) for kind in (layers.Multiply, layers.Maximum, layers.Subtract)]
    hidden = layers.Average()([layers.Minimum()(merged[:2]), *merged])
    shaped = layers.Permute((2, 1))(layers.Reshape((5, 1))(layers.Softmax()(hidden)))
    repeated = layers.RepeatVector(2)(layers.Flatten()(shaped))
    y = np.abs(_numbers(2, 3, seed=3))
    model = keras.Model([left, right], layers.Dense(3, activation="exponential")(repeated))
    return _compiled(model, [_numbers(5), _numbers(5, seed=3)], y, "poisson")
