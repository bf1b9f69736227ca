"""A pipeline from Keras' own utilities, a Normalization layer adapted, conv1d, several metrics."""
import keras
import numpy as np

keras.utils.set_random_seed(31)
series = np.sin(np.arange(200) / 7.0).astype("float32")[:, None]
dataset = keras.utils.timeseries_dataset_from_array(series[:-8], series[8:], sequence_length=8, batch_size=32, shuffle=True, seed=3)
normalize = keras.layers.Normalization()
normalize.adapt(series)
model = keras.Sequential([keras.Input((8, 1)), normalize, keras.layers.Conv1D(4, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(1)])
model.compile("adam", "mse", metrics=["mae", keras.metrics.RootMeanSquaredError(name="rmse")])
print(model.fit(dataset, epochs=2, verbose=0).history)
