"""Trains, is killed at random moments, resumes. Run by test_resume.py: killed_training.py FOLDER.

Importing TensorFlow takes seconds, so this process imports it once and forks each training before
TensorFlow has started any thread. A training writes what it sees to a file of its own, a line for
each epoch and step.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gatescope.training.checkpoints import load_checkpoint, save_checkpoint
from gatescope.training.determinism import repeat_exactly

# Far more epochs than all lives together can do before each is killed: the last must go on.
EPOCHS, STEPS, WORDS, KILLS = 20, 8, 40, 3


class Noise(layers.Layer):
    """Draws from Keras' global seed generator."""

    def call(self, inputs, training=False):
        return inputs + 0.01 * keras.random.normal(tf.shape(inputs)) if training else inputs


class Watch(keras.callbacks.Callback):
    """Writes losses and draws of the global generators to the bit, and saves each epoch."""

    def __init__(self, log, checkpoint):
        super().__init__()
        self.log, self.checkpoint = log, checkpoint

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.write("draws", random.random(), np.random.normal())

    def on_train_batch_end(self, batch, logs=None):
        self.write(batch, logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        save_checkpoint(
            self.checkpoint, self.model, self.model.optimizer, epoch=epoch + 1, metadata={}
        )

    def write(self, key, *values):
        self.log.write(f"{self.epoch} {key} {' '.join(map(float.hex, values))}\n")
        self.log.flush()


def batches(first):
    for epoch in range(first, EPOCHS):
        rng = np.random.default_rng((7, epoch))
        for _ in range(STEPS):
            words = rng.integers(0, WORDS, (16, 6))
            yield words[:, :-1], words[:, 1:]


def build():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Embedding(WORDS, 16),
            layers.Dropout(0.3),
            Noise(),
            layers.GRU(16, return_sequences=True, recurrent_dropout=0.2),
            layers.BatchNormalization(),
            layers.Dense(WORDS),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-2, EPOCHS * STEPS)
    model.compile(
        keras.optimizers.Adam(rate, use_ema=True, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return model


def train(log, checkpoint, seed):
    repeat_exactly()
    keras.utils.set_random_seed(seed)
    model, first = build(), 0
    if checkpoint.exists():
        first = load_checkpoint(checkpoint, model, model.optimizer).epoch
    spec = tf.TensorSpec((16, 5), tf.int64)
    data = tf.data.Dataset.from_generator(lambda: batches(first), output_signature=(spec, spec))
    with log.open("w") as file:
        model.fit(
            data.prefetch(2),
            initial_epoch=first,
            epochs=EPOCHS,
            steps_per_epoch=STEPS,
            callbacks=[Watch(file, checkpoint)],
            verbose=0,
            shuffle=False,
        )


def start(log, checkpoint, seed):
    """Forks a training and returns its process id."""
    child = os.fork()
    if child:
        return child
    train(log, checkpoint, seed)
    os._exit(0)


def kill_after(child, log, lines):
    """Kills a training a few milliseconds after it has written so many lines."""
    while not log.exists() or log.read_text().count("\n") < lines:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the training ended by itself"
        time.sleep(0.002)
    time.sleep(random.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def finish(child):
    assert os.waitpid(child, 0)[1] == 0, "the training failed"


def main(folder):
    finish(start(folder / "whole.log", folder / "whole.checkpoint", seed=1))
    checkpoint = folder / "killed.checkpoint"
    for number in range(KILLS + 1):
        # Every training is seeded anew: what makes it go on as before is in the checkpoint.
        log = folder / f"killed{number}.log"
        child = start(log, checkpoint, seed=number + 1)
        if number == KILLS:
            finish(child)
        else:  # Each is killed while it saves its first epoch, or in its second.
            saved = STEPS + 1 + (number == 0)
            kill_after(child, log, random.randint(saved, 2 * STEPS + 2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
