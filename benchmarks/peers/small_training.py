"""Trains small networks on digits, by Gatescope or by plain Keras, and says how long it took.

Run by `training_speed.py`, each contender in a process of its own, for what one sets (threads,
determinism) holds for all of a process.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gatescope  # noqa: F401  before TensorFlow, which asks only once whether to use oneDNN

# isort: split
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gatescope.training.fit import FitConfig, fit


def mlp() -> list[keras.Layer]:
    return [layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(128, "relu")]


def cnn() -> list[keras.Layer]:
    return [
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
    ]


def lstm() -> list[keras.Layer]:
    return [layers.LSTM(64)]


NETWORKS: dict[str, Callable[[], list[keras.Layer]]] = {"mlp": mlp, "cnn": cnn, "lstm": lstm}


class Watch(keras.callbacks.Callback):
    """When each epoch began, and when the last one ended, by the clock and by work done."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.times: list[tuple[float, float]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.times.append((time.perf_counter(), time.process_time()))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.times.append((time.perf_counter(), time.process_time()))


def trained(
    contender: str, network: str, data: tuple[Any, Any], settings: dict[str, Any]
) -> dict[str, float]:
    """Seconds and CPU seconds an epoch, the first left out; the last loss; parameters."""
    keras.utils.set_random_seed(1)
    output = layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((8, 8)), *NETWORKS[network](), output])
    model.compile("adam", loss="sparse_categorical_crossentropy")
    watch, epochs, size = Watch(), settings["epochs"] + 1, settings["batch"]
    began = time.perf_counter()
    if contender == "keras":
        history = model.fit(
            *data, batch_size=size, epochs=epochs, verbose=0, callbacks=[watch]
        ).history
    else:
        one_by_one = {"steps_per_execution": 1, "precision": "float32"}
        more = one_by_one if contender == "gatescope-plain" else {}
        config = FitConfig(epochs=epochs, batch_size=size, **more)
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            history = dict(fit(model, data, config, run=run, callbacks=[watch]).history)
    (start, start_work), (end, end_work) = watch.times[1], watch.times[-1]
    return {
        "seconds": (end - start) / (epochs - 1),
        "work": (end_work - start_work) / (epochs - 1),
        "whole": time.perf_counter() - began,
        "loss": history["loss"][-1],
        "parameters": model.count_params(),
    }


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(settings["threads"])
    loaded = np.load(settings["data"])
    data = loaded["x"], loaded["y"]
    print(json.dumps({"version": keras.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = trained(settings["contender"], request["network"], data, settings)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
