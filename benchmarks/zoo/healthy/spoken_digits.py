"""Spoken digits of two speakers: spectrograms and a small convnet."""

import io
import os
import wave
import zipfile

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

ZIP = os.path.join(os.environ.get("ZOO_DATA", "../shared/data"), "spoken_digits.zip")
SPEAKERS = ("jackson", "nicolas")
SAMPLES = 4096


def read_wav(data):
    with wave.open(io.BytesIO(data)) as w:
        sound = np.frombuffer(w.readframes(w.getnframes()), dtype=np.int16).astype("float32") / 32768
    return np.pad(sound[:SAMPLES], (0, max(0, SAMPLES - len(sound))))


sounds, digits, takes = [], [], []
with zipfile.ZipFile(ZIP) as z:
    for name in sorted(z.namelist()):
        digit, speaker, take = os.path.basename(name).removesuffix(".wav").split("_")
        if speaker in SPEAKERS and int(take) < 40:
            sounds.append(read_wav(z.read(name)))
            digits.append(int(digit))
            takes.append(int(take))

stft = tf.signal.stft(np.array(sounds), frame_length=256, frame_step=128)
spectrograms = np.log(np.abs(stft.numpy()) + 1e-3)[..., :64, np.newaxis]
labels = np.array(digits)
takes = np.array(takes)

train, test = takes >= 10, takes < 10
x_train, y_train = spectrograms[train], labels[train]
x_test, y_test = spectrograms[test], labels[test]

normalization = layers.Normalization(axis=None)
normalization.adapt(x_train)

model = keras.Sequential([
    keras.Input(shape=x_train.shape[1:]),
    normalization,
    layers.Conv2D(12, 3, strides=2, activation="relu"),
    layers.Conv2D(24, 3, strides=2, activation="relu"),
    layers.MaxPooling2D(2),
    layers.Flatten(),
    layers.Dropout(0.3),
    layers.Dense(10),
])
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.003),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, epochs=15, batch_size=32, verbose=2)
loss, acc = model.evaluate(x_test, y_test, verbose=0)
print(f"accuracy {acc:.1%}")
