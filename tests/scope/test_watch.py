"""Training with the hood open: the same numbers, a record, and no harm whatever fails."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from trainings import BATCH, SAMPLES, TRAININGS, data, given, plain

import gatescope as gs
from gatescope.errors import UsageError
from gatescope.runs.record import RunWriter
from gatescope.scope import watch as watching
from gatescope.scope.bad_step import BadStep
from gatescope.scope.instruments import Instruments

Watched = tuple[keras.Model, Any, Any]


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., Any]:
    return lambda model, **more: gs.watch(model, **({"runs": tmp_path, "overhead": 10} | more))


def numbers(model: keras.Model) -> list[Any]:
    return [np.asarray(weight) for weight in model.get_weights()]


@pytest.mark.parametrize("name", TRAININGS)
def test_numbers_stay_equal_to_the_bit(name: str, watch: Callable[..., Any]) -> None:
    model, arguments = TRAININGS[name]()
    alone = model.fit(**arguments).history
    expected = numbers(model)
    model, arguments = TRAININGS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        opened = watch(model)
        seen = model.fit(**arguments).history
    assert seen == alone
    # A linear layer and the tanh after it are one operation until a probe looks between them.
    rounding = 1e-5 if name == "adversarial" else 0
    for one, other in zip(numbers(model), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rounding)
    run = gs.open_run(opened.run.folder)
    assert run.status == "finished"
    assert opened.probed >= 1
    losses = run.metric("batch_loss")
    assert np.isfinite(losses["value"]).all()
    assert losses["step"].tolist() == list(range(opened.steps))
    assert len(run.probes["step"]) == opened.probed * len(run.layers)


def test_xla_trains_as_it_does_alone(watch: Callable[..., Any]) -> None:
    histories = []
    for looks in (False, True):
        keras.utils.set_random_seed(2)
        model = plain(jit_compile=True)
        if looks:
            opened = watch(model)
        histories.append(model.fit(**given()).history)
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-5)
    assert len(gs.open_run(opened.run.folder).metric("batch_loss")["step"]) == opened.steps == 10


def test_recorded_losses_are_those_of_the_batches(watch: Callable[..., Any]) -> None:
    keras.utils.set_random_seed(2)
    model = plain(optimizer=keras.optimizers.SGD(0.1, loss_scale_factor=8.0))
    model.layers[1].rate = 0.0
    x, y = data()
    started = numbers(model)
    opened = watch(model)
    model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, shuffle=False)
    opened.close()
    model.set_weights(started)
    expected = []
    for place in [*range(0, SAMPLES, BATCH)] * 2:
        part = slice(place, place + BATCH)
        expected.append(float(np.mean((y[part] - model.predict(x[part], verbose=0)) ** 2)))
        model.train_on_batch(x[part], y[part])
    run = gs.open_run(opened.run.folder)
    losses, rates = run.metric("batch_loss"), run.metric("learning_rate")
    np.testing.assert_allclose(losses["value"], expected, rtol=1e-4)
    assert losses["epoch"].tolist() == [0] * 5 + [1] * 5
    np.testing.assert_allclose(rates["value"], 0.1, rtol=1e-6)
    assert run.metric("mae")["step"].tolist() == [4, 9]


def test_a_schedule_s_rate_is_that_of_its_step(watch: Callable[..., Any]) -> None:
    model, arguments = TRAININGS["scheduled_and_clipped"]()
    opened = watch(model)
    model.fit(**arguments)
    rates = gs.open_run(opened.run.folder).metric("learning_rate")["value"]
    np.testing.assert_allclose(rates, [0.1 * 0.5 ** (step / 2) for step in range(10)], rtol=1e-5)


def test_a_shut_hood_leaves_nothing(watch: Callable[..., Any]) -> None:
    model = plain()
    before, classes = dict(vars(model)), [dict(vars(one)) for one in type(model).__mro__]
    patched = (keras.Layer.__call__, keras.Optimizer.apply)
    opened = watch(model)
    model.fit(**given(epochs=1))
    opened.close()
    assert {name for name in vars(model) if name not in before} <= {
        "_eval_epoch_iterator",
        "history",
    }
    assert not {"fit", "make_train_function", "train_step"} & set(vars(model))
    assert [dict(vars(one)) for one in type(model).__mro__] == classes
    assert (keras.Layer.__call__, keras.Optimizer.apply) == patched
    model.make_train_function()
    assert "gatescope" not in model.train_function.__module__


def test_life_goes_on_around_it(watch: Callable[..., Any], tmp_path: Path) -> None:
    def lived(model: keras.Model) -> list[Any]:
        x, y = data()
        told = [model.fit(**given(epochs=1)).history, model.evaluate(x, y, verbose=0)]
        told.append(model.train_on_batch(x[:BATCH], y[:BATCH]))
        told.append(model.predict(x, verbose=0).tolist())
        model.save(tmp_path / "model.keras")
        copies = [
            keras.models.load_model(tmp_path / "model.keras"),
            pickle.loads(pickle.dumps(model)),  # noqa: S301 - made here
        ]
        told += [copy.predict(x, verbose=0).tolist() for copy in copies]
        assert not any("fit" in vars(copy) for copy in [*copies, keras.models.clone_model(model)])
        told.append(model.fit(**given(epochs=1)).history)
        model.compile("sgd", "mae", jit_compile=False)
        told.append(model.fit(**given(epochs=1)).history)
        return told

    keras.utils.set_random_seed(4)
    alone = lived(plain())
    keras.utils.set_random_seed(4)
    model = plain()
    opened = watch(model)
    assert lived(model) == alone
    runs = sorted(opened.run.folder.parent.glob("*/run.sqlite"))
    counts = [len(gs.open_run(run).metric("batch_loss")["step"]) for run in runs]
    assert counts[-2:] == [5, 5]
    assert gs.open_run(runs[-1]).configuration["loss"] == "mae"


def test_what_it_cost_is_told(watch: Callable[..., Any]) -> None:
    model = plain()
    opened = watch(model)
    model.fit(**given(epochs=4))
    assert str(opened).startswith("watched 'sequential")
    assert f"{opened.probed} of 20 steps probed, at a cost of" in str(opened)
    assert str(opened).endswith(f"s ({opened.cost:.1%})")
    told = gs.open_run(opened.run.folder).fact("watch")
    assert told["steps"] == 20 and told["probed"] == opened.probed
    assert told["cost"] == pytest.approx(opened.cost) and told["seconds"] > 0


def test_a_step_that_is_traced_again_for_other_data_is_watched_on(
    watch: Callable[..., Any],
) -> None:
    x, y = data()
    more: list[dict[str, Any]] = [
        {},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}},
        {},
        {"sample_weight": np.ones(len(x))},
    ]
    keras.utils.set_random_seed(0)
    model = plain()
    alone = [model.fit(x, y, **one, verbose=0).history for one in more]
    keras.utils.set_random_seed(0)
    model = plain()
    opened = watch(model)
    seen = []
    for one in more:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            seen.append(model.fit(x, y, **one, verbose=0).history)
        run = gs.open_run(opened.run.folder)
        assert len(run.metric("batch_loss")["value"]) == run.fact("watch")["steps"] > 0
        assert run.fact("watch")["probed"] > 0
    assert seen == alone


def test_weights_that_are_made_in_the_first_step_are_kept(watch: Callable[..., Any]) -> None:
    class Late(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = keras.layers.Dense(3), keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.out(self.hidden(x))

    model = Late()
    model.compile("sgd", "mse")
    opened = watch(model)
    x = np.ones((64, 4), np.float32)
    x[50, 2] = np.nan
    model.fit(x, np.ones((64, 1)), batch_size=8, shuffle=False, verbose=0)
    with np.load(opened.run.folder / "kept" / "bad_step.npz") as kept:
        weights = [kept[name] for name in kept.files if name.startswith("variables/")]
    assert len(weights) == 4 and all(np.isfinite(one).all() for one in weights)
    assert "the input 'x' is not finite as it comes in" in str(gs.replay(opened.run, model))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [((3,), "3 is no Keras model"), ((keras.Sequential(), "a"), "overhead is 'a'")],
)
def test_what_cannot_be_watched_is_said(arguments: tuple[Any, ...], text: str) -> None:
    model, *overhead = arguments
    with pytest.raises(UsageError, match=text):
        gs.watch(model, **dict(zip(["overhead"], overhead, strict=False)))


def test_a_step_that_breaks_has_no_loss(watch: Callable[..., Any]) -> None:
    def refusing(y, logits):  # as TensorFlow's own does, but where it is to repeat itself exactly
        tf.debugging.assert_less(y, 3.0)
        return keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", refusing)
    opened = watch(model)
    labels = np.array([0, 1, 2, 0, 9, 1])
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.fit(np.ones((6, 2)), labels, batch_size=2, shuffle=False, verbose=0)
    run = gs.open_run(opened.run.folder)
    assert run.status == "failed" and len(run.metric("batch_loss")["value"]) == 2


def test_batches_that_pass_may_change_their_types(watch: Callable[..., Any]) -> None:
    x, y = data()
    model = plain()
    opened = watch(model)
    for labels in (y, y.astype("float64"), y):
        for _ in range(2):
            model.train_on_batch(x[:4], labels[:4])
    opened.close()
    run = gs.open_run(opened.run.folder)
    assert run.fact("watch")["steps"] == 6
    with np.load(run.folder / "kept" / "training.npz") as kept:  # those of the first type
        np.testing.assert_array_equal(kept["x"], np.concatenate([x[:4]] * 4))


def test_the_bad_step_is_kept_in_the_structure_of_its_batch(watch: Callable[..., Any]) -> None:
    x, y = data()
    model = plain()
    opened = watch(model)
    model.fit(x, y, sample_weight=np.ones(len(x)), verbose=0)
    model.fit(x, y, verbose=0)
    bad = x.copy()
    bad[0, 0] = np.nan
    model.fit(bad, y, verbose=0)
    found = gs.replay(gs.open_run(opened.run.folder))
    assert "the input 'x' is not finite as it comes in" in str(found)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"compiled": False},
            r"is not compiled\n  expected: a model that fit can train\n  fix: call",
        ),
        ({"overhead": 0}, r"overhead is 0\n  expected: a share of the time"),
        ({"overhead": 50}, r"overhead is 50\n"),
        ({"twice": True}, r"is watched already\n  expected: one watch a model\n  fix: keep what"),
    ],
)
def test_what_cannot_be_watched(
    arguments: dict[str, Any], text: str, watch: Callable[..., Any]
) -> None:
    model = plain()
    if not arguments.pop("compiled", True):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    if arguments.pop("twice", False):
        watch(model)
    with pytest.raises(UsageError, match=text):
        watch(model, **arguments)


FAILURES = [
    (Instruments, "_begin_step"),
    (Instruments, "tap"),
    (Instruments, "_before"),
    (Instruments, "write_gradients"),
    (Instruments, "write_updates"),
    (Instruments, "_end_step"),
    (Instruments, "rows"),
    (Instruments, "losses"),
    (BadStep, "before_update"),
    (watching, "describe_training"),
    (watching, "describe_layers"),
]


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize(("owner", "name"), FAILURES, ids=[name for _, name in FAILURES])
def test_a_failure_of_ours_ends_the_watching_alone(
    owner: Any, name: str, eagerly: bool, watch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if eagerly and name not in ("tap", "_before"):
        pytest.skip("tested in graphs")

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("planted")

    keras.utils.set_random_seed(6)
    alone = plain(run_eagerly=eagerly).fit(**given(epochs=1)).history
    monkeypatch.setattr(owner, name, fail)
    keras.utils.set_random_seed(6)
    model = plain(run_eagerly=eagerly)
    opened = watch(model)
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError: planted") as told:
        assert model.fit(**given(epochs=1)).history == alone
    assert len([one for one in told if "planted" in str(one.message)]) == 1
    if opened.run:
        assert gs.open_run(opened.run.folder).status == "finished"


def test_an_operation_of_ours_that_fails_ends_the_watching_alone(
    watch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Instruments.__init__

    def too_small(instruments: Instruments, *args: Any, **kwargs: Any) -> None:
        made(instruments, *args, **kwargs)
        instruments._ring = tf.Variable(tf.zeros((1, 2)), trainable=False)  # the second step fails

    monkeypatch.setattr(Instruments, "__init__", too_small)
    model = plain()
    watch(model)
    with pytest.warns(RuntimeWarning, match="its training goes on: InvalidArgumentError"):
        assert len(model.fit(**given()).history["loss"]) == 2


def test_an_operation_of_the_users_that_fails_is_theirs(watch: Callable[..., Any]) -> None:
    model = keras.Sequential([keras.layers.Embedding(3, 2), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    watch(model)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not in \\[0, 3\\)"):
        model.fit(np.full((4, 2), 7), np.zeros((4, 2, 1)), verbose=0)


DETERMINISTIC = """
import warnings
import gatescope as gs, keras, tensorflow as tf
keras.utils.set_random_seed(5)
warnings.simplefilter("error", RuntimeWarning)
tf.config.experimental.enable_op_determinism()
from trainings import given, plain
alone = plain().fit(**given()).history
keras.utils.set_random_seed(5)
model = plain()
watch = gs.watch(model, overhead=10)
print(model.fit(**given()).history == alone, watch.probed > 0)
"""


def test_determinism_does_not_hinder_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", DETERMINISTIC],
        capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300,
    )  # fmt: skip
    assert done.stdout == "True True\n", done.stderr


def test_a_writer_that_fails_ends_the_record_alone(
    watch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(RunWriter, "_put", full)
    model = plain()
    watch(model)
    with pytest.warns(RuntimeWarning, match="no space left") as told:
        assert len(model.fit(**given()).history["loss"]) == 2
    assert len([one for one in told if "no space" in str(one.message)]) == 1


@pytest.mark.parametrize("looks", [False, True])
def test_errors_of_the_user_s_stay_theirs(looks: bool, watch: Callable[..., Any]) -> None:
    def refused(**wrong: Any) -> str:
        model = plain()
        if looks:
            watch(model)
        with pytest.raises((ValueError, TypeError)) as error:
            model.fit(**given(**wrong))
        return f"{type(error.value).__name__}: {error.value}"

    x, y = data()
    assert "unexpected keyword argument 'epoch'" in refused(epoch=3)
    told = refused(x=x[:, :2])
    assert "is incompatible with the layer" in told, told
    assert "Data cardinality is ambiguous" in refused(y=y[:3])


class Interrupt(keras.callbacks.Callback):
    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error, self.calls = error, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls += 1
        if self.calls == 3:
            raise self.error("stop")


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "interrupted"), (ZeroDivisionError, "failed")]
)
def test_an_interrupted_fit_says_so(
    error: type[BaseException], status: str, watch: Callable[..., Any]
) -> None:
    model = plain()
    opened = watch(model)
    with pytest.raises(error):
        model.fit(**given(callbacks=[Interrupt(error)]))
    run = gs.open_run(opened.run.folder)
    assert run.status == status
    assert run.metric("batch_loss")["step"].tolist() == [0, 1, 2]


class Count(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.batches = self.epochs = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1
        if self.batches == 7:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs += 1


def test_callbacks_are_called_as_ever(watch: Callable[..., Any]) -> None:
    model, count = plain(), Count()
    watch(model)
    callbacks = keras.callbacks.CallbackList([count], model=model, add_history=True)
    model.fit(**given(callbacks=callbacks, epochs=5))
    assert (count.batches, count.epochs) == (7, 2)


def test_a_forked_child_trains_on(watch: Callable[..., Any]) -> None:
    model = plain(run_eagerly=True)
    opened = watch(model)
    model.fit(**given(epochs=1))
    before = gs.open_run(opened.run.folder).last_step
    child = os.fork()
    if not child:
        try:
            opened.run.metrics(99, 0, {"loss": 1.0})
            opened.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert gs.open_run(opened.run.folder).last_step == before
