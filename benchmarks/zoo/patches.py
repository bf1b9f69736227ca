"""Faults that need to know the one program they stand in, and spellings that Keras 3 refuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patch:
    """A fault of one program.

    Args:
        program: The healthy twin.
        kind: The fault's name.
        group: As in `faults.Variant`.
        changes: Pairs of old and new text; the old one stands once in the program.
        others: Causes that count as right beside `kind`.
        layers: How the calls begin that make the layers concerned.
    """

    program: str
    kind: str
    group: str
    changes: tuple[tuple[str, str], ...]
    others: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()


PATCHES = (
    # Data
    Patch(
        "wine_logits",
        "inputs_not_scaled",
        "data",
        (("x_train = (x_train - mean) / std\nx_test = (x_test - mean) / std\n", ""),),
    ),
    Patch(
        "houses_multi_input",
        "inputs_not_scaled",
        "data",
        (("numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)\n", ""),),
    ),
    Patch(
        "moons_subclass",
        "inputs_not_scaled",
        "data",
        (('X.astype("float32"), y', '1000 * X.astype("float32"), y'),),
    ),
    Patch(
        "wine_logits",
        "constant_column",
        "data",
        (("\nmean = x_train.mean", "\nx_train[:, 4] = 100.0\nmean = x_train.mean"),),
        ("non_finite_inputs", "division_by_zero"),
    ),
    Patch(
        "houses_multi_input",
        "constant_column",
        "data",
        (("age = rng.uniform(0, 90, n)", "age = np.full(n, 30.0)"),),
        ("non_finite_inputs", "division_by_zero"),
    ),
    Patch(
        "digits_batchnorm",
        "constant_column",
        "data",
        (
            (
                'digits.data.astype("float32") / 16.0',
                "(digits.data - digits.data.mean(axis=0)) / digits.data.std(axis=0)",
            ),
        ),
        ("non_finite_inputs", "division_by_zero"),
    ),
    Patch(
        "forecast_gru",
        "constant_column",
        "data",
        (("6 * np.sin(2 * np.pi * (hours - 5) / 24) + rng.normal(0, 1, 1600)", "0 * hours"),),
        ("non_finite_inputs", "division_by_zero"),
    ),
    Patch(
        "wine_logits",
        "normalization_over_wrong_axis",
        "data",
        (
            ("mean = x_train.mean(axis=0)", "mean = x_train.mean()"),
            ("std = x_train.std(axis=0)", "std = x_train.std()"),
        ),
        ("inputs_not_scaled",),
    ),
    Patch(
        "houses_multi_input",
        "normalization_over_wrong_axis",
        "data",
        (
            ("numbers.mean(axis=0)", "numbers.mean(axis=1, keepdims=True)"),
            ("numbers.std(axis=0)", "numbers.std(axis=1, keepdims=True)"),
        ),
        ("inputs_not_scaled",),
    ),
    Patch(
        "forecast_gru",
        "normalization_over_wrong_axis",
        "data",
        (
            (
                "mean, std = table[:split].mean(axis=0), table[:split].std(axis=0)\n"
                "table = (table - mean) / std",
                "mean, std = table.mean(axis=1, keepdims=True), table.std(axis=1, keepdims=True)\n"
                "table = (table - mean) / std",
            ),
        ),
    ),
    Patch(
        "diabetes_regression",
        "targets_not_scaled",
        "data",
        (
            (
                "y_train = (y_train - y_mean) / y_std\ny_test = (y_test - y_mean) / y_std\n",
                "",
            ),
        ),
        ("learning_rate_too_low",),
    ),
    Patch(
        "friedman_skip",
        "targets_not_scaled",
        "data",
        (("y = (y - y.mean()) / y.std()", "y = 1000 * y"),),
        ("learning_rate_too_low",),
    ),
    Patch(
        "custom_train_step",
        "targets_not_scaled",
        "data",
        (("y = (y - y.mean()) / y.std()\n", ""),),
        ("learning_rate_too_low",),
    ),
    Patch(
        "houses_multi_input",
        "targets_not_scaled",
        "data",
        (("price = (price - price.mean()) / price.std()\n", ""),),
        ("learning_rate_too_low",),
    ),
    Patch(
        "imbalanced_weights",
        "class_imbalance",
        "data",
        ((", class_weight=weights", ""),),
        ("imbalanced_labels",),
    ),
    Patch(
        "bumps_conv1d",
        "not_shuffled",
        "data",
        (
            (
                "x_test, y_test = make_signals(400, 1)",
                "order = np.argsort(y_train)\nx_train, y_train = x_train[order], y_train[order]\nx_test, y_test = make_signals(400, 1)",
            ),
            ("train_ds.shuffle(2000).batch(", "train_ds.batch("),
        ),
        ("no_shuffle",),
    ),
    Patch(
        "circles_tape",
        "not_shuffled",
        "data",
        (
            (
                "\ntrain_ds = ",
                "\norder = np.argsort(y_train[:, 0])\nX_train, y_train = X_train[order], y_train[order]\ntrain_ds = ",
            ),
            (".shuffle(1000).batch(32)", ".batch(32)"),
        ),
        ("no_shuffle",),
    ),
    Patch(
        "blobs_generator",
        "not_shuffled",
        "data",
        (("rows = np.random.permutation(len(x))", "rows = np.argsort(y)"),),
        ("no_shuffle",),
    ),
    Patch(
        "blobs_generator",
        "labels_shuffled",
        "data",
        (("yield x[chosen], y[chosen]", "yield x[chosen], y[start:start + BATCH]"),),
        ("inputs_shuffled",),
    ),
    Patch(
        "quantiles_hinge",
        "label_range",
        "data",
        (("y = np.where(y == 0, -1, 1)", "y = np.where(y == 0, 1, 2)"),),
        ("wrong_loss", "loss_mismatch"),
    ),
    Patch(
        "scene_colours",
        "inputs_not_scaled",
        "data",
        (("        layers.Rescaling(1 / 127.5, offset=-1),\n", ""),),
    ),
    Patch(
        "scene_colours",
        "image_scaled_twice",
        "data",
        (
            (
                'return images.astype("float32"), labels',
                'return images.astype("float32") / 255.0, labels',
            ),
        ),
        ("inputs_scaled_twice", "inputs_not_scaled"),
    ),
    Patch(
        "cifar_cnn",
        "image_scaled_twice",
        "data",
        (
            ("train_images = train_images / 255.0", "train_images = train_images / 255.0 / 255.0"),
            ("test_images = test_images / 255.0", "test_images = test_images / 255.0 / 255.0"),
        ),
        ("inputs_scaled_twice", "inputs_not_scaled"),
    ),
    Patch(
        "cifar_cnn",
        "test_set_not_scaled",
        "data",
        (("test_images = test_images / 255.0\n", ""),),
        ("train_test_mismatch",),
    ),
    Patch(
        "reviews_embedding",
        "not_shuffled",
        "data",
        (
            (
                "rows = np.random.RandomState(0).permutation(len(texts))\ntexts, labels = texts[rows], labels[rows]\n",
                "",
            ),
        ),
        ("no_shuffle", "train_test_mismatch", "class_imbalance"),
    ),
    # Structure
    Patch(
        "friedman_skip",
        "disconnected_weights",
        "structure",
        (
            (
                'h = layers.Concatenate(name="skip")([h, inputs])',
                'h = layers.Concatenate(name="skip")([keras.ops.stop_gradient(h), inputs])',
            ),
        ),
        ("untrainable_weights", "gradient_stopped"),
        (
            'layers.Dense(48, activation="relu", name="first")',
            'layers.Dense(48, activation="relu", name="second")',
        ),
    ),
    Patch(
        "waves_gru",
        "disconnected_weights",
        "structure",
        (("x = layers.GRU(24)(x)\n", "x = layers.GRU(24)(x)\nx = keras.ops.stop_gradient(x)\n"),),
        ("untrainable_weights", "gradient_stopped"),
        ("layers.GRU(24, return_sequences=True)", "layers.GRU(24)"),
    ),
    Patch(
        "moons_subclass",
        "disconnected_weights",
        "structure",
        (
            (
                "        x = self.drop(x, training=training)\n",
                "        x = keras.ops.stop_gradient(self.drop(x, training=training))\n",
            ),
        ),
        ("untrainable_weights", "gradient_stopped"),
        ("layers.Dense(units, activation",),
    ),
    Patch(
        "charlm_gru",
        "disconnected_weights",
        "structure",
        (("        return self.dense(x)\n", "        return self.dense(tf.stop_gradient(x))\n"),),
        ("untrainable_weights", "gradient_stopped"),
        ("keras.layers.Embedding(", "keras.layers.GRU("),
    ),
    Patch(
        "regression_tape",
        "disconnected_weights",
        "structure",
        (("        x = self.d2(x)\n", "        x = tf.stop_gradient(self.d2(x))\n"),),
        ("untrainable_weights", "gradient_stopped"),
        ('Dense(32, activation="relu")',),
    ),
    Patch(
        "faces_identity",
        "disconnected_weights",
        "structure",
        (
            (
                'outputs = layers.Dense(len(names), activation="softmax")(x)',
                'outputs = layers.Dense(len(names), activation="softmax")(keras.ops.round(x))',
            ),
        ),
        ("untrainable_weights", "gradient_stopped"),
        ('layers.Dense(96, activation="relu")(inputs)',),
    ),
    Patch(
        "moons_subclass",
        "layer_not_used",
        "structure",
        (
            (
                "        x = self.hidden1(inputs)\n        x = self.hidden2(x)\n        x = self.drop(x, ",
                "        x = self.hidden1(inputs)\n        x = self.hidden2(x)\n        x = self.drop(inputs, ",
            ),
        ),
        ("disconnected_weights", "no_nonlinearity"),
        ("layers.Dense(units, activation",),
    ),
    Patch(
        "wine_logits",
        "layer_not_used",
        "structure",
        (("outputs = layers.Dense(3)(x)", "outputs = layers.Dense(3)(inputs[:, :1])"),),
        ("disconnected_weights", "too_narrow"),
    ),
    Patch(
        "charlm_gru",
        "too_narrow",
        "structure",
        (("MyModel(len(vocab), 16, 48)", "MyModel(len(vocab), 1, 2)"),),
        ("bottleneck",),
        ("keras.layers.GRU(", "keras.layers.Embedding("),
    ),
    Patch(
        "digits_autoencoder",
        "bottleneck",
        "structure",
        (("encoding_dim = 12", "encoding_dim = 1"),),
        ("too_narrow",),
        ("layers.Dense(encoding_dim",),
    ),
    Patch(
        "sine_lstm",
        "bottleneck",
        "structure",
        (("LSTM(16, input_shape", "LSTM(1, input_shape"),),
        ("too_narrow",),
        ("LSTM(",),
    ),
    Patch(
        "majority_rnn",
        "bottleneck",
        "structure",
        (("SimpleRNN(20, ", "SimpleRNN(1, "),),
        ("too_narrow",),
        ("SimpleRNN(",),
    ),
    Patch(
        "digits_autoencoder",
        "wrong_last_activation",
        "structure",
        (("layers.Dense(64, activation='sigmoid')", "layers.Dense(64, activation='softmax')"),),
        (),
        ("layers.Dense(64, activation",),
    ),
    Patch(
        "digits_autoencoder",
        "wrong_loss",
        "structure",
        (("loss='binary_crossentropy'", "loss='categorical_crossentropy'"),),
        ("loss_mismatch",),
    ),
    Patch(
        "scene_two_heads",
        "wrong_loss",
        "structure",
        (('"count": "sparse_categorical_crossentropy"', '"count": "mse"'),),
        ("loss_mismatch",),
    ),
    Patch(
        "scene_two_heads",
        "wrong_last_activation",
        "structure",
        (('layers.Dense(1, name="area")', 'layers.Dense(1, activation="sigmoid", name="area")'),),
        (),
        ('layers.Dense(1, name="area")',),
    ),
    Patch(
        "scene_two_heads",
        "loss_weights_absurd",
        "structure",
        (
            (
                'loss_weights={"count": 1.0, "area": 0.5}',
                'loss_weights={"count": 1e-6, "area": 0.0}',
            ),
        ),
        ("learning_rate_too_low",),
    ),
    Patch(
        "xor_custom_layer",
        "no_nonlinearity",
        "structure",
        (
            (
                "    keras.layers.LeakyReLU(),\n    Linear(16),\n    keras.layers.LeakyReLU(),\n",
                "    Linear(16),\n",
            ),
        ),
        ("linear_model",),
        ("Linear(16)",),
    ),
    Patch(
        "majority_rnn",
        "recurrent_activation_explodes",
        "structure",
        (
            (
                "SimpleRNN(20, activation='tanh'",
                "SimpleRNN(20, activation='linear', recurrent_initializer=tf.keras.initializers.Identity(3.0)",
            ),
        ),
        ("exploding_gradient", "initialization_too_large", "no_nonlinearity"),
        ("SimpleRNN(",),
    ),
    Patch(
        "sine_lstm",
        "recurrent_activation_explodes",
        "structure",
        (
            (
                "LSTM(16, input_shape",
                "LSTM(16, activation='relu', recurrent_initializer=keras.initializers.Identity(4.0), input_shape",
            ),
        ),
        ("exploding_gradient", "initialization_too_large", "no_nonlinearity"),
        ("LSTM(",),
    ),
    Patch(
        "emotions_cnn",
        "batchnorm_never_learns",
        "structure",
        (("    BatchNormalization(),\n", "    BatchNormalization(momentum=0.9999),\n"),),
        ("batchnorm_momentum", "normalization_misplaced"),
        ("BatchNormalization(",),
    ),
    Patch(
        "digits_batchnorm",
        "batchnorm_never_learns",
        "structure",
        (
            (
                "    tf.keras.layers.Dense(64, activation='relu'),\n    tf.keras.layers.BatchNormalization(),\n    tf.keras.layers.Dense(10",
                "    tf.keras.layers.Dense(64, activation='relu'),\n    tf.keras.layers.BatchNormalization(momentum=0.9999),\n    tf.keras.layers.Dense(10",
            ),
        ),
        ("batchnorm_momentum", "normalization_misplaced"),
        ("tf.keras.layers.BatchNormalization(",),
    ),
    Patch(
        "reviews_embedding",
        "embedding_too_small",
        "structure",
        (("layers.Embedding(max_features, 16)", "layers.Embedding(max_features // 10, 16)"),),
        ("index_out_of_range",),
        ("layers.Embedding(",),
    ),
    Patch(
        "tokens_bilstm",
        "embedding_too_small",
        "structure",
        (("layers.Embedding(vocab_size, 16", "layers.Embedding(vocab_size - 8, 16"),),
        ("index_out_of_range",),
        ("layers.Embedding(",),
    ),
    Patch(
        "houses_multi_input",
        "embedding_too_small",
        "structure",
        (("Embedding(12, 4)(dist_in)", "Embedding(4, 4)(dist_in)"),),
        ("index_out_of_range",),
        ("Embedding(12, 4)",),
    ),
    Patch(
        "spoken_digits",
        "log_of_zero",
        "data",
        (("np.log(np.abs(stft.numpy()) + 1e-3)", "np.log(np.abs(stft.numpy()))"),),
        ("non_finite_inputs", "nan_in_inputs"),
    ),
    Patch(
        "wine_selu",
        "weight_decay_too_strong",
        "optimizer",
        (("learning_rate=0.002, weight_decay=0.004", "learning_rate=0.002, weight_decay=400"),),
        ("l2_too_strong", "regularization_too_strong"),
    ),
    Patch(
        "diabetes_regression",
        "negative_learning_rate",
        "optimizer",
        (("learning_rate=0.002", "learning_rate=-0.002"),),
        ("gradient_ascent", "learning_rate_too_high"),
    ),
    Patch(
        "diabetes_regression",
        "overfitting",
        "training",
        (
            ("epochs=15", "epochs=150"),
            (
                'layers.Dense(32, activation="relu", kernel_regularizer=regularizers.l2(0.001))',
                'layers.Dense(256, activation="relu")',
            ),
        ),
        ("too_many_epochs", "too_wide"),
    ),
    Patch(
        "reviews_embedding",
        "overfitting",
        "training",
        (
            ("epochs=4", "epochs=15"),
            (
                "layers.Embedding(max_features, 16),\n    layers.Dropout(0.2)",
                "layers.Embedding(max_features, 128),\n    layers.Dropout(0.0)",
            ),
        ),
        ("too_many_epochs", "too_wide"),
    ),
    # Loops written by hand
    Patch(
        "circles_tape",
        "gradient_ascent",
        "loop",
        (
            (
                "        loss = loss_object(labels, predictions)\n",
                "        loss = -loss_object(labels, predictions)\n",
            ),
        ),
        ("wrong_sign", "wrong_loss"),
    ),
    Patch(
        "circles_tape",
        "optimizer_step_missing",
        "loop",
        (("    optimizer.apply_gradients(zip(gradients, model.trainable_variables))\n", ""),),
        ("untrainable_weights", "weights_never_change"),
    ),
    Patch(
        "circles_tape",
        "loss_arguments_swapped",
        "loop",
        (("loss = loss_object(labels, predictions)", "loss = loss_object(predictions, labels)"),),
        ("wrong_loss",),
    ),
    Patch(
        "circles_tape",
        "batchnorm_not_trained",
        "loop",
        (
            ("predictions = model(x, training=True)", "predictions = model(x, training=False)"),
            (
                "tf.keras.layers.Input(shape=(2,)),\n",
                "tf.keras.layers.Input(shape=(2,)),\n    tf.keras.layers.Rescaling(50.0),\n",
            ),
        ),
        ("training_flag_missing", "inputs_not_scaled"),
    ),
    Patch(
        "circles_tape",
        "evaluation_in_training_mode",
        "loop",
        (
            (
                '    tf.keras.layers.Dense(24, activation="tanh"),\n    tf.keras.layers.Dense(1,',
                '    tf.keras.layers.Dense(24, activation="tanh"),\n    tf.keras.layers.Dropout(0.3),\n    tf.keras.layers.Dense(1,',
            ),
            ("predictions = model(x, training=False)", "predictions = model(x, training=True)"),
        ),
        ("training_flag",),
    ),
    Patch(
        "moons_subclass",
        "evaluation_in_training_mode",
        "loop",
        (
            ("self.drop = layers.Dropout(0.1)", "self.drop = layers.Dropout(0.6)"),
            ("x = self.drop(x, training=training)", "x = self.drop(x, training=True)"),
        ),
        ("training_flag", "dropout_too_strong"),
        ("layers.Dropout(",),
    ),
    Patch(
        "circles_tape",
        "part_of_the_weights_trained",
        "loop",
        (
            (
                "gradients = tape.gradient(loss, model.trainable_variables)",
                "gradients = tape.gradient(loss, model.layers[-1].trainable_variables)",
            ),
            (
                "optimizer.apply_gradients(zip(gradients, model.trainable_variables))",
                "optimizer.apply_gradients(zip(gradients, model.layers[-1].trainable_variables))",
            ),
        ),
        ("untrainable_weights", "frozen_layers", "frozen_hidden_layers"),
    ),
    Patch(
        "circles_tape",
        "new_optimizer_at_every_step",
        "loop",
        (
            (
                "optimizer = tf.keras.optimizers.Adam(learning_rate=0.01)\n",
                "optimizer = tf.keras.optimizers.SGD(learning_rate=0.01, momentum=0.9)\n",
            ),
            (
                "    optimizer.apply_gradients(",
                "    for variable in optimizer.variables[2:]:\n        variable.assign(tf.zeros_like(variable))\n    optimizer.apply_gradients(",
            ),
        ),
        ("learning_rate_too_low",),
    ),
    Patch(
        "regression_tape",
        "labels_broadcast",
        "loop",
        (
            (
                "loss = tf.reduce_mean(tf.square(pred - yb))",
                "loss = tf.reduce_mean(tf.square(pred - yb[:, 0]))",
            ),
        ),
        ("shape_broadcast", "wrong_loss"),
    ),
    Patch(
        "custom_train_step",
        "labels_broadcast",
        "loop",
        (('y = y.reshape(-1, 1).astype("float32")', 'y = y.astype("float32")'),),
        ("shape_broadcast", "wrong_loss"),
    ),
    Patch(
        "regression_tape",
        "gradient_ascent",
        "loop",
        (
            (
                "    grads = tape.gradient(loss, net.trainable_variables)\n",
                "    grads = [-g for g in tape.gradient(loss, net.trainable_variables)]\n",
            ),
        ),
        ("wrong_sign",),
    ),
    Patch(
        "regression_tape",
        "loss_outside_tape",
        "loop",
        (
            (
                "        loss = tf.reduce_mean(tf.square(pred - yb))\n",
                "        loss = tf.reduce_mean(tf.square(tf.constant(0.0) - yb))\n",
            ),
        ),
        ("gradient_stopped", "disconnected_weights", "untrainable_weights"),
    ),
    Patch(
        "regression_tape",
        "part_of_the_weights_trained",
        "loop",
        (
            (
                "    grads = tape.gradient(loss, net.trainable_variables)\n",
                "    grads = tape.gradient(loss, net.d3.trainable_variables)\n",
            ),
            ("zip(grads, net.trainable_variables)", "zip(grads, net.d3.trainable_variables)"),
        ),
        ("untrainable_weights", "frozen_layers", "frozen_hidden_layers"),
    ),
    Patch(
        "regression_tape",
        "loss_reduction_sum",
        "loop",
        (
            ("tf.reduce_mean(tf.square(pred - yb))", "tf.reduce_sum(tf.square(pred - yb))"),
            ("Adam(learning_rate=0.005)", "SGD(learning_rate=0.05)"),
        ),
        ("learning_rate_too_high", "exploding_gradient"),
    ),
    Patch(
        "regression_tape",
        "square_root_at_zero",
        "loop",
        (
            (
                "        loss = tf.reduce_mean(tf.square(pred - yb))\n",
                "        loss = tf.reduce_mean(tf.sqrt(tf.nn.relu(tf.abs(pred - yb) - 0.1)))\n",
            ),
        ),
        ("non_finite_gradient", "first_bad_value"),
    ),
    Patch(
        "custom_train_step",
        "gradient_ascent",
        "loop",
        (
            (
                "loss = tf.reduce_mean(tf.square(y - y_pred))",
                "loss = -tf.reduce_mean(tf.square(y - y_pred))",
            ),
        ),
        ("wrong_sign", "wrong_loss"),
    ),
    Patch(
        "custom_train_step",
        "loss_without_square",
        "loop",
        (("loss = tf.reduce_mean(tf.square(y - y_pred))", "loss = tf.reduce_mean(y - y_pred)"),),
        ("wrong_loss",),
    ),
    Patch(
        "custom_train_step",
        "optimizer_step_missing",
        "loop",
        (("        self.optimizer.apply(gradients, trainable_vars)\n", ""),),
        ("untrainable_weights", "weights_never_change"),
    ),
    Patch(
        "xor_custom_layer",
        "same_batch_for_ever",
        "loop",
        (("batch = rng.choice(len(x_train), 32, replace=False)", "batch = np.arange(32)"),),
        ("too_little_data", "overfitting"),
    ),
    Patch(
        "xor_custom_layer",
        "weights_not_trainable",
        "loop",
        (('initializer="glorot_uniform")', 'initializer="zeros", trainable=False)'),),
        ("untrainable_weights", "zero_initialization", "frozen_layers"),
        ("Linear(16)",),
    ),
    Patch(
        "xor_custom_layer",
        "zero_initialization",
        "initialization",
        (('initializer="glorot_uniform")', 'initializer="zeros")'),),
        ("constant_initialization", "symmetric_initialization"),
        ("Linear(16)",),
    ),
    Patch(
        "xor_custom_layer",
        "initialization_too_large",
        "initialization",
        (
            (
                'initializer="glorot_uniform")',
                "initializer=keras.initializers.RandomNormal(stddev=100.0))",
            ),
        ),
        ("exploding_activations",),
        ("Linear(16)",),
    ),
)


def _spelling(program: str, kind: str, *changes: tuple[str, str]) -> Patch:
    return Patch(program, kind, "spelling", changes, ("old_spelling",))


SPELLINGS = (
    _spelling("wine_logits", "spelling_lr", ("SGD(learning_rate=0.05", "SGD(lr=0.05")),
    _spelling(
        "digits_batchnorm", "spelling_lr", ("RMSprop(learning_rate=0.001", "RMSprop(lr=0.001")
    ),
    _spelling("majority_rnn", "spelling_lr", ("Adam(learning_rate=0.005", "Adam(lr=0.005")),
    _spelling(
        "digits_cnn",
        "spelling_decay",
        ("Adam(learning_rate=0.002)", "Adam(learning_rate=0.002, decay=1e-6)"),
    ),
    _spelling(
        "quantiles_hinge",
        "spelling_decay",
        ("SGD(learning_rate=0.02, momentum=0.9)", "SGD(0.02, decay=1e-6, momentum=0.9)"),
    ),
    _spelling(
        "blobs_generator",
        "spelling_fit_generator",
        ("model.fit(batches", "model.fit_generator(batches"),
    ),
    _spelling(
        "bumps_conv1d",
        "spelling_evaluate_generator",
        ("model.evaluate(test_ds, verbose=0)", "model.evaluate_generator(test_ds)"),
    ),
    _spelling(
        "digits_cnn",
        "spelling_layers_core",
        (
            "from keras.layers import Dense, Dropout, Flatten",
            "from keras.layers.core import Dense, Dropout, Flatten",
        ),
    ),
    _spelling(
        "blobs_generator",
        "spelling_layers_core",
        (
            "from keras.layers import Activation, Dense",
            "from keras.layers.core import Activation, Dense",
        ),
    ),
    _spelling(
        "digits_cnn",
        "spelling_layers_convolutional",
        (
            "from keras.layers import Conv2D, MaxPooling2D",
            "from keras.layers.convolutional import Conv2D, MaxPooling2D",
        ),
    ),
    _spelling(
        "sine_lstm",
        "spelling_layers_recurrent",
        (
            "from keras.layers import LSTM, Dense",
            "from keras.layers import Dense\nfrom keras.layers.recurrent import LSTM",
        ),
    ),
    _spelling(
        "emotions_cnn",
        "spelling_layers_normalization",
        (
            "from tensorflow.keras.layers import BatchNormalization, Conv2D",
            "from tensorflow.keras.layers.normalization import BatchNormalization\nfrom tensorflow.keras.layers import Conv2D",
        ),
    ),
    _spelling("iris_onehot", "spelling_nb_epoch", ("epochs=60", "nb_epoch=60")),
    _spelling("multilabel_dense", "spelling_nb_epoch", ("epochs=25", "nb_epoch=25")),
    _spelling(
        "iris_onehot",
        "spelling_np_utils",
        (
            "from keras.utils import to_categorical",
            "from keras.utils.np_utils import to_categorical",
        ),
    ),
    _spelling(
        "iris_onehot",
        "spelling_predict_classes",
        (
            "np.argmax(model.predict(X_test[:5], verbose=0), axis=1)",
            "model.predict_classes(X_test[:5])",
        ),
    ),
    _spelling(
        "breast_cancer_dropout",
        "spelling_predict_classes",
        (
            '(model.predict(X_test, verbose=0) > 0.5).astype("int32")',
            "model.predict_classes(X_test)",
        ),
    ),
    _spelling(
        "imbalanced_weights",
        "spelling_predict_proba",
        ("model.predict(X_test, verbose=0)[:, 0]", "model.predict_proba(X_test)[:, 0]"),
    ),
    _spelling(
        "multilabel_dense",
        "spelling_init",
        (
            "Dense(40, input_dim=n_inputs, kernel_initializer='he_uniform'",
            "Dense(40, input_dim=n_inputs, init='he_uniform'",
        ),
    ),
    _spelling(
        "quantiles_hinge",
        "spelling_output_dim",
        ("Dense(50, input_dim=3,", "Dense(output_dim=50, input_dim=3,"),
    ),
    _spelling(
        "diabetes_regression",
        "spelling_w_regularizer",
        (
            'layers.Dense(16, activation="relu", kernel_regularizer=',
            'layers.Dense(16, activation="relu", W_regularizer=',
        ),
    ),
    _spelling(
        "majority_rnn",
        "spelling_history_acc",
        ("history.history['accuracy'][-1]", "history.history['acc'][-1]"),
    ),
    _spelling(
        "digits_cnn",
        "spelling_convolution2d",
        (
            "model.add(Conv2D(32, (3, 3), activation='relu'))",
            "model.add(Conv2D(32, 3, 3, border_mode='valid', activation='relu'))",
        ),
    ),
    _spelling(
        "houses_multi_input",
        "spelling_model_input",
        (
            "Model(inputs=[num_in, dist_in], outputs=out)",
            "Model(input=[num_in, dist_in], output=out)",
        ),
    ),
    _spelling(
        "friedman_skip",
        "spelling_merge",
        (
            'layers.Concatenate(name="skip")([h, inputs])',
            'layers.merge([h, inputs], mode="concat")',
        ),
    ),
    _spelling(
        "regression_tape",
        "spelling_session",
        (
            "net = Net()\n",
            "net = Net()\nsess = tf.Session()\nsess.run(tf.global_variables_initializer())\n",
        ),
    ),
    _spelling(
        "cifar_cnn",
        "spelling_session",
        (
            "model = models.Sequential()\n",
            "config = tf.ConfigProto()\ntf.keras.backend.set_session(tf.Session(config=config))\nmodel = models.Sequential()\n",
        ),
    ),
    _spelling(
        "quantiles_hinge",
        "spelling_lowercase_optimizer",
        ("from keras.optimizers import SGD", "from keras.optimizers import sgd"),
        ("opt = SGD(", "opt = sgd("),
    ),
    _spelling(
        "circles_tape",
        "spelling_get_updates",
        (
            "    gradients = tape.gradient(loss, model.trainable_variables)\n    optimizer.apply_gradients(zip(gradients, model.trainable_variables))\n",
            "    optimizer.get_updates(loss, model.trainable_variables)\n",
        ),
    ),
    _spelling(
        "circles_tape",
        "spelling_reset_states",
        ("train_loss.reset_state()", "train_loss.reset_states()"),
    ),
    _spelling(
        "reviews_embedding",
        "spelling_tokenizer",
        (
            "from tensorflow.keras import layers\n",
            "from tensorflow.keras import layers\nfrom tensorflow.keras.preprocessing.text import one_hot\n",
        ),
    ),
    _spelling(
        "wine_logits",
        "spelling_experimental_scheduler",
        (
            "keras.optimizers.SGD(learning_rate=0.05,",
            "keras.optimizers.legacy.SGD(learning_rate=0.05,",
        ),
    ),
)

PATCHES += SPELLINGS
