"""What looks into a training step from inside: probes of layers, gradients and weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from typing import Any, final
from unittest.mock import patch

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gatescope.scope import statistics
from gatescope.scope.bad_step import BadStep, beside_graphs

RING = 1_024
"""Steps whose losses wait inside the graph until they are read."""
_BATCH = ("mean", "deviation", "minimum", "maximum", "not_finite")
BATCH_STATISTICS = tuple(f"{part}_{name}" for part in ("input", "target") for name in _BATCH)


@final
class Instruments:
    """Variables that a training step writes what it sees into, and the code that makes it write.

    Nothing is created in Keras, and no random number is drawn, so that a watched training computes
    what an unwatched one does. What fails here is kept as `failure`, and the step goes on.

    Args:
        model: The model.
        static: See `BadStep`.

    Attributes:
        names: The watched layers.
        bad_step: The first step that went wrong.
        steps: A variable, how many steps there were.
        gate: Does what looks at a step; a step that Python cannot tell from others has a switch.
        failure: What went wrong in the instruments themselves.
        sees_updates: Whether an optimizer was seen at work, and with it gradients.
        sees_loss: Whether its loss was, too.
    """

    def __init__(self, model: keras.Model, static: bool) -> None:
        self._layers = dict(watched_layers(model))
        self.names = list(self._layers)
        self.bad_step = BadStep(model, static)
        self.gate: Callable[[Callable[[], object]], None] = _at_once
        self.failure: Exception | None = None
        self.sees_updates = self.sees_loss = False
        self._static = static
        self._places = {id(layer): place for place, layer in enumerate(self._layers.values())}
        self._flat = [statistics.flat_beyond(layer) for layer in self._layers.values()]
        self._idle: dict[int, tf.Variable] = {}
        self._rows = _zeros((len(self.names), len(statistics.STATISTICS)))
        self._batch = _zeros((len(BATCH_STATISTICS),))
        self._ring = _zeros((RING, 2))
        self._seconds = _zeros((), tf.float64)
        self._times = not static and _has_clock()
        self.steps = _zeros((), tf.int64)
        self._loss: tf.Tensor | None = None
        self._seen: list[tuple[int, tf.Tensor]] = []
        self._data: Any = None
        self._thread = self._depth = 0

    def begin(self) -> None:
        """Forgets what was seen, as another training begins."""
        for variable in (self._rows, *self._idle.values()):
            variable.assign(tf.zeros_like(variable))
        self.bad_step.forget()

    @property
    def layers(self) -> list[Any]:
        """The watched layers."""
        return list(self._layers.values())

    def place_of(self, layer: Any) -> int | None:
        """Which of the watched layers one is; None if it is none of them."""
        return self._places.get(id(layer))

    def rows(self) -> npt.NDArray[np.float32]:
        """The probes of the last step that was probed, `(layers, STATISTICS)`."""
        return np.asarray(self._rows.numpy())

    def batch(self) -> dict[str, float]:
        """The inputs and targets of the last step that was probed."""
        return dict(zip(BATCH_STATISTICS, map(float, self._batch.numpy()), strict=True))

    def losses(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Losses and learning rates of steps, from the first to before the last, at most `RING`."""
        ring = self._ring.numpy()
        return np.asarray(ring[np.arange(first, last) % RING])

    @property
    def lost(self) -> str:
        """What the model's own training step keeps from being seen."""
        if not self.sees_updates:
            return "losses, gradients of weights and the first bad step"
        return "" if self.sees_loss else "losses"

    @property
    def seconds(self) -> float:
        """What is done in every step took so long in the last one that was probed.

        Not counted where nothing inside tells the time: in what XLA compiles, and where TensorFlow
        was asked for determinism.
        """
        return float(self._seconds.numpy())

    @contextmanager
    def inside(self, *, probing: bool) -> Iterator[None]:
        """Instruments what is computed, or put into a graph, meanwhile in this thread."""
        self._thread, self._loss, self._depth = threading.get_ident(), None, 0
        self._seen = []
        with ExitStack() as opened:
            opened.enter_context(_patched(tf.GradientTape, "gradient", self._differentiating))
            for optimizer in defining(keras.Optimizer, "apply"):
                opened.enter_context(_patched(optimizer, "apply", self._updating(probing)))
            if probing:
                opened.enter_context(_patched(keras.Layer, "__call__", self._calling))
            yield

    @contextmanager
    def around(self, data: Any, *, probing: bool) -> Iterator[None]:
        """What surrounds a step, and is never compiled by XLA.

        Args:
            data: The batch.
            probing: Whether this step is looked at.
        """
        self._data = None if self._static else data
        self.safely(partial(self._begin_step, data, probing))
        yield
        self._data = None
        self.safely(partial(self._end_step, data))

    def _begin_step(self, data: Any, probing: bool) -> None:
        if probing:
            x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
            self._batch.assign(tf.concat([_of_numbers(x), _of_numbers(y)], 0))
            self._seconds.assign(0.0)
        self._timed(probing, [], self.bad_step.before_forward)

    def _end_step(self, data: Any) -> None:
        if self._static:
            self.bad_step.after_step(data, self.steps.value())
        self.steps.assign_add(1)

    def safely(self, work: Callable[[], Any]) -> Any:
        """Does what must not end a training if it fails."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the training is worth more
            self.failure = self.failure or error
            return None

    def _timed(self, times: bool, after: Sequence[Any], work: Callable[[], Any]) -> Any:
        """Adds up how long some work takes, where it can be told."""
        if not (times and self._times):
            return work()
        with tf.control_dependencies(after):
            began = tf.timestamp()
        with tf.control_dependencies([began]):
            done = work()
        with tf.control_dependencies([one for one in done if one is not None]):
            self._seconds.assign_add(tf.timestamp() - began)
        return done

    def _is_elsewhere(self) -> bool:
        return threading.get_ident() != self._thread

    def outputs(self) -> list[tf.Tensor]:
        """The outputs that were seen and whose gradients are to be; of this graph alone."""
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        self._seen = [
            (place, output)
            for place, output in self._seen
            if (output.graph if tf.is_symbolic_tensor(output) else None) is graph
        ]
        return [output for _, output in self._seen]

    def write_gradients(self, gradients: Sequence[Any]) -> None:
        """Takes note of the gradients of `outputs`; None where the target depends on no such."""
        for (place, _), gradient in zip(self._seen, gradients, strict=True):
            if gradient is not None:
                rows = statistics.sample(tf.stop_gradient(_values(gradient)))
                self.gate(partial(self._write_gradient, place, rows))
        self._seen = []

    def forget(self) -> None:
        """Begins another step: what was seen in the last is of no more use."""
        self._seen = []

    def _differentiating(self, gradient: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(gradient)
        def differentiated(tape: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_elsewhere():
                return gradient(tape, target, *args, **kwargs)
            self._loss = self.safely(partial(_sum, target))
            return with_gradients([self], gradient, tape, target, *args, **kwargs)

        return differentiated

    def _updating(self, probing: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrapped(apply: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(apply)
            def applied(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
                scaler = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
                if self._is_elsewhere():
                    return apply(optimizer, grads, trainable_variables)
                grads = list(grads)
                variables = list(trainable_variables or optimizer._trainable_variables)
                looks = probing and not scaler  # which leaves the update to the optimizer inside
                before: list[tf.Tensor] = []
                seen: list[tf.Tensor] = []
                if not self._depth:
                    work = partial(self._before, optimizer, grads, variables, probing)
                    seen = self.safely(work) or []
                if looks:
                    before = self.safely(partial(_values_of, variables)) or []
                self._depth += 1
                try:
                    with tf.control_dependencies(seen):
                        result = apply(optimizer, grads, trainable_variables)
                finally:
                    self._depth -= 1
                if looks and before:
                    self.safely(partial(self.write_updates, grads, variables, before))
                return result

            return applied

        return wrapped

    def _before(
        self, optimizer: Any, grads: Sequence[Any], variables: Sequence[Any], probing: bool
    ) -> list[tf.Tensor]:
        """Keeps the loss, and all of the step if it is the first bad one; the update waits for it.

        Returns:
            What to wait for.
        """
        if not optimizer.built:
            with tf.init_scope():
                optimizer.build(variables)
        known = [_values(grad) for grad in grads if grad is not None]
        loss = self._loss if self._loss is not None and _is_reachable(self._loss) else None
        self.sees_loss = loss is not None
        loss = tf.constant(0.0) if loss is None else loss
        work = partial(self._in_every_step, optimizer, loss, known)
        seen: list[tf.Tensor] = self._timed(probing, [loss, *known], work)
        self.sees_updates = True
        return [] if self._static else seen[:1]

    def _in_every_step(
        self, optimizer: Any, loss: tf.Tensor, grads: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        step = self.steps.value()
        told = tf.stack([_unscaled(optimizer, loss), tf.cast(optimizer.learning_rate, tf.float32)])
        written = tf.raw_ops.ResourceScatterUpdate(
            resource=self._ring.handle, indices=step % RING, updates=told
        )
        evidence = [loss, *_evidence(optimizer, grads)]
        kept = self.bad_step.before_update(optimizer, evidence, step, self._data)
        return [kept] if written is None else [kept, written]

    def write_loss(self, loss: tf.Tensor, rate: tf.Tensor) -> None:
        """Takes note of the loss and the learning rate of the present step."""
        self._ring.scatter_nd_update([[self.steps.value() % RING]], [tf.stack([loss, rate])])

    def write_updates(
        self, grads: Sequence[Any], variables: Sequence[Any], before: Sequence[tf.Tensor]
    ) -> None:
        """Weights, gradients and updates, for each layer."""
        for place, layer in enumerate(self._layers.values()):
            own = {id(variable) for variable in layer.trainable_variables}
            rows = [
                (old, grad, tf.convert_to_tensor(variable))
                for variable, grad, old in zip(variables, grads, before, strict=True)
                if id(variable) in own and grad is not None
            ]
            if not rows:
                continue
            size = statistics.norm([old for old, _, _ in rows])
            moved = statistics.norm([new - old for old, _, new in rows])
            slope = statistics.norm([_values(grad) for _, grad, _ in rows])
            self._write(
                place, "weight", tf.stack([size, slope, tf.math.divide_no_nan(moved, size)])
            )

    def _calling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = call(layer, *args, **kwargs)
            place = self._places.get(id(layer))
            if place is None or self._is_elsewhere():
                return outputs
            self.safely(partial(self.tap, place, outputs))
            return outputs

        return called

    def tap(self, place: int, outputs: Any) -> None:
        """Takes note of the first real one of a layer's outputs, and of its gradient later."""
        for output in tf.nest.flatten(outputs):
            if isinstance(output, tf.Tensor) and output.dtype.is_floating and output.shape.rank:
                self._tap(place, output)
                return

    def _tap(self, place: int, output: tf.Tensor) -> None:
        rows, flat = statistics.sample(tf.stop_gradient(output)), self._flat[place]
        idle = self._idle_of(place, rows.shape[-1])
        self.gate(lambda: self._write(place, "mean", statistics.of_activation(rows, flat, idle)))
        if _is_in_control_flow():  # no tape outside can be asked for what is inside
            return
        # Keras' losses go around a softmax, to the logits behind it.
        logits = getattr(output, "_keras_logits", None)
        self._seen += [(place, one) for one in (output, logits) if isinstance(one, tf.Tensor)]

    def _write_gradient(self, place: int, rows: tf.Tensor) -> None:
        self._write(place, "gradient", statistics.of_gradient(rows))

    def _idle_of(self, place: int, units: int | None) -> tf.Variable | None:
        if units is None:
            return None
        if place not in self._idle:
            self._idle[place] = beside_graphs(partial(_zeros, (units,), tf.int32))
        idle = self._idle[place]
        return idle if idle.shape == (units,) else None

    def _write(self, place: int, first: str, numbers: tf.Tensor) -> None:
        start = statistics.STATISTICS.index(first)
        places = [[place, column] for column in range(start, start + numbers.shape[0])]
        self._rows.scatter_nd_update(places, numbers)


