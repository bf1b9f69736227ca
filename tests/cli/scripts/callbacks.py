"""EarlyStopping, ModelCheckpoint, LearningRateScheduler, ReduceLROnPlateau, CSVLogger, one of its own."""
import os

import keras
import numpy as np


class Teller(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        print("begins")

    def on_epoch_end(self, epoch, logs=None):
        print("epoch", epoch, {name: float(value) for name, value in logs.items()})

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            print("batch", batch, sorted(logs))


keras.utils.set_random_seed(6)
x = np.random.rand(128, 6).astype("float32")
y = x.mean(axis=1)
model = keras.Sequential([keras.layers.Dense(12, activation="relu"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.05), "mse")
history = model.fit(
    x,
    y,
    epochs=30,
    validation_split=0.25,
    verbose=0,
    callbacks=[
        Teller(),
        keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.ReduceLROnPlateau(patience=1),
        keras.callbacks.CSVLogger("log.csv"),
    ],
)
print(len(history.history["loss"]), float(model.optimizer.learning_rate))
print(os.path.exists("best.keras"), len(open("log.csv").read().splitlines()))
print(keras.models.load_model("best.keras").evaluate(x, y, verbose=0))
