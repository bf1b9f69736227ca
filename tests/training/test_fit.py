"""Training as one configuration: what it does, what it leaves, and that it resumes to the bit."""

import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from pydantic import ValidationError
from rich.console import Console

from gatescope.errors import CheckpointError, ConfigurationError, DataError, RunError, UsageError
from gatescope.runs.open import open_run
from gatescope.runs.record import record_in
from gatescope.training import course
from gatescope.training.fit import FitConfig, fit
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Constant, Cosine, OneCycle, Plateau

RNG = np.random.default_rng(3)
X = RNG.normal(size=(70, 5)).astype("float32")
Y = (X.sum(1) > 0).astype("int64")
TRAIN, HELD_OUT = (X[:50], Y[:50]), (X[50:], Y[50:])
OPPOSITE = (X[50:], 1 - Y[50:])  # gets worse the more is learned
SGD = OptimizerConfig(name="sgd", learning_rate=0.1)


def classifier(seed=1, **compile_options):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(8, "relu"), layers.Dense(2, "softmax")]
    )
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"], **compile_options)
    return model


def trained(model=None, data=TRAIN, validation=None, **options):
    """What `fit` came to with a configuration, and the model."""
    given = {name: options.pop(name) for name in ("run", "resume", "callbacks") if name in options}
    model = model or classifier()
    config = FitConfig(**{"epochs": 3, "optimizer": SGD} | options)
    return fit(model, data, config, validation=validation, **given), model


