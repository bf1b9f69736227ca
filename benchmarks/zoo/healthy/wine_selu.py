"""Self-normalizing network on wine (SELU, LeCun normal, alpha dropout)."""
import os

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

tf.keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

wine = load_wine()
y = tf.keras.utils.to_categorical(wine.target, num_classes=3)
X_train, X_test, y_train, y_test = train_test_split(wine.data, y, test_size=0.35, random_state=13)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)


def build_model():
    inp = tf.keras.layers.Input(shape=(13,))
    x = tf.keras.layers.Dense(24, activation="selu", kernel_initializer="lecun_normal")(inp)
    x = tf.keras.layers.AlphaDropout(0.05)(x)
    x = tf.keras.layers.Dense(24, activation="selu", kernel_initializer="lecun_normal")(x)
    x = tf.keras.layers.AlphaDropout(0.05)(x)
    out = tf.keras.layers.Dense(3, activation="softmax")(x)
    return tf.keras.Model(inputs=inp, outputs=out)


class PrintEvery(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch % 10 == 0:
            print("epoch", epoch, "loss", round(logs["loss"], 4))


model = build_model()
model.compile(
    loss=tf.keras.losses.CategoricalCrossentropy(),
    optimizer=tf.keras.optimizers.AdamW(learning_rate=0.002, weight_decay=0.004),
    metrics=["accuracy"],
)
model.fit(X_train, y_train, epochs=40, batch_size=8, callbacks=[PrintEvery()], verbose=0)
loss, acc = model.evaluate(X_test, y_test, verbose=0)
print("Test accuracy:", np.round(acc, 3))
