"""A subclassed residual model with a call that knows training."""
import keras
import numpy as np


class Block(keras.layers.Layer):
    def __init__(self, width):
        super().__init__()
        self.dense = keras.layers.Dense(width, activation="relu")
        self.norm = keras.layers.LayerNormalization()

    def call(self, x):
        return self.norm(x + self.dense(x))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [Block(6), Block(6)]
        self.drop = keras.layers.Dropout(0.3)
        self.head = keras.layers.Dense(3, activation="softmax")

    def call(self, x, training=False):
        for block in self.blocks:
            x = block(x)
        return self.head(self.drop(x, training=training))


keras.utils.set_random_seed(10)
x, y = np.random.rand(90, 6).astype("float32"), np.random.randint(3, size=90)
net = Net()
net.compile("nadam", "sparse_categorical_crossentropy", metrics=["accuracy"])
print(net.fit(x, y, epochs=3, verbose=0).history)
print(net.count_params(), net(x[:2]).numpy())
