"""Small networks in Keras: an eager training step of each, and `gs.trace`; run by `trace.py`."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

import gatescope as gs  # before TensorFlow, which asks only once whether to use oneDNN

# isort: split
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from turns import Work, take_turns

LAYERS = {
    "cnn": lambda: [
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10),
    ],
    "lstm": lambda: [keras.Input((20, 32)), layers.LSTM(64), layers.Dense(10)],
}


@cache
def network(name: str) -> keras.Model:
    model = keras.Sequential(LAYERS[name]())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=True)
    return model


def find(request: dict[str, Any]) -> Work:
    """An eager step, or a trace within a budget of so many bytes."""
    model = network(request["network"])
    rng = np.random.default_rng(0)
    x = rng.standard_normal((request["samples"], *model.input_shape[1:]), np.float32)
    y = rng.integers(0, 10, request["samples"])
    if request["work"] == "step":
        return Work(lambda: model.train_on_batch(x, y), lambda loss: {"loss": float(loss)})
    budget = {"memory_budget": request["budget"]} if request["budget"] else {}
    return Work(lambda: gs.trace(model, x, y, **budget), about)


def about(trace: gs.Trace) -> dict[str, float]:
    forward = [gate for gate in trace.gates if gate.phase == "forward"]
    return {
        "forward": len(forward),
        "backward": len(trace.gates) - len(forward),
        "gradients": sum(any(value.gradient for value in gate.outputs) for gate in forward),
        "kept": trace.kept,
        "allowed": trace.memory_budget,
    }


def main() -> None:
    threads = json.loads(sys.stdin.readline())["threads"]
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    take_turns({"version": f"Gatescope, Keras {keras.__version__}"}, find)


if __name__ == "__main__":
    main()
