import os

import keras
import numpy as np
from keras import layers
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))


class MoonNet(keras.Model):
    def __init__(self, units=32):
        super().__init__()
        self.hidden1 = layers.Dense(units, activation="relu")
        self.hidden2 = layers.Dense(units, activation="relu")
        self.drop = layers.Dropout(0.1)
        self.out = layers.Dense(1)

    def call(self, inputs, training=False):
        x = self.hidden1(inputs)
        x = self.hidden2(x)
        x = self.drop(x, training=training)
        return self.out(x)


X, y = make_moons(n_samples=1500, noise=0.15, random_state=3)
X_train, X_val, y_train, y_val = train_test_split(
    X.astype("float32"), y.astype("float32"), test_size=0.3, random_state=3
)

net = MoonNet()
net.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.005),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
)
net.fit(X_train, y_train, validation_data=(X_val, y_val), batch_size=32, epochs=18, verbose=0)

val_loss, val_acc = net.evaluate(X_val, y_val, verbose=0)
print(f"validation: loss {val_loss:.3f} accuracy {val_acc:.3f}")
print("share of ones:", np.mean(net.predict(X_val, verbose=0) > 0))
