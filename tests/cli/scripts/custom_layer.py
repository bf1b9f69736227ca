"""A layer, an activation, a loss and a metric of its own, which print while they are traced."""
import keras
import numpy as np
from keras import ops


class Linear(keras.layers.Layer):
    def __init__(self, units=32):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        print("Linear is called")
        self.add_loss(1e-3 * ops.sum(ops.square(self.w)))
        return ops.matmul(inputs, self.w) + self.b


def swish(x):
    return x * ops.sigmoid(x)


def loss(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


keras.utils.set_random_seed(9)
x = np.random.rand(100, 7).astype("float32")
y = x[:, :2] * 3
model = keras.Sequential([Linear(8), keras.layers.Activation(swish), Linear(2)])
model.compile("sgd", loss, metrics=["mae"])
print(model.fit(x, y, epochs=2, batch_size=32, verbose=0).history)
