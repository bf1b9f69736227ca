"""Forecast a seasonal series with keras.utils.timeseries_dataset_from_array."""
import os

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))

rng = np.random.default_rng(33)
hours = np.arange(1600)
load = 500 + 120 * np.sin(2 * np.pi * hours / 24) + 60 * np.sin(2 * np.pi * hours / 168) + rng.normal(0, 12, 1600)
temperature = 12 + 6 * np.sin(2 * np.pi * (hours - 5) / 24) + rng.normal(0, 1, 1600)
table = np.stack([load, temperature], axis=1).astype("float32")

split = 1200
mean, std = table[:split].mean(axis=0), table[:split].std(axis=0)
table = (table - mean) / std

past, ahead = 24, 6
settings = dict(sequence_length=past, batch_size=32)
features = table[: -(past + ahead - 1)]
targets = table[past + ahead - 1 :, 0]
train_ds = keras.utils.timeseries_dataset_from_array(features, targets, end_index=split, shuffle=True, **settings)
val_ds = keras.utils.timeseries_dataset_from_array(features, targets, start_index=split, **settings)

inputs = keras.layers.Input(shape=(past, 2))
x = layers.GRU(20)(inputs)
outputs = layers.Dense(1)(x)
model = keras.Model(inputs=inputs, outputs=outputs)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.005), loss="mse", metrics=["mae"])

history = model.fit(train_ds, epochs=10, validation_data=val_ds, verbose=2)

val_mse, val_mae = model.evaluate(val_ds, verbose=0)
print("validation MAE in MW:", val_mae * std[0])
