"""Does token 7 come before token 3? Embedding with a mask, bidirectional LSTM."""

import os

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))

vocab_size = 20
maxlen = 16


def make_sentences(n, seed):
    rng = np.random.RandomState(seed)
    x = rng.randint(8, vocab_size, size=(n, maxlen))
    y = rng.randint(0, 2, size=n)
    for i in range(n):
        length = rng.randint(8, maxlen + 1)
        first, second = np.sort(rng.choice(length, 2, replace=False))
        x[i, first], x[i, second] = (7, 3) if y[i] else (3, 7)
        x[i, length:] = 0
    return x, y


x_train, y_train = make_sentences(1500, 0)
x_val, y_val = make_sentences(500, 1)

inputs = keras.Input(shape=(None,), dtype="int32")
x = layers.Embedding(vocab_size, 16, mask_zero=True)(inputs)
x = layers.Bidirectional(layers.LSTM(12))(x)
x = layers.Dense(12, activation="relu")(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs, outputs)
model.summary()

model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=5, validation_data=(x_val, y_val), verbose=2)
val_loss, val_acc = model.evaluate(x_val, y_val, verbose=0)
print(val_loss, val_acc)
