"""Regression with a hand-written loop over numpy batches, eager except for the step."""
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras.layers import Dense

tf.keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

rng = np.random.RandomState(19)
x = rng.uniform(-2, 2, (1200, 2)).astype("float32")
y = (np.sin(2 * x[:, :1]) * x[:, 1:] + 0.1 * rng.randn(1200, 1)).astype("float32")
x_train, y_train, x_test, y_test = x[:900], y[:900], x[900:], y[900:]


class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.d1 = Dense(32, activation="relu")
        self.d2 = Dense(32, activation="relu")
        self.d3 = Dense(1)

    def call(self, x):
        x = self.d1(x)
        x = self.d2(x)
        return self.d3(x)


net = Net()
optimizer = tf.keras.optimizers.Adam(learning_rate=0.005)


@tf.function
def step(xb, yb):
    with tf.GradientTape() as tape:
        pred = net(xb)
        loss = tf.reduce_mean(tf.square(pred - yb))
    grads = tape.gradient(loss, net.trainable_variables)
    optimizer.apply_gradients(zip(grads, net.trainable_variables))
    return loss


batch_size = 32
epochs = 40
for epoch in range(epochs):
    perm = np.random.permutation(len(x_train))
    total = 0.0
    for i in range(0, len(x_train), batch_size):
        idx = perm[i:i + batch_size]
        total += float(step(tf.constant(x_train[idx]), tf.constant(y_train[idx])))
    if epoch % 10 == 0:
        print("epoch", epoch, "mse", total / (len(x_train) / batch_size))

mse = float(np.mean((net(x_test).numpy() - y_test) ** 2))
print("test mse", mse, "variance", float(np.var(y_test)))
