"""Steps of Keras in a loop within TensorFlow, for data in memory.

Keras gets each batch from an iterator of `tf.data`, whose threads take longer to hand over a small
one than a short step takes. Where the data are arrays, a loop that TensorFlow runs by itself takes
the rows of each batch from them; the step in it is the model's own, and all else is Keras' `fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import keras
import tensorflow as tf

from gatescope.training.epochs import ArrayEpochs, EpochDataset

# Steps in time of a recurrence that is written out: an LSTM of 64 units took 0.6 times the time,
# with 8 of them as with 64; but tracing took a second longer with 16, and six with 64.
_WRITTEN_OUT = 16


@final
class RowSteps:
    """Steps on rows of arrays; in the place of a model's `train_function` or `test_function`.

    Args:
        step: The model's `train_step` or `test_step`.
        epochs: Has the arrays.
        jit_compile: Whether XLA compiles the step.
    """

    def __init__(
        self, step: Callable[[Any], Any], epochs: ArrayEpochs, *, jit_compile: bool
    ) -> None:
        once = tf.function(step, autograph=False, reduce_retracing=True, jit_compile=jit_compile)
        self._size = epochs.batch_size
        # Shapes that are known make a step faster, so what is left over is a step by itself.
        self._several = _traced_once(_take_several, once, epochs, rows=(None, self._size))
        self._rest = _traced_once(_take_one, once, epochs, rows=(None,))

    def __call__(self, iterator: Iterator[tf.Tensor]) -> Any:
        """Takes the steps of the next rows; returns what the last of them does."""
        rows = next(iterator)
        whole = len(rows) // self._size * self._size
        logs = self._several(tf.reshape(rows[:whole], (-1, self._size))) if whole else None
        return self._rest(rows[whole:]) if whole < len(rows) else logs


def _traced_once(
    take: Callable[..., Any], *given: Any, rows: tuple[int | None, ...]
) -> Callable[[tf.Tensor], Any]:
    # TensorFlow warns of functions of the same code that are traced time and again, as one is
    # in each training; it cannot tell the code of a partial one.
    signature = [tf.TensorSpec(rows, tf.int32)]
    return tf.function(partial(take, *given), autograph=False, input_signature=signature)


def _take_several(once: Callable[[Any], Any], epochs: ArrayEpochs, rows_NB: tf.Tensor) -> Any:
    last = tf.shape(rows_NB)[0] - 1

    def body(place: tf.Tensor) -> tuple[tf.Tensor]:
        once(epochs.batch(rows_NB[place]))
        return (place + 1,)

    # What a step returns is asked of the last one alone, so it is not computed in others.
    tf.while_loop(lambda place: place < last, body, [0], parallel_iterations=1)
    return once(epochs.batch(rows_NB[last]))


def _take_one(once: Callable[[Any], Any], epochs: ArrayEpochs, rows_B: tf.Tensor) -> Any:
    return once(epochs.batch(rows_B))


@contextmanager
def steps_in_graph(
    model: keras.Model, dataset: EpochDataset, held_out: EpochDataset | None
) -> Iterator[None]:
    """Lets `model.fit` take its steps on arrays in a loop of TensorFlow's, as many as it would.

    What is no array, a model that runs eagerly or in several replicas, or that makes its functions
    by itself, is trained as ever.

    Args:
        model: Compiled.
        dataset: What it is trained on.
        held_out: What it is scored on.
    """
    if not _may_loop(model):
        yield
        return
    _install(model, "train", dataset)
    if held_out is not None:
        _install(model, "test", held_out)
    try:
        yield
    finally:
        model.train_function = model.test_function = None


def _may_loop(model: keras.Model) -> bool:
    made_by_keras = all(
        getattr(type(model), name) is getattr(keras.Model, name) and name not in vars(model)
        for name in ("make_train_function", "make_test_function")
    )
    alone = model.distribute_strategy.num_replicas_in_sync == 1
    return made_by_keras and alone and not model.run_eagerly


def _install(model: keras.Model, kind: str, dataset: EpochDataset) -> None:
    epochs, name = dataset.arrays, f"{kind}_function"
    if epochs is None:
        return
    # Keras asks for a batch where loss and metrics are not built yet.
    model._symbolic_build(data_batch=epochs.batch(tf.range(min(epochs.batch_size, epochs.count))))
    step = getattr(model, f"{kind}_step")
    steps = RowSteps(step, epochs, jit_compile=bool(model.jit_compile))
    setattr(model, name, steps)

    def rows(epoch: int) -> Iterator[tf.Tensor] | None:
        # An open hood puts a function of its own in this place, which takes batches.
        if getattr(model, name) is not steps:
            return None
        return epochs.rows(epoch, model.steps_per_execution)

    dataset.hand_out(rows)


@contextmanager
def recurrences_written_out(model: keras.Model) -> Iterator[None]:
    """Lets short recurrences be computed without a loop over time.

    What they compute is the same; GPUs have a faster way of their own.

    Args:
        model: Built.
    """
    short = [] if tf.config.list_physical_devices("GPU") else list(_short_recurrences(model))
    for layer in short:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in short:
            layer.unroll = False


def _short_recurrences(model: keras.Model) -> Iterator[keras.layers.RNN]:
    for layer in model._flatten_layers(include_self=False):
        both_ways = isinstance(layer, keras.layers.Bidirectional)
        within = (layer.forward_layer, layer.backward_layer) if both_ways else (layer,)
        if 1 < _times(layer) <= _WRITTEN_OUT:
            yield from (
                one for one in within if isinstance(one, keras.layers.RNN) and not one.unroll
            )


def _times(layer: keras.Layer) -> int:
    """How many steps in time a layer takes, if it is recurrent; 0 where that is not known."""
    try:
        return int(layer.input.shape[1] or 0)
    except (AttributeError, IndexError, ValueError):
        return 0