def watched_layers(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """The layers to look at, each under a name of its own.

    Of wrappers and recurrent layers only the layer itself, for its inside runs in loops.
    """
    seen: dict[int, Any] = {}
    waiting = list(model.layers)
    while waiting:
        layer = waiting.pop(0)
        if id(layer) in seen or isinstance(layer, keras.layers.InputLayer):
            continue
        if not isinstance(layer, keras.Model):
            seen[id(layer)] = layer
        closed = isinstance(layer, keras.layers.RNN | keras.layers.Wrapper)
        if not closed:
            waiting = [*getattr(layer, "_layers", ()), *waiting]
    names: dict[str, int] = {}
    for layer in seen.values():
        names[layer.name] = count = names.get(layer.name, 0) + 1
        yield (layer.name if count == 1 else f"{layer.name} ({count})"), layer


def with_gradients(
    watching: Sequence[Instruments],
    gradient: Callable[..., Any],
    tape: Any,
    target: Any,
    sources: Any,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """The gradients that were asked for; on the way, those of the outputs that are looked at.

    They come from the same backward pass, and nothing stands between layers for them: what is
    computed stays the same, operation by operation.
    """
    more = [one.outputs() for one in watching]
    if not any(more):
        return gradient(tape, target, sources, *args, **kwargs)
    found, seen = gradient(tape, target, [sources, more], *args, **kwargs)
    for one, gradients in zip(watching, seen, strict=True):
        one.safely(partial(one.write_gradients, gradients))
    return found


def _has_clock() -> bool:
    """Whether a graph may ask for the time: not, where operations are to be deterministic."""
    try:
        tf.timestamp()
    except tf.errors.FailedPreconditionError:
        return False
    return True


def _at_once(work: Callable[[], object]) -> None:
    work()


def _zeros(shape: tuple[int, ...], dtype: tf.DType = tf.float32) -> tf.Variable:
    return tf.Variable(tf.zeros(shape, dtype), trainable=False)


def _is_reachable(tensor: tf.Tensor) -> bool:
    """Whether a tensor can be used here: not, where a function within the step computed it."""
    if isinstance(tensor, tf.__internal__.EagerTensor):
        return True
    graph = tf.compat.v1.get_default_graph()
    while graph is not None and graph is not tensor.graph:
        graph = getattr(graph, "outer_graph", None)
    return graph is not None


def _is_in_control_flow() -> bool:
    """Whether a loop or a condition is being built: their gradients can write to no variable."""
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if type(graph).__name__ in (
            "WhileBodyFuncGraph",
            "WhileCondFuncGraph",
            "CondBranchFuncGraph",
        ):
            return True
        graph = getattr(graph, "outer_graph", None)
    return False


def _sum(target: Any) -> tf.Tensor | None:
    parts = [tf.reduce_sum(tf.cast(part, tf.float32)) for part in tf.nest.flatten(target)]
    return tf.stop_gradient(tf.add_n(parts)) if len(parts) > 1 else tf.stop_gradient(parts[0])


def _values_of(variables: Sequence[Any]) -> list[tf.Tensor]:
    return [tf.identity(variable) for variable in variables]


def _unscaled(optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
    """A loss as it was before the optimizer made it larger, so that small gradients survive."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        loss = loss / tf.convert_to_tensor(optimizer.dynamic_scale)
    return loss if optimizer.loss_scale_factor is None else loss / optimizer.loss_scale_factor


def _evidence(optimizer: Any, grads: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The gradients, unless they may overflow: then the scale of the loss is halved, not more."""
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return list(grads)
    smallest = tf.convert_to_tensor(optimizer.dynamic_scale) <= 1.0
    return [tf.where(smallest, grad, tf.zeros_like(grad)) for grad in grads]


def _values(gradient: Any) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def _of_numbers(structure: Any) -> tf.Tensor:
    parts = [part for part in tf.nest.flatten(structure) if isinstance(part, tf.Tensor)]
    numbers = [tf.reshape(part, (-1,)) for part in parts if _is_numeric(part)]
    if not numbers:
        return tf.zeros((len(_BATCH),))
    flat = tf.cast(numbers[0], tf.float32)
    finite = tf.math.is_finite(flat)
    known = tf.where(finite, flat, 0.0)
    mean = tf.reduce_mean(known)
    deviation = tf.sqrt(tf.reduce_mean(tf.square(known - mean)))
    lost = tf.reduce_mean(tf.cast(~finite, tf.float32))
    return tf.stack([mean, deviation, tf.reduce_min(known), tf.reduce_max(known), lost])


def _is_numeric(part: tf.Tensor) -> bool:
    return bool(part.dtype.is_floating or part.dtype.is_integer or part.dtype.is_bool)


def defining(owner: type, method: str) -> Iterator[type]:
    """A class, and those below it that have a method of their own."""
    yield owner
    below: type
    for below in owner.__subclasses__():
        yield from (one for one in defining(below, method) if method in vars(one))


def _patched(
    owner: type, method: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Any:
    return patch.object(owner, method, wrapper(getattr(owner, method)))
