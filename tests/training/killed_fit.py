"""Fits a model whole, and killed at random moments and resumed. Run by test_fit.py: FOLDER SEED.

TensorFlow is imported once: every life of the training is a fork, before it has started a thread.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

from gatescope.training import course
from gatescope.training.fit import FitConfig, fit
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine, Plateau

EPOCHS, KILLS = 12, 3
COSINE = FitConfig(
    epochs=EPOCHS,
    batch_size=8,
    optimizer=OptimizerConfig(name="adamw", learning_rate=0.01, settings={"use_ema": True}),
    schedule=Cosine(warmup=0.1),
    class_weight="balanced",
    clip_norm=1.0,
)
PLATEAU = FitConfig(
    epochs=EPOCHS,
    batch_size=8,
    optimizer=OptimizerConfig(name="sgd", learning_rate=0.05),
    schedule=Plateau(factor=0.5, patience=1),
    restore_best=False,
)


class Slow(keras.callbacks.Callback):
    """Leaves the time to be killed in, and draws from the global generators."""

    def on_epoch_begin(self, epoch, logs=None):
        time.sleep(0.1)

    def on_epoch_end(self, epoch, logs=None):
        logs["draws"] = random.random() + np.random.normal()


def train(run, config, seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, "relu"),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(60, 6)), rng.integers(0, 3, 60)
    resume = (run / "recipe.json").exists()
    fitted = fit(
        model,
        (x[:40], y[:40]),
        config,
        run=run,
        validation=(x[40:], y[40:]),
        resume=resume,
        callbacks=[Slow()],
    )
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    np.savez(run.with_suffix(".npz"), weights=weights, **fitted.history, best=fitted.best_epoch)


def start(run, config, seed):
    child = os.fork()
    if child:
        return child
    train(run, config, seed)
    os._exit(0)


def wait_for(child, file, rewritten):
    """Waits until a file has been written so many times more, and a moment."""
    seen = set()
    while len(seen) <= rewritten:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the training ended by itself"
        if file.exists():
            seen.add(file.stat().st_mtime_ns)  # an inode is used again by the file after the next
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.03))


def finish(child):
    assert os.waitpid(child, 0)[1] == 0, "the training failed"


def main(folder, seed):
    random.seed(seed)
    course._SAVING = float("inf")  # every epoch, however short
    for name, config in (("cosine", COSINE), ("plateau", PLATEAU)):
        finish(start(folder / f"{name}-whole", config, seed=1))
        run = folder / f"{name}-killed"
        for life in range(KILLS):  # seeded anew: what makes it go on as before is on disk
            child = start(run, config, seed=1 if life == 0 else 100 + life)
            wait_for(child, run / "last.safetensors", random.randint(1, 2))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        finish(start(run, config, seed=99))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
