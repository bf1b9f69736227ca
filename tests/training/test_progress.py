import io
import re
import time

import keras
import numpy as np
import pytest
from rich.console import Console

from gatescope.training.progress import TrainingProgress

X, Y = np.ones((40, 3), "float32"), np.ones((40, 1), "float32")


def a_console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1000], [0.25, 0.125])
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"], jit_compile=False)
    return model


def fit(model, *callbacks, **options):
    options = {"epochs": 3, "batch_size": 4, "verbose": 0} | options
    model.fit(X, Y, callbacks=list(callbacks), **options)


def lines(console):
    return console.file.getvalue().splitlines()


def last_bar(console):
    return re.findall(r"epoch [^\r\n]*━[^\r\n]*", console.file.getvalue())[-1]


def test_a_log_file_gets_one_plain_line_an_epoch(model):
    console = a_console(terminal=False)
    fit(model, TrainingProgress(console, unit="photos", per_step=4), validation_data=(X, Y))
    assert "\x1b" not in console.file.getvalue()
    number = r"[\d.e+-]+"
    for epoch, line in enumerate(lines(console), start=1):
        assert re.fullmatch(
            rf"epoch {epoch}/3  loss {number}  mae {number}  val_loss {number}  val_mae {number}  "
            rf"lr 2\.5e-01  [\d,]+ photos/s  \d+ s",
            line.replace("mean_absolute_error", "mae"),
        ), line
    assert epoch == 3


def test_without_a_console_nothing_is_written(model, capfd):
    fit(model, TrainingProgress(None))
    assert capfd.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_over_all_epochs_and_the_lines(model):
    console = a_console(terminal=True)
    fit(model, TrainingProgress(console))
    text = console.file.getvalue()
    assert re.match(r"epoch 3/3 ━+ +30/30 .* loss", last_bar(console))
    assert len(re.findall(r"epoch \d/3  loss", text)) == 3
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # The cursor is back.


def test_a_resumed_training_counts_what_is_left(model):
    console = a_console(terminal=True)
    fit(model, TrainingProgress(console), initial_epoch=2, epochs=5)
    assert re.match(r"epoch 5/5 ━+ +30/30 .* loss", last_bar(console))
    assert re.search(r"epoch 3/5  loss", console.file.getvalue())


def test_a_generator_of_unknown_length_gets_a_total_after_its_first_epoch(model):
    class Unknown(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            bar.params = bar.params | {"steps": None}

    console = a_console(terminal=True)
    bar = TrainingProgress(console)
    fit(model, Unknown(), bar, epochs=2)
    assert " 20/20 " in last_bar(console)


def test_one_callback_serves_several_trainings(model):
    console = a_console(terminal=True)
    bar = TrainingProgress(console)
    fit(model, bar, epochs=1)
    fit(model, bar, epochs=2)
    assert console.file.getvalue().count("\x1b[?25h") == 2
    assert " 20/20 " in last_bar(console)


def test_an_interrupted_training_gives_the_terminal_back(model):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    console = a_console(terminal=True)
    with pytest.raises(KeyboardInterrupt), TrainingProgress(console) as bar:
        fit(model, bar, Stop())
    assert console.file.getvalue().count("\x1b[?25h") == 1


def test_a_loss_that_is_not_a_number_is_shown(model):
    console = a_console(terminal=False)
    bar = TrainingProgress(console)
    bar.set_model(model)
    bar.set_params({"epochs": 1, "steps": 2})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0, {})
    bar.on_epoch_end(0, {"loss": float("nan"), "per_class": np.ones(3)})
    assert "loss nan" in lines(console)[0] and "per_class" not in lines(console)[0]


def test_speed_is_of_the_steps_after_the_first_which_compiles(model, monkeypatch):
    console = a_console(terminal=False)
    bar = TrainingProgress(console, unit="photos", per_step=8)
    bar.set_model(model)
    bar.set_params({"epochs": 1, "steps": 5})
    clock = iter([0.0, 60.0, 61.0, 62.0, 62.5, 70.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    for batch in (0, 1, 3, 2):  # Threads may bring a batch late.
        bar.on_train_batch_end(batch, {"loss": 1.0})
    bar.on_epoch_end(0, {"loss": 1.0})
    assert lines(console) == ["epoch 1/1  loss 1  lr 2.5e-01  10 photos/s  70 s"]


def test_the_bar_is_updated_at_most_five_times_a_second(model, monkeypatch):
    bar = TrainingProgress(a_console(terminal=True))
    bar.set_model(model)
    bar.set_params({"epochs": 1, "steps": 1000})
    now, asked = [0.0], []
    monkeypatch.setattr(bar, "_facts", lambda logs: asked.append(now[0]) or "")
    with bar:
        bar.on_train_begin()
        bar.on_epoch_begin(0)
        monkeypatch.setattr("gatescope.training.progress.time.monotonic", lambda: now[0])
        for batch in range(1000):
            now[0] += 0.002
            bar.on_train_batch_end(batch, {"loss": 1.0})
    assert 9 <= len(asked) <= 11
    assert bar.async_safe
