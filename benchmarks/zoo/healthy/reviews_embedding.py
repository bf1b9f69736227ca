"""Film reviews, one sentence each: positive or negative?"""
import os
import zipfile

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

path = os.path.join(os.environ.get("ZOO_DATA", "../shared/data"), "sentence_polarity.zip")
with zipfile.ZipFile(path) as z:
    pos = z.read("sentence_polarity/rt-polarity.pos").decode("latin-1").splitlines()
    neg = z.read("sentence_polarity/rt-polarity.neg").decode("latin-1").splitlines()

texts = np.array(pos + neg, dtype=object)
labels = np.array([1] * len(pos) + [0] * len(neg))
rows = np.random.RandomState(0).permutation(len(texts))
texts, labels = texts[rows], labels[rows]

max_features = 6000
sequence_length = 40

vectorize_layer = layers.TextVectorization(max_tokens=max_features, output_sequence_length=sequence_length)
vectorize_layer.adapt(tf.constant(texts[:8000]))
sequences = vectorize_layer(tf.constant(texts)).numpy()

x_train, y_train = sequences[:8000], labels[:8000]
x_test, y_test = sequences[8000:], labels[8000:]

model = keras.Sequential([
    layers.Embedding(max_features, 16),
    layers.Dropout(0.2),
    layers.GlobalAveragePooling1D(),
    layers.Dropout(0.2),
    layers.Dense(1, activation='sigmoid')])

model.compile(loss=keras.losses.BinaryCrossentropy(),
              optimizer=keras.optimizers.Adam(learning_rate=0.005),
              metrics=['accuracy'])
model.fit(x_train, y_train, validation_split=0.1, batch_size=64, epochs=4, verbose=2)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print("Loss: ", loss)
print("Accuracy: ", accuracy)