class Seen(keras.callbacks.Callback):
    """Keeps the learning rate of each epoch's end."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


# What it comes to.


def test_it_learns_and_tells_every_epoch():
    fitted, _ = trained(validation=HELD_OUT, epochs=20, optimizer=OptimizerConfig(name="adam"))
    assert set(fitted.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert len(fitted.history["loss"]) == 20 and fitted.run_folder is None
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]
    assert fitted.best_epoch == int(np.argmin(fitted.history["val_loss"]))


def test_one_full_batch_is_one_step_of_plain_keras():
    _, ours = trained(epochs=1, batch_size=50, steps_per_execution=1)
    theirs = classifier(optimizer=keras.optimizers.SGD(0.1))
    theirs.fit(*TRAIN, batch_size=50, verbose=0, shuffle=False)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_the_model_ends_with_the_weights_of_its_best_epoch():
    fitted, model = trained(validation=OPPOSITE, epochs=6)
    scored = model.evaluate(*OPPOSITE, verbose=0, return_dict=True)
    assert scored["loss"] == pytest.approx(min(fitted.history["val_loss"]), rel=1e-5)
    last, model = trained(validation=OPPOSITE, epochs=6, restore_best=False)
    assert fitted.best_epoch == last.best_epoch < 5
    scored = model.evaluate(*OPPOSITE, verbose=0, return_dict=True)
    assert scored["loss"] == pytest.approx(last.history["val_loss"][-1], rel=1e-5)


def test_it_stops_when_patience_has_an_end():
    fitted, _ = trained(validation=OPPOSITE, epochs=40, patience=2)
    assert len(fitted.history["loss"]) == fitted.best_epoch + 3 < 40


def test_any_metric_can_be_monitored_in_its_own_direction():
    fitted, _ = trained(validation=HELD_OUT, epochs=8, monitor="val_accuracy")
    assert fitted.best_epoch == int(np.argmax(fitted.history["val_accuracy"]))


def test_the_rate_follows_its_schedule():
    schedule = Cosine(warmup=0.25)
    seen = Seen()
    trained(epochs=4, batch_size=25, schedule=schedule, callbacks=[seen])
    rates = schedule.rates(0.1, epochs=4, steps_per_epoch=2)
    assert seen.rates == pytest.approx([rates.at(step) for step in (2, 4, 6, 8)], rel=1e-5)


def test_the_rate_falls_at_a_plateau():
    seen = Seen()
    still = OptimizerConfig(name="sgd", learning_rate=1e-9)
    plateau = Plateau(factor=0.5, patience=1)
    trained(epochs=4, schedule=plateau, optimizer=still, callbacks=[seen])
    assert seen.rates == pytest.approx([1e-9, 5e-10, 2.5e-10, 1.25e-10], rel=1e-5)


def test_gradients_are_clipped_to_a_norm():
    _, model = trained(epochs=1, batch_size=50, clip_norm=0.01, steps_per_execution=1)
    before = classifier().get_weights()
    moved = [new - old for new, old in zip(model.get_weights(), before, strict=True)]
    length = np.sqrt(sum((part**2).sum() for part in moved))
    assert length == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_steps_at_once_change_no_number():
    one, _ = trained(steps_per_execution=1)
    many, _ = trained(steps_per_execution=7)
    chosen, _ = trained()
    assert one.history == many.history == chosen.history


def test_short_steps_are_taken_many_at_once_unless_a_callback_looks_at_them():
    _, model = trained(epochs=1)
    assert model.steps_per_execution == 64
    looks = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    _, model = trained(epochs=1, callbacks=[looks])
    assert model.steps_per_execution == 1


def test_a_model_that_is_not_built_yet_is_built():
    model = keras.Sequential([layers.Dense(2, "softmax")])
    model.compile(loss="sparse_categorical_crossentropy")
    fitted, _ = trained(model, epochs=1)
    assert np.isfinite(fitted.history["loss"][0])


def test_several_inputs_and_outputs_train_by_name():
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    both = layers.concatenate([a, b])
    outputs = {"sum": layers.Dense(1, name="sum")(both), "sign": layers.Dense(2, name="sign")(both)}
    model = keras.Model({"a": a, "b": b}, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss={"sum": "mse", "sign": loss})
    data = ({"a": X[:, :2], "b": X[:, 2:]}, {"sum": X.sum(1, keepdims=True), "sign": Y})
    fitted, _ = trained(model, data, validation=data)
    assert {"sum_loss", "sign_loss", "val_sum_loss"} <= set(fitted.history)


def test_progress_counts_no_step_that_there_was_not():
    console = Console(file=io.StringIO(), width=120)
    fit(classifier(), TRAIN, FitConfig(epochs=2, batch_size=10), console=console)
    lines = console.file.getvalue().splitlines()
    assert [line.partition("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


# Data.


def test_a_function_of_the_epoch_gives_the_data():
    asked = []

    def data(epoch):
        asked.append(epoch)
        return tf.data.Dataset.from_tensor_slices(TRAIN).shuffle(50, seed=epoch).batch(10)

    fitted, _ = trained(data=data, schedule=OneCycle())
    assert asked == [0, 1, 2] and len(fitted.history["loss"]) == 3


def test_a_cached_dataset_is_read_once_and_shuffled_here():
    asked = []

    def data(epoch):
        asked.append(epoch)
        return tf.data.Dataset.from_tensor_slices(TRAIN).batch(10)

    cached, _ = trained(data=data, cache=True, class_weight="balanced")
    arrays, _ = trained(class_weight="balanced")
    assert asked == [0]
    assert cached.history == arrays.history


def test_balanced_classes_weigh_the_same():
    x, y = np.zeros((40, 5)), np.repeat([0, 1], [36, 4])
    _, model = trained(data=(x, y), batch_size=40, epochs=100, class_weight="balanced")
    assert model.predict(x[:1], verbose=0)[0] == pytest.approx([0.5, 0.5], abs=0.01)


# Runs.


def test_a_run_leaves_its_record_and_a_model_that_loads(tmp_path):
    fitted, model = trained(run=tmp_path / "run", validation=HELD_OUT)
    assert fitted.run_folder == tmp_path / "run"
    run = open_run(fitted.run_folder)
    assert (run.status, run.complete) == ("finished", True)
    assert run.metrics["epoch"].tolist() == [0, 1, 2]
    assert run.metrics["step"].tolist() == [1, 3, 5]
    for name, column in fitted.history.items():
        assert run.metrics[name].tolist() == column
    assert run.metrics["learning_rate"] == pytest.approx([0.1] * 3)
    assert run.configuration["optimizer"]["name"] == "sgd"
    assert run.configuration["data"] == "2 batches of (None, 5) float32, (None,) int64"
    assert [layer["class"] for layer in run.structure] == ["Dense", "Dense"]
    again = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert type(again.optimizer) is keras.optimizers.SGD
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, model = trained(run=tmp_path, validation=HELD_OUT)
    again, other = trained(classifier(seed=9), run=tmp_path, validation=HELD_OUT, resume=True)
    assert again == first
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert len(open_run(tmp_path).metrics["epoch"]) == 3


class Fails(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.fails_at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.fails_at:
            raise OSError("no more")


def test_a_failed_run_says_so_and_goes_on_to_what_it_would_have_come_to(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "_SAVING", float("inf"))
    whole, _ = trained(epochs=5, validation=HELD_OUT)
    with pytest.raises(OSError, match="no more"):
        trained(run=tmp_path, epochs=5, validation=HELD_OUT, callbacks=[Fails(3)])
    assert open_run(tmp_path).status == "failed"
    resumed, _ = trained(
        classifier(seed=7), run=tmp_path, epochs=5, validation=HELD_OUT, resume=True
    )
    assert (resumed.history, resumed.best_epoch) == (whole.history, whole.best_epoch)
    run = open_run(tmp_path)
    assert run.status == "finished"
    assert run.metrics["loss"].tolist() == whole.history["loss"]


def test_epochs_that_were_recorded_and_not_saved_are_recorded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "_SAVING", -1.0)  # none but the last
    whole, _ = trained(epochs=5)
    with pytest.raises(OSError, match="no more"):
        trained(run=tmp_path, epochs=5, callbacks=[Fails(3)])
    assert open_run(tmp_path).metrics["epoch"].tolist() == [0, 1, 2]
    resumed, _ = trained(run=tmp_path, epochs=5, resume=True)
    assert resumed.history == whole.history
    assert open_run(tmp_path).metrics["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert open_run(tmp_path).metrics["loss"].tolist() == whole.history["loss"]


def test_a_run_that_stopped_early_is_not_trained_on(tmp_path):
    options = {"epochs": 40, "patience": 2, "validation": OPPOSITE, "run": tmp_path}
    first, _ = trained(**options)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(json.loads(recipe.read_text()) | {"finished": False}))
    again, _ = trained(classifier(seed=9), resume=True, **options)
    assert again == first


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    script = Path(__file__).with_name("killed_fit.py")
    subprocess.run([sys.executable, script, folder, "11"], check=True, timeout=600)
    return folder


@pytest.mark.parametrize("name", ["cosine", "plateau"])
def test_a_killed_and_resumed_training_is_one_that_was_not_killed_to_the_bit(killed, name):
    whole, resumed = np.load(killed / f"{name}-whole.npz"), np.load(killed / f"{name}-killed.npz")
    assert set(whole) == set(resumed) >= {"weights", "loss", "val_loss", "draws"}
    for part in whole:
        np.testing.assert_array_equal(whole[part], resumed[part], err_msg=part)
    records = [open_run(killed / f"{name}-{life}").metrics for life in ("whole", "killed")]
    for column in records[0]:
        np.testing.assert_array_equal(records[0][column], records[1][column], err_msg=column)


# What is refused.


def test_a_model_without_a_loss_is_refused():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
    with pytest.raises(UsageError, match=r"is not compiled[\s\S]*call model.compile\(loss"):
        fit(model, TRAIN, FitConfig(epochs=1))


def test_a_dataset_by_itself_is_refused():
    data = tf.data.Dataset.from_tensor_slices(TRAIN).batch(10)
    with pytest.raises(UsageError, match=r"lambda epoch: dataset\.shuffle\(1000, seed=epoch\)"):
        trained(data=data)


def test_resuming_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nothing to resume without a run"):
        trained(resume=True)
    with pytest.raises(UsageError, match="holds no training to resume"):
        trained(run=tmp_path, resume=True)


def test_another_run_in_the_folder_is_refused(tmp_path):
    trained(run=tmp_path)
    with pytest.raises(UsageError, match="holds a training already"):
        trained(run=tmp_path)
    with pytest.raises(ConfigurationError, match="was started with another recipe"):
        trained(run=tmp_path, resume=True, epochs=4)
    with pytest.raises(ConfigurationError, match="was started with another recipe"):
        trained(run=tmp_path, resume=True, data=(X[:10], Y[:10]))


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    with record_in(tmp_path, configuration={}), pytest.raises(RunError, match="another training"):
        trained(run=tmp_path / ".", resume=False)


def test_a_metric_that_there_is_not_is_named():
    with pytest.raises(ConfigurationError, match=r"no metric 'val_loss'[\s\S]*validation data"):
        trained(monitor="val_loss")
    with pytest.raises(ConfigurationError, match="did you mean 'accuracy'"):
        trained(monitor="acuracy")


def test_an_infinite_loss_ends_it_with_advice():
    huge = OptimizerConfig(name="sgd", learning_rate=1e30)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(ConfigurationError, match=r"loss of epoch 1 is (nan|inf)[\s\S]*clip_norm"):
        trained(model, optimizer=huge, batch_size=5)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ((X[:3], Y[:2]), r"different numbers of rows: 2, 3[\s\S]*\(3, 5\) float32, \(2,\) int64"),
        ((X[:0], Y[:0]), "have no row"),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused(data, text):
    with pytest.raises(DataError, match=text):
        trained(data=data)


def test_weights_of_classes_that_cannot_be_told_are_refused():
    with pytest.raises(ConfigurationError, match="the targets are no classes"):
        trained(data=(X, X), class_weight="balanced")
    with pytest.raises(ConfigurationError, match="a dataset streams by"):
        trained(
            data=lambda epoch: tf.data.Dataset.from_tensor_slices(TRAIN).batch(5),
            class_weight="balanced",
        )


def test_a_schedule_needs_the_number_of_batches():
    def data(epoch):
        return tf.data.Dataset.from_tensor_slices(TRAIN).batch(10).filter(lambda x, y: True)

    with pytest.raises(ConfigurationError, match=r"'cosine' counts batches[\s\S]*assert_cardinal"):
        trained(data=data, schedule=Cosine())
    fitted, _ = trained(data=data, schedule=Constant())
    assert len(fitted.history["loss"]) == 3


def test_a_damaged_file_of_a_run_is_refused(tmp_path):
    trained(run=tmp_path)
    (tmp_path / "best.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"best weights .* cannot be read"):
        trained(run=tmp_path, resume=True)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"epochs": 1, "patience": 0}, {"epochs": 1, "sed": 1}], ids=str
)
def test_a_configuration_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValidationError):
        FitConfig(**wrong)
