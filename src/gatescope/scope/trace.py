"""`gs.trace`: every gate of a real network for one batch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from numbers import Real
from typing import Any, final

import keras
import tensorflow as tf

from gatescope.errors import TraceError, UsageError
from gatescope.scope.lookup import known_gate, known_value
from gatescope.scope.neuron import Neuron, index_of, open_neuron
from gatescope.scope.page import notebook, trace_page
from gatescope.scope.plain import plain
from gatescope.scope.plans import plan_function, plan_model
from gatescope.scope.record import Gate, Index, Value
from gatescope.scope.recorded import Recorded
from gatescope.scope.recording import Recorder
from gatescope.scope.unchanged import alive, unchanged
from gatescope.scope.verification import Verification, verify_gates
from gatescope.scope.view import describe, tree

GIBIBYTE = 1 << 30
_ONE_AT_A_TIME = threading.RLock()  # classes of Keras are patched meanwhile


def trace(
    target: keras.Model | Callable[..., Any],
    *inputs: Any,
    loss: Any = None,
    sample_weight: Any = None,
    training: bool | None = None,
    memory_budget: int = GIBIBYTE,
) -> Trace:
    """Runs a network once on one batch and records every TensorFlow operation of it.

    A model with targets `y` runs as one training step does: forward in training mode, its loss,
    and the gradients; a `train_step` of its own runs as it is, optimizer included. Without targets
    it runs forward only, as in `predict`. A function (a `tf.function` too) is called with the
    inputs; if it returns one number, the gradients of that are recorded. Compiled functions run
    operation by operation meanwhile.

    Afterwards all is as it was before: weights, optimizer, statistics, random streams.

    Args:
        target: A built Keras model, or a function of tensors.
        *inputs: For a model the batch `x` and, for a loss and gradients, the targets `y`, as for
            `model.train_on_batch`; for a function its arguments.
        loss: As for `model.compile`, for a model that is not compiled, or in place of its own.
        sample_weight: As for `model.train_on_batch`.
        training: Whether layers such as dropout run as in training; by default, where there are
            targets.
        memory_budget: How many bytes of values may be kept, one GiB by default. Of values beyond
            it a summary is kept, and no gradient.

    Returns:
        The trace.

    Raises:
        TraceError: The model is not built or has no loss, or does not take the batch; or this is
            called inside a `tf.function`.
        UsageError: There is no such loss, or the memory budget is no number of bytes.

    Example:
        >>> trace = gs.trace(model, x, y)
        >>> trace.find(layer="dense", op="MatMul")
        [<gate 54 sequential/dense/MatMul>]
    """
    _check_budget(memory_budget)
    _check_eager()
    if isinstance(target, keras.Model):
        plan = plan_model(target, inputs, loss, sample_weight, training)
    else:
        plan = plan_function(target, inputs)
    with _ONE_AT_A_TIME:
        found = alive()
        recorder = Recorder(sys._getframe(), found.names | plan.names, memory_budget)
        with unchanged(found, recorder.gates), recorder.open():
            result = plan.run()
        return Trace(recorder, recorder.values_in(result))


def _check_budget(memory_budget: Any) -> None:
    if not isinstance(memory_budget, Real) or not float(memory_budget) >= 0:
        raise UsageError(
            f"memory_budget is {memory_budget!r}",
            "a number of bytes, 0 or more",
            "2**30 is one GiB",
        )


def _check_eager() -> None:
    if not tf.executing_eagerly():
        raise TraceError(
            "gs.trace was called where TensorFlow only draws a graph, and no number exists",
            "a call from plain Python",
            "call it outside of tf.function; gs.trace(function, …) opens one by itself",
        )


@final
class Trace(Recorded):
    """Every gate that ran for one batch, forward and backward: proves, opens and shows itself."""

    def verify(self, samples: int = 2, seed: int = 0) -> Verification:
        """Proves the trace: computes every gate again, checks gradients by central differences.

        An element's gradient must be what a small change of it does to the outputs of the gates
        that use it, computed in double precision, weighted by the gradients of those outputs. So
        every gate's own derivative is checked.

        Args:
            samples: How many elements of each gradient are checked.
            seed: Which ones.

        Returns:
            What agrees, what differs, and what could not be checked and why.

        Example:
            >>> trace.verify().ok
            True
        """
        return verify_gates(self.gates, self.passes, samples, seed)

    def tree(self, layer: str | None = None, *, ops: bool = False, width: int = 120) -> str:
        """Draws what ran, from the model down to its gates, as text.

        Equal steps of a loop are one line, with what the first and the last step made.

        Args:
            layer: Only this layer, by name or path.
            ops: Whether the gates of each layer are listed below it; of equal steps, those of the
                first.
            width: How many letters fit a line.

        Returns:
            Lines of text, the totals first.

        Raises:
            UsageError: No layer of this name ran; the nearest names are offered.

        Example:
            >>> print(trace.tree("dense", ops=True))  # doctest: +SKIP
        """
        return tree(self, layer, ops, width)

    def describe(self, gate: Gate | int) -> str:
        """Tells everything about one gate: source line, inputs, outputs, gradients, elements.

        Args:
            gate: The gate, or its place in `gates`.

        Returns:
            Lines of text.

        Raises:
            UsageError: There is no such place.

        Example:
            >>> print(trace.describe(trace.find("dense", "MatMul")[0]))  # doctest: +SKIP
        """
        return describe(known_gate(gate, self.gates))

    def to_html(self, layer: str | None = None) -> str:
        """Writes one HTML page that needs nothing else: a tree that folds, every gate in full.

        Args:
            layer: Only this layer, by name or path.

        Returns:
            The page, to be saved as UTF-8.

        Raises:
            UsageError: No layer of this name ran; the nearest names are offered.

        Example:
            >>> Path("trace.html").write_text(trace.to_html(), "utf-8")  # doctest: +SKIP
        """
        return trace_page(self, layer)

    def to_dict(self, elements: int = 16) -> dict[str, Any]:
        """The trace as plain data for JSON.

        Args:
            elements: Values of up to so many elements are told in full, others as summaries.

        Returns:
            Gates, calls and values, which refer to each other by their places in these lists; what
            is not finite is `"nan"`, `"inf"` or `"-inf"`.

        Example:
            >>> json.dumps(trace.to_dict(), allow_nan=False)  # doctest: +SKIP
        """
        return plain(self, elements)

    def _repr_html_(self) -> str:
        return notebook(self)

    def __str__(self) -> str:
        return self.tree()

    def __repr__(self) -> str:
        return f"<trace of {len(self.gates)} gates>"

    def neuron(
        self,
        what: str | Gate | Value,
        index: Index | None = None,
        *,
        unit: int | None = None,
        sample: int = 0,
        step: int | None = None,
        terms: int = 8,
    ) -> Neuron:
        """Opens one number as a circuit of scalar gates, with the values and gradients it had.

        The circuit reaches from the number back to what its layer was given: the numbers of other
        layers, weights, the batch. A recurrent layer opens at the step of its cell that made the
        number. Operations without a rule of their own open by their local derivatives.

        Args:
            what: A layer's name or path; or a gate or value of the trace.
            index: The number's place in the layer's output (of a gate, in its first output).
            unit: In place of `index`, the last number of it, for outputs of shape (samples, units).
            sample: With `unit`, the first number of it.
            step: Which call of the layer, where it has several: the step of a recurrent layer or
                cell, the number of the use of a shared layer; by default the last.
            terms: How many terms of a sum are drawn; one wire has the exact sum of the others.

        Returns:
            The neuron, a `Circuit`.

        Raises:
            UsageError: No such layer ran (the nearest names are offered), or the index is out of
                range (the range is named).
            TraceError: Only a summary of the value was kept, or it holds no real numbers.

        Example:
            >>> neuron = trace.neuron("dense", unit=3)
            >>> print(neuron)
            >>> neuron.follow()[0].name
            'max_pooling2d[0, 5, 6, 1]'
        """
        value = known_value(what, step, self.calls)
        return open_neuron(value, index_of(value, index, unit, sample), terms)
