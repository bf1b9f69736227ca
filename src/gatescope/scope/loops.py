"""Loops of a script's own, around a `GradientTape`: what their layers and optimizers do.

There is no `fit` to watch, so the tape is: a model called under one is met, and an optimizer that
applies gradients outside of Keras' training takes a step. In a `tf.function` Python runs once, and
what looks is part of the graph behind a switch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, final
from unittest.mock import patch
from weakref import WeakKeyDictionary, WeakSet

import keras
import tensorflow as tf

from gatescope.scope.bad_step import beside_graphs
from gatescope.scope.instruments import with_gradients
from gatescope.scope.loop import Loop

if TYPE_CHECKING:
    from gatescope.scope.sitting import Sitting

Method = Callable[..., Any]


class _Thread(threading.local):
    """What goes on in a thread: tapes that record, layers that call each other, the last loss."""

    tapes = 0
    depth = 0
    loss: Any = None
    function: Any = None


@final
class Loops:
    """Watches models that are trained outside of `fit`.

    Args:
        session: The script.
        is_inside: Whether Keras itself trains in this thread.
        out_of_time: Ends the script when its time is up.
    """

    def __init__(
        self, session: Sitting, is_inside: Callable[[], bool], out_of_time: Callable[[], None]
    ) -> None:
        self._session, self._is_inside, self._out_of_time = session, is_inside, out_of_time
        self._loops: list[Loop] = []
        self._met: WeakKeyDictionary[Any, Loop] = WeakKeyDictionary()
        self._chosen: dict[tuple[int, ...], Loop] = {}
        self._functions: WeakKeyDictionary[Any, WeakSet[Loop]] = WeakKeyDictionary()
        self._thread = _Thread()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Patches what a loop of one's own calls."""
        function = type(tf.function(lambda: None))
        with ExitStack() as undo:
            for owner, name, wrapper in (
                (tf.GradientTape, "__enter__", self._entering),
                (tf.GradientTape, "__exit__", self._leaving),
                (tf.GradientTape, "gradient", self._differentiating),
                (keras.Layer, "__call__", self._calling),
                (keras.Optimizer, "apply", self._applying),
                (function, "__call__", self._running),
            ):
                undo.enter_context(patch.object(owner, name, wrapper(getattr(owner, name))))
            yield

    def end(self) -> None:
        """Finishes the runs."""
        for loop in self._loops:
            self._harmlessly(loop.end, None)

    def crashed(self, error: BaseException) -> bool:
        """Ends the runs with an error; whether there was one."""
        going_on = [loop for loop in self._loops if loop.run and loop.run.recording]
        for loop in going_on:
            self._harmlessly(loop.end, error)
        return bool(going_on)

    def lines(self, path: Callable[[Path], str]) -> list[str]:
        """Of each run, where it is and what it cost."""
        return [loop.line(path) for loop in self._loops]

    def _entering(self, enter: Method) -> Method:
        @wraps(enter)
        def entered(tape: Any) -> Any:
            self._thread.tapes += 1
            if self._thread.tapes == 1:
                for loop in self._loops:
                    loop.instruments.forget()
            return enter(tape)

        return entered

    def _leaving(self, leave: Method) -> Method:
        @wraps(leave)
        def left(tape: Any, *error: Any) -> Any:
            self._thread.tapes -= 1
            return leave(tape, *error)

        return left

    def _differentiating(self, gradient: Method) -> Method:
        @wraps(gradient)
        def differentiated(tape: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_inside():
                return gradient(tape, target, *args, **kwargs)
            self._thread.loss = target
            watching = [loop.instruments for loop in self._loops]
            return with_gradients(watching, gradient, tape, target, *args, **kwargs)

        return differentiated

    def _calling(self, call: Method) -> Method:
        @wraps(call)
        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            thread = self._thread
            if not thread.tapes or self._is_inside():
                return call(layer, *args, **kwargs)
            if not thread.depth and isinstance(layer, keras.Model):
                self._harmlessly(self._meet, layer)
            thread.depth += 1
            try:
                outputs = call(layer, *args, **kwargs)
            finally:
                thread.depth -= 1
            if loop := self._met.get(layer):
                self._harmlessly(loop.tap, layer, outputs)
            return outputs

        return called

    def _meet(self, model: Any) -> None:
        """Makes ready to look into a model, when a tape sees it for the first time."""
        if model in self._met:
            return
        loop = beside_graphs(partial(Loop, self._session, model))
        self._loops.append(loop)
        for layer in [model, *loop.layers]:
            self._met[layer] = loop

    def _applying(self, apply: Method) -> Method:
        @wraps(apply)
        def applied(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
            outer = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
            if outer or self._is_inside():
                return apply(optimizer, grads, trainable_variables)
            grads = list(grads)
            variables = list(trainable_variables or optimizer._trainable_variables)
            loop = self._harmlessly(self._before, optimizer, grads, variables)
            result = apply(optimizer, grads, trainable_variables)
            if loop:
                self._harmlessly(loop.after_update, grads, variables)
                if tf.executing_eagerly():
                    self._out_of_time()
            return result

        return applied

    def _before(self, optimizer: Any, grads: Sequence[Any], variables: Sequence[Any]) -> Loop:
        loop = self._loop_of(optimizer, variables)
        if self._thread.function is not None and not tf.executing_eagerly():
            self._functions.setdefault(self._thread.function, WeakSet()).add(loop)
        loop.before_update(optimizer, self._thread.loss, variables)
        self._thread.loss = None
        return loop

    def _loop_of(self, optimizer: Any, variables: Sequence[Any]) -> Loop:
        """That of the model which most of these variables are of."""
        key = (id(optimizer), *map(id, variables))
        if key not in self._chosen:
            wanted = set(map(id, variables))
            found = max(self._loops, key=lambda loop: loop.share_of(wanted), default=None)
            if found is None or not found.share_of(wanted):
                found = beside_graphs(partial(Loop, self._session, None))
                self._loops.append(found)
            self._chosen[key] = found
        return self._chosen[key]

    def _running(self, run: Method) -> Method:
        @wraps(run)
        def ran(function: Any, *args: Any, **kwargs: Any) -> Any:
            thread = self._thread
            if thread.function is not None or self._is_inside() or not tf.executing_eagerly():
                return run(function, *args, **kwargs)
            thread.function = function
            self._harmlessly(self._before_function, function)
            began = time.perf_counter()
            try:
                result = run(function, *args, **kwargs)
            finally:
                thread.function = None
            if function in self._functions:
                self._harmlessly(self._after_function, function, time.perf_counter() - began)
                self._out_of_time()
            return result

        return ran

    def _before_function(self, function: Any) -> None:
        for loop in self._functions.get(function, ()):
            loop.before_function()

    def _after_function(self, function: Any, seconds: float) -> None:
        for loop in self._functions[function]:
            loop.after_function(seconds)

    def _harmlessly(self, work: Callable[..., Any], *args: Any) -> Any:
        try:
            return work(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, the script is worth more
            self._session.note(f"not all was recorded: {type(error).__name__}: {error}")
            return None
