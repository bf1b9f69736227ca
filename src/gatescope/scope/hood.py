"""The hood over every model of a script: opened when one is compiled or first trained.

What a script calls is patched on Keras' classes, and hands on to what stood there. Whatever fails
in a wrapper of ours, the script goes on.
"""

from __future__ import annotations

import inspect
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, final
from unittest.mock import patch
from weakref import WeakSet

import keras
import numpy as np

from gatescope.errors import GatescopeError
from gatescope.runs.open import open_run
from gatescope.scope.budget import in_words
from gatescope.scope.crash import calling_line, describe_crash
from gatescope.scope.loops import Loops
from gatescope.scope.replay import KEPT_STEP
from gatescope.scope.watch import Ran, Watch

if TYPE_CHECKING:
    from gatescope.scope.sitting import Sitting

ResultT = TypeVar("ResultT")
Method = Callable[..., Any]


class TimeIsUp(SystemExit):
    """Ends a script whose own loop has trained as long as it was allowed to."""


@final
class Hood:
    """Watches every model that this process trains.

    Args:
        session: The script, and how it is watched.
    """

    def __init__(self, session: Sitting) -> None:
        self._session = session
        self._watches: WeakSet[Watch] = WeakSet()  # or models would never be freed
        self._ran: list[Ran] = []
        self._inside = threading.local()
        self._undo = ExitStack()
        self._loops = Loops(session, self._is_inside, self._out_of_time)
        for name, wrapper in (
            ("compile", self._compiling),
            ("fit", self._fitting),
            ("train_on_batch", self._training),
            ("evaluate", self._evaluating),
            ("predict", self._predicting),
        ):
            # Where they are defined, for Keras asks whether a model has a `compile` of its own.
            owner = next(kind for kind in keras.Model.__mro__ if name in vars(kind))
            method = wrapper(getattr(owner, name))
            self._undo.enter_context(patch.object(owner, name, method))
        self._undo.enter_context(self._loops.open())
        if session.settings.max_epochs:
            self._undo.callback(keras.config.set_max_epochs, keras.config.max_epochs())
            keras.config.set_max_epochs(session.settings.max_epochs)

    def close(self) -> None:
        """Finishes what still goes on and puts Keras back as it was."""
        self.finish_open_runs()
        for watch in list(self._watches):
            watch.close()
        self._undo.close()

    def finish_open_runs(self) -> None:
        """Finishes the runs of `train_on_batch` and of loops of the script's own."""
        for watch in self._going_on():
            if not watch.fitting:
                watch.end("finished")
        self._loops.end()

    def crashed(self, error: BaseException) -> None:
        """Records what ended the script, unless a run has it already."""
        if getattr(error, "_gatescope_recorded", False):
            return
        going_on = self._going_on()
        for watch in going_on:
            watch.end("failed", error)
        in_loop = self._loops.crashed(error)
        if not isinstance(error, Exception) or going_on or in_loop:
            return
        after = [ran.run for ran in self._ran if ran.run.begun]
        if not after:
            self._session.note_crash(error)
            return
        # What the training came to may be what the script stumbles over.
        after[-1].add_late("crash", 0, describe_crash(error))
        self._session.note(
            f"{type(error).__name__} after that training: gatescope doctor explains it"
        )

    def _going_on(self) -> list[Watch]:
        return [ran.watch for ran in self._ran if ran.watch]

    def lines(self, path: Callable[[Path], str]) -> list[str]:
        """Of each run, where it is and what it cost."""
        told = [_line(ran, path) for ran in self._ran]
        told += self._loops.lines(path)
        return [line for line in told if line]

    def _compiling(self, compile_model: Method) -> Method:
        @wraps(compile_model)
        def compiled(model: Any, *args: Any, **kwargs: Any) -> Any:
            result = compile_model(model, *args, **kwargs)
            self._harmlessly(self._was_compiled, model)
            return result

        return compiled

    def _was_compiled(self, model: Any) -> None:
        """A model that is compiled anew has another optimizer and graph: another watch."""
        watch = watch_of(model)
        if watch in self._watches:
            watch.close()
        if not self._is_inside():
            made = self._open(model)
            made.compiled_at = calling_line()

    def _fitting(self, fit: Method) -> Method:
        @wraps(fit)
        def fitted(model: Any, *args: Any, **kwargs: Any) -> Any:
            watch = self._watch(model)
            if watch is None:
                return fit(model, *args, **kwargs)
            with self._being_inside():
                return watch.fit(fit, *args, **kwargs)

        return fitted

    def _training(self, train: Method) -> Method:
        @wraps(train)
        def trained(model: Any, *args: Any, **kwargs: Any) -> Any:
            watch = self._watch(model)
            if watch is None:
                return train(model, *args, **kwargs)
            with self._being_inside():
                result = watch.train_on_batch(train, *args, **kwargs)
            self._out_of_time()
            return result

        return trained

    def _evaluating(self, evaluate: Method) -> Method:
        @wraps(evaluate)
        def evaluated(model: Any, *args: Any, **kwargs: Any) -> Any:
            return self._asking("evaluate", evaluate, model, *args, **kwargs)

        return evaluated

    def _predicting(self, predict: Method) -> Method:
        @wraps(predict)
        def predicted(model: Any, *args: Any, **kwargs: Any) -> Any:
            return self._asking("predict", predict, model, *args, **kwargs)

        return predicted

    def _asking(self, name: str, ask: Method, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Asks a trained model, and adds what it is asked and what it tells to its last run."""
        if self._is_inside():
            return ask(model, *args, **kwargs)
        with self._being_inside():
            result = ask(model, *args, **kwargs)
        self._harmlessly(
            self._was_asked, name, model, result, partial(_bound, ask, model, args, kwargs)
        )
        return result

    def _was_asked(
        self, name: str, model: Any, result: Any, given: Callable[[], Mapping[str, Any]]
    ) -> None:
        watch = watch_of(model)
        if watch is None or (name == "predict" and name in watch.heard):
            return  # predictions may be many
        told = result if isinstance(result, dict) else {"result": result}
        shown = told if name == "evaluate" else {}
        watch.asked(name, given(), {**shown, "at": calling_line()})

    def _watch(self, model: Any) -> Watch | None:
        """The watch over a model, opened if there is none; none within another training."""
        if self._is_inside() or not getattr(model, "compiled", False):
            return None
        known = watch_of(model)
        if known is None:
            known = self._harmlessly(self._open, model)
        elif known not in self._watches:
            self._session.note("the script watches a model itself, with gs.watch")
            return None
        if known is not None:
            known.deadline = self._session.deadline
        return known

    def _open(self, model: Any) -> Watch:
        settings = self._session.settings
        watch = Watch(
            model,
            settings.overhead,
            settings.runs,
            settings.name or f"{self._session.name}-{model.name}",
            keep_data=settings.keep_data,
            ran=self._ran,
        )
        self._watches.add(watch)
        return watch

    def _harmlessly(self, work: Callable[..., ResultT], *args: Any) -> ResultT | None:
        try:
            return work(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, the script is worth more
            self._session.note(f"not all was recorded: {type(error).__name__}: {error}")
            return None

    def _is_inside(self) -> bool:
        return bool(getattr(self._inside, "deep", 0))

    @contextmanager
    def _being_inside(self) -> Iterator[None]:
        """While Keras trains, evaluates or predicts in this thread."""
        self._inside.deep = getattr(self._inside, "deep", 0) + 1
        try:
            yield
        finally:
            self._inside.deep -= 1

    def _out_of_time(self) -> None:
        """Ends the script if its own loop has trained long enough."""
        deadline = self._session.deadline
        if deadline is not None and time.monotonic() > deadline:
            self._session.note("the script was ended, for its time was up (--seconds)")
            raise TimeIsUp(0)


def _bound(
    method: Method, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Arguments by their names."""
    return inspect.signature(method).bind(model, *args, **kwargs).arguments


def watch_of(model: Any) -> Any:
    """The watch over a model; None where there is none."""
    return getattr(vars(model).get("make_train_function"), "__self__", None)


def _line(ran: Ran, path: Callable[[Path], str]) -> str:
    """A run in one line; nothing where it could not be recorded."""
    if not ran.run.begun:
        return ""
    place, steps = path(ran.run.folder), f"{ran.steps} step{'s' * (ran.steps != 1)}"
    cost = in_words(ran.seconds, ran.cost)
    told = f"{place}: {steps}, {ran.probed} probed, at a cost of {cost}"
    return f"{told}{_about_bad(ran.run.folder, shlex.quote(place))}"


def _about_bad(folder: Path, place: str) -> str:
    """From which step on a run was not finite, and what to type then; nothing if it was."""
    with suppress(GatescopeError, OSError):
        run = open_run(folder)
        steps = run.events["step"][run.events["kind"] == "first bad value"]
        if not len(steps) and "batch_loss" in run.metric_names:
            losses = run.metric("batch_loss")
            steps = losses["step"][~np.isfinite(losses["value"])]
        if len(steps):
            kept = any(file.name == KEPT_STEP for file in run.kept)
            replay = f"gatescope replay {place}, " if kept else ""
            return f"; not finite from step {steps[0]:,} on: {replay}gatescope doctor {place}"
    return ""
