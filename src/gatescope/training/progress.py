"""Shows a Keras training live in a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import ceil
from types import TracebackType

import keras
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from gatescope.report.terminal import progress

_UPDATES_PER_SECOND = 5
_MOST_LINES = 60


class TrainingProgress(keras.callbacks.Callback):
    """A bar with live loss, learning rate and speed, and one line for each finished epoch.

    On a terminal the bar runs over all epochs of a `fit`; elsewhere, such as in a log, only the
    lines are written, of hundreds of epochs some, and without a console nothing is. Keras calls no
    callback when a training ends by an error or by Ctrl-C: a `with` block then gives the terminal
    back.

    Args:
        console: Where to draw.
        unit: What is counted a second: captions, photos ...
        per_step: How many of them a step reads.

    Example:
        >>> with TrainingProgress(console, unit="captions", per_step=80) as bar:  # doctest: +SKIP
        ...     model.fit(data, epochs=12, callbacks=[bar], verbose=0)
    """

    # Keras then calls batch hooks from threads of its own, so that no training step waits until
    # a loss is copied from the device; they may arrive out of order.
    async_safe = True

    def __init__(self, console: Console | None, *, unit: str = "steps", per_step: int = 1) -> None:
        super().__init__()
        self.console, self.unit, self.per_step = console, unit, per_step
        self.bars: Progress | None = None

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.on_train_end()

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.before = self.steps = 0
        self.next_update = 0.0
        if self.console and self.console.is_terminal:
            self.bars = progress(self.console)
            self.bars.live.refresh_per_second = _UPDATES_PER_SECOND
            self.task = self.bars.add_task("training", total=None, status="")
            self.bars.start()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        epochs = self.params["epochs"]
        steps = self.params["steps"] or self.steps  # Unknown in the first epoch of a generator.
        self.total = self.before + steps * (epochs - epoch) if steps else None
        self.title = f"epoch {epoch + 1}/{epochs}"
        self.steps = self.timed = 0
        self.begun = self.first = self.last = time.monotonic()
        self._update("")

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        now = time.monotonic()
        done = min(batch + 1, self.params["steps"] or batch + 1)  # An execution may end early.
        if not self.steps:  # Speed leaves the first step out, which compiles.
            self.first, self.timed = now, done
        self.steps, self.last = max(self.steps, done), now
        if self.bars and now >= self.next_update:
            self.next_update = now + 1 / _UPDATES_PER_SECOND
            self._update(self._facts(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        facts = self._facts(logs)
        self._update(facts)
        self.before += self.steps
        every = ceil(self.params["epochs"] / _MOST_LINES)
        if self.console and ((epoch + 1) % every == 0 or epoch + 1 == self.params["epochs"]):
            seconds = time.monotonic() - self.begun
            self.console.print(Text(f"{self.title}  {facts}  {seconds:.0f} s"), soft_wrap=True)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        if self.bars:
            self.bars.stop()
            self.bars = None

    def _update(self, status: str) -> None:
        if self.bars:
            self.bars.update(
                self.task,
                description=self.title,
                total=self.total,
                completed=self.before + self.steps,
                status=status,
            )

    def _facts(self, logs: Mapping[str, float] | None) -> str:
        """Metrics, learning rate and speed, as text."""
        metrics = {k: v for k, v in (logs or {}).items() if isinstance(v, float)}
        facts = [f"{name} {value:.4g}" for name, value in metrics.items()]
        if "learning_rate" not in metrics:
            rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
            facts.append(f"lr {float(rate):.1e}")
        seconds = self.last - self.first
        if seconds > 0:
            speed = (self.steps - self.timed) * self.per_step / seconds
            facts.append(f"{speed:,.0f} {self.unit}/s")
        return "  ".join(facts)
