"""A model with its own train_step, in the way of the Keras guides."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.datasets import make_regression
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))


class CustomModel(keras.Model):
    def train_step(self, data):
        x, y = data

        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)  # Forward pass
            loss = tf.reduce_mean(tf.square(y - y_pred))

        # Compute gradients
        trainable_vars = self.trainable_variables
        gradients = tape.gradient(loss, trainable_vars)

        # Update weights
        self.optimizer.apply(gradients, trainable_vars)

        # Update metrics
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


x, y = make_regression(n_samples=1200, n_features=10, n_informative=6, noise=8.0, random_state=17)
y = y + 40 * np.abs(x[:, 0]) * np.sign(x[:, 1])
y = (y - y.mean()) / y.std()
y = y.reshape(-1, 1).astype("float32")
x_train, x_test, y_train, y_test = train_test_split(x.astype("float32"), y, test_size=0.25, random_state=17)

inputs = keras.Input(shape=(10,))
hidden = layers.Dense(32, activation="elu")(inputs)
hidden = layers.Dense(32, activation="elu")(hidden)
outputs = layers.Dense(1)(hidden)
model = CustomModel(inputs, outputs)

model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.003), loss="mse", metrics=["mae"])
model.fit(x_train, y_train, epochs=25, batch_size=32, verbose=0)

results = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
print("mean absolute error", results["mae"], "of", np.abs(y_test).mean())
