"""One way of training a small network in Keras, an epoch a turn; run by `probe_overhead.py`."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from typing import Any

import gatescope as gs  # before TensorFlow, which asks only once whether to use oneDNN

# isort: split
import keras
import numpy as np
import tensorflow as tf
from keras import layers

BATCH = 128
WARMING = 4  # epochs, in which the budget learns what a look takes
NETWORKS = {
    "mlp": lambda: [
        keras.Input((784,)),
        *[layers.Dense(size, activation="relu") for size in (512, 256, 128)],
        layers.Dense(10),
    ],
    "cnn": lambda: [
        keras.Input((28, 28, 1)),
        *[layers.Conv2D(32, 3, activation="relu"), layers.BatchNormalization()],
        layers.MaxPooling2D(),
        *[layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D()],
        *[layers.Flatten(), layers.Dropout(0.3), layers.Dense(10)],
    ],
    "lstm": lambda: [keras.Input((40, 32)), layers.LSTM(96), layers.Dense(10)],
}


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch, on the wall and of processors, of all threads.

    Last of the callbacks, so that what others do at an epoch's end counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[tuple[float, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        wall, processors = self._began
        self.seconds.append((time.perf_counter() - wall, time.process_time() - processors))


class Training:
    """A network with its data, trained in one way."""

    def __init__(self, network: str, way: str, steps: int) -> None:
        keras.utils.set_random_seed(0)
        self.model = keras.Sequential(NETWORKS[network]())
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile("adam", loss)
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((BATCH * steps, *self.model.input_shape[1:]), np.float32)
        self.y = rng.integers(0, 10, BATCH * steps)
        folder = tempfile.mkdtemp()
        self.callbacks: list[keras.callbacks.Callback] = []
        self.watch = None
        if way == "TensorBoard":
            self.callbacks.append(keras.callbacks.TensorBoard(folder, histogram_freq=1))
        elif way == "Debugger V2":
            tf.debugging.experimental.enable_dump_debug_info(folder, "FULL_HEALTH", 1_000)
        elif way == "closed":
            gs.watch(self.model, runs=folder).close()
        elif way != "unwatched":
            self.watch = gs.watch(self.model, runs=folder, overhead=float(way))

    def train(self, epochs: int) -> dict[str, Any]:
        clock = Clock()
        began = time.perf_counter()
        self.model.fit(self.x, self.y, BATCH, epochs, 0, [*self.callbacks, clock], shuffle=False)
        return {"fit": time.perf_counter() - began, "epochs": clock.seconds}

    def alternate(self, epochs: int) -> dict[str, Any]:
        """Trains with the hood open and shut by turns, an epoch each."""
        turns = Turns(self.watch)
        self.model.fit(self.x, self.y, BATCH, epochs, 0, [turns], shuffle=False)
        told = {"cost": self.watch.cost, "probed": self.watch.probed, "of": self.watch.steps}
        return told | {"open": turns.seconds[True], "shut": turns.seconds[False]}


class Turns(keras.callbacks.Callback):
    """Seconds of steps, each epoch a list, with the hood open and shut by turns."""

    def __init__(self, watch: Any) -> None:
        super().__init__()
        self.watch = watch
        self.seconds: dict[bool, list[list[float]]] = {True: [], False: []}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.open = epoch < WARMING or epoch % 2 == 0
        self.model.train_function = self.watch._train if self.open else self.watch._shut
        self.steps: list[float] = []
        self.last = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        self.steps.append(now - self.last)
        self.last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch >= WARMING:
            self.seconds[self.open].append(self.steps)


def main() -> None:
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    settings = json.loads(sys.stdin.readline())
    training = Training(settings["network"], settings["way"], settings["steps"])
    if training.watch:
        print(json.dumps(training.train(1)), flush=True)
        for line in sys.stdin:
            print(json.dumps(training.alternate(json.loads(line))), flush=True)
    print(json.dumps(training.train(1)), flush=True)
    for line in sys.stdin:
        print(json.dumps(training.train(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
