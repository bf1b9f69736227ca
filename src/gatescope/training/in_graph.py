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
# Steps of a training from which on full batches have a function of their own, where a recurrence is
# written out: known shapes took a fifth off an LSTM, as much as half a second of tracing in 1,000
# steps; other networks gained next to nothing.
_EARNED = 1_000


@final
class RowSteps:
    """Steps on rows of arrays; in the place of a model's `train_function` or `test_function`.

    Args:
        step: The model's `train_step` or `test_step`.
        epochs: Has the arrays.
        jit_compile: Whether XLA compiles the step.
        exact: Whether full batches have a function of their own.
    """

    def __init__(
        self, step: Callable[[Any], Any], epochs: ArrayEpochs, *, jit_compile: bool, exact: bool
    ) -> None:
        once = tf.function(step, autograph=False, reduce_retracing=True, jit_compile=jit_compile)
        self._size = epochs.batch_size if exact else None
        self._full, self._any = (_traced(once, epochs, exact=each) for each in (True, False))

    def __call__(self, iterator: Iterator[tf.Tensor]) -> Any:
        """Takes the steps of the next rows; returns what the last of them does."""
        rows = next(iterator)
        whole = len(rows) // self._size * self._size if self._size else 0
        logs = self._full(rows[:whole]) if whole else None
        return self._any(rows[whole:]) if whole < len(rows) else logs


def _traced(once: Any, epochs: ArrayEpochs, *, exact: bool) -> Callable[[tf.Tensor], Any]:
    # TensorFlow warns of functions of the same code that are traced time and again, as one is
    # in each training; it cannot tell the code of a partial one.
    return tf.function(
        partial(_take, once, epochs, exact),
        autograph=False,
        input_signature=[tf.TensorSpec((None,), tf.int32)],
    )


def _take(once: Any, epochs: ArrayEpochs, exact: bool, rows: tf.Tensor) -> Any:
    """Takes all steps of some rows; returns what the last one does."""
    size, count = epochs.batch_size, tf.size(rows)

    def step(start: tf.Tensor) -> Any:
        chosen_B = rows[start : start + size]
        return once(epochs.batch(tf.ensure_shape(chosen_B, (size,)) if exact else chosen_B))

    def body(start: tf.Tensor, _: Any) -> tuple[tf.Tensor, Any]:
        return start + size, step(start)

    # A loop begins with an answer of the same form: the one copy of the step stays within it.
    traced = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec((), tf.int32))
    forms = traced.structured_outputs
    _, answer = tf.while_loop(
        lambda start, _: start < count,
        body,
        (tf.constant(0), tf.nest.map_structure(_nothing, forms)),
        shape_invariants=(
            tf.TensorShape(()),
            tf.nest.map_structure(lambda form: form.shape, forms),
        ),
        parallel_iterations=1,
    )
    return answer


def _nothing(form: tf.TensorSpec) -> tf.Tensor:
    return tf.zeros([size or 0 for size in form.shape], form.dtype)


@contextmanager
def steps_in_graph(
    model: keras.Model, dataset: EpochDataset, held_out: EpochDataset | None, *, steps: int
) -> Iterator[None]:
    """Lets `model.fit` take its steps on arrays in a loop of TensorFlow's, as many as it would.

    What is no array, a model that runs eagerly or in several replicas, or that makes its functions
    by itself, is trained as ever.

    Args:
        model: Compiled.
        dataset: What it is trained on.
        held_out: What it is scored on.
        steps: How many it takes in all.
    """
    if not _may_loop(model):
        yield
        return
    exact = steps >= _EARNED and any(
        getattr(layer, "unroll", False) for layer in model._flatten_layers(include_self=False)
    )
    _install(model, "train", dataset, exact=exact)
    if held_out is not None:
        _install(model, "test", held_out, exact=exact)
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


def _install(model: keras.Model, kind: str, dataset: EpochDataset, *, exact: bool) -> None:
    epochs, name = dataset.arrays, f"{kind}_function"
    if epochs is None:
        return
    build_rest(model, epochs)
    step = getattr(model, f"{kind}_step")
    steps = RowSteps(step, epochs, jit_compile=bool(model.jit_compile), exact=exact)
    setattr(model, name, steps)

    def rows(epoch: int) -> Iterator[tf.Tensor] | None:
        # An open hood puts a function of its own in this place, which takes batches.
        if getattr(model, name) is not steps:
            return None
        return epochs.rows(epoch, model.steps_per_execution)

    dataset.hand_out(rows)


def build_rest(model: keras.Model, epochs: ArrayEpochs) -> None:
    """Builds loss, metrics and optimizer, for which Keras would trace the step once more.

    Args:
        model: Compiled.
        epochs: What it is trained on.
    """
    model._symbolic_build(data_batch=epochs.batch(tf.range(min(epochs.batch_size, epochs.count))))


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
