import os
import pickle
import random
import resource
from errno import ENOSPC

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers, optimizers
from safetensors.numpy import save_file

from gatescope.errors import CheckpointError
from gatescope.training.checkpoints import load_checkpoint, save_checkpoint

DTYPES = ("float32", "float16", "bfloat16", "int32", "int64", "int8", "uint32", "bool")


class EveryDtype(layers.Layer):
    """Holds a state of each type, one of them scalar and one empty."""

    def build(self, shape):
        for dtype in DTYPES:
            self.add_weight(shape=(2, 3), dtype=dtype, initializer="ones", trainable=False)
        self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.add_weight(shape=(0, 4), initializer="zeros", trainable=False)


class Net(keras.Model):
    """A subclassed model with seed generators of its own and of a layer."""

    def __init__(self, units=4):
        super().__init__()
        self.every = EveryDtype()
        self.words = layers.Embedding(10, units, name="words")
        self.dropout = layers.Dropout(0.5)
        self.norm = layers.BatchNormalization()
        self.out = layers.Dense(3, name="out")
        self.seeds = keras.random.SeedGenerator(5)

    def call(self, x, training=False):
        self.every.build(None) if not self.every.built else None
        hidden = self.norm(self.dropout(self.words(x), training=training), training=training)
        if training:
            hidden += 0.1 * keras.random.normal((4,), seed=self.seeds)
        return self.out(hidden)


X, Y = np.arange(12).reshape(3, 4) % 10, np.ones((3, 4, 3), "float32")


def built(optimizer="adam", units=4, **compile_options):
    model = Net(units)
    model(X)
    model.compile(optimizer, "mse", jit_compile=False, **compile_options)
    return model


def state_of(model):
    variables = (*model.variables, *model.optimizer.variables)
    values = [np.asarray(variable.numpy()) for variable in variables]
    return [(value.dtype.name, value.shape, value.tobytes()) for value in values]


def saved(path, model, **given):
    given = {"epoch": 3, "metadata": {}} | given
    save_checkpoint(path, model, model.optimizer, **given)
    return path


@pytest.fixture(scope="module")
def trained():
    model = built()
    model.train_on_batch(X, Y)
    return model


@pytest.fixture(scope="module")
def other():
    """A model like `trained` with values of its own, on which nothing may be assigned."""
    return built()


@pytest.fixture
def file(tmp_path, trained):
    return saved(tmp_path / "last.checkpoint", trained)


def refused(path, model):
    """The text of the error, and the proof that it came before anything was assigned."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    before = state_of(model), random.getstate(), np.random.get_state()[1].tobytes()
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path, model, model.optimizer)
    assert before == (state_of(model), random.getstate(), np.random.get_state()[1].tobytes())
    assert error.value.expected and error.value.fix
    return str(error.value)


# What comes back.


def test_every_variable_of_every_type_comes_back_to_the_bit(file, trained):
    for place, variable in enumerate(trained.every.weights):
        value = np.full(variable.shape, place % 2 if variable.dtype == "bool" else place - 0.0)
        variable.assign(value.astype("float32"))
    saved(file, trained)
    fresh = built()
    load_checkpoint(file, fresh, fresh.optimizer)
    assert state_of(fresh) == state_of(trained)
    assert {dtype for dtype, _, _ in state_of(fresh)} >= set(DTYPES)


def test_special_floats_and_large_seeds_keep_their_bits(tmp_path):
    model = built()
    (bfloat16,) = [v for v in model.every.weights if v.dtype == "bfloat16"]
    (uint32,) = [v for v in model.every.weights if v.dtype == "uint32"]
    bfloat16.assign([[np.nan, np.inf, -np.inf], [-0.0, 1e-40, 3e38]])
    uint32.assign(np.full((2, 3), 2**32 - 1, np.uint32))
    model.seeds.state.assign([2**62, -5])
    fresh = built()
    load_checkpoint(saved(tmp_path / "c", model), fresh, fresh.optimizer)
    assert state_of(fresh)[: len(model.variables)] == state_of(model)[: len(model.variables)]


def test_epoch_and_metadata_come_back(tmp_path, trained):
    metadata = {
        "history": [{"loss": 0.1, "reward": float("inf")}],
        "digest": "ä\u2028\0",
        "best": np.float32(0.5),
        "none": None,
    }
    path = saved(tmp_path / "c", trained, epoch=7, metadata=metadata)
    loaded = load_checkpoint(path, trained, trained.optimizer)
    assert loaded.epoch == 7
    assert loaded.metadata == metadata


def test_all_global_generators_go_on_as_they_would_have(file, trained):
    def draws():
        keras_draw = float(keras.random.normal(()))
        return random.random(), random.gauss(), np.random.normal(), np.random.rand(), keras_draw

    random.gauss(), np.random.normal()  # Both keep a second normal number in store.
    saved(file, trained)
    expected = draws()
    keras.utils.set_random_seed(99)
    load_checkpoint(file, trained, trained.optimizer)
    assert draws() == expected


def test_metrics_are_no_part_of_a_checkpoint(tmp_path):
    with_metrics = built(metrics=["mae"])
    with_metrics.train_on_batch(X, Y)
    assert with_metrics.metrics_variables
    without = built()
    load_checkpoint(saved(tmp_path / "c", with_metrics), without, without.optimizer)
    assert state_of(without) == state_of(with_metrics)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optimizers.SGD(0.1, momentum=0.9),
        lambda: optimizers.AdamW(
            optimizers.schedules.CosineDecay(1e-2, 8),
            use_ema=True,
            ema_overwrite_frequency=3,
            gradient_accumulation_steps=2,
        ),
        lambda: optimizers.LossScaleOptimizer(optimizers.Adam(), dynamic_growth_steps=3),
    ],
    ids=["momentum", "average and accumulation", "loss scale"],
)
def test_an_optimizer_goes_on_as_if_never_stopped(tmp_path, optimizer):
    whole = built(optimizer())
    for _ in range(5):
        whole.train_on_batch(X, Y)
    path = saved(tmp_path / "c", whole)
    losses = [whole.train_on_batch(X, Y) for _ in range(4)]
    resumed = built(optimizer())
    load_checkpoint(path, resumed, resumed.optimizer)
    assert [resumed.train_on_batch(X, Y) for _ in range(4)] == losses
    assert state_of(resumed) == state_of(whole)


def test_it_makes_no_difference_where_and_when_layers_were_built(tmp_path):
    inner = keras.Sequential([layers.Dense(2, name="out")])
    alone = keras.Sequential([keras.Input((2,)), inner])
    alone.compile("adam", "mse")
    alone.train_on_batch(np.ones((1, 2)), np.ones((1, 2)))
    built_before = keras.Sequential([layers.Dense(2, name="out")])
    built_before(np.ones((1, 2)))
    again = keras.Sequential([keras.Input((2,)), built_before])
    again.compile("adam", "mse")
    assert [v.path for v in alone.variables] != [v.path for v in again.variables]
    load_checkpoint(saved(tmp_path / "c", alone), again, again.optimizer)
    assert state_of(again) == state_of(alone)


def test_a_rate_that_a_callback_lowered_stays_lowered(tmp_path, trained):
    trained.optimizer.learning_rate = 0.125
    fresh = built()
    load_checkpoint(saved(tmp_path / "c", trained), fresh, fresh.optimizer)
    assert float(fresh.optimizer.learning_rate) == 0.125


# What is refused, before anything is assigned.


def test_a_missing_file_is_named(tmp_path, other):
    text = refused(tmp_path / "nowhere", other)
    assert "there is no checkpoint" in text and "nowhere" in text and "without resuming" in text


def test_a_folder_in_its_place_is_refused(tmp_path, other):
    assert "cannot be read" in refused(tmp_path, other)


@pytest.mark.parametrize("part", [0, 1, 7, 8, 9, 0.01, 0.5, 0.9, -1])
def test_a_truncated_file_is_refused(file, other, part):
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content)) if 0 < part < 1 else part])
    assert "cannot be read" in refused(file, other)


@given(st.integers(0, 2**20), st.integers(0, 7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_in_the_values_is_noticed(file, other, place, bit):
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    at = header + place % (len(content) - header)
    damaged = bytearray(content)
    damaged[at] ^= 1 << bit
    path = file.with_name("damaged")
    path.write_bytes(damaged)
    assert "does not match its checksum" in refused(path, other)


@given(st.integers(0, 2**20), st.integers(0, 7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_in_the_header_never_raises_anything_else(file, other, place, bit):
    damaged = bytearray(file.read_bytes())
    damaged[place % (8 + int.from_bytes(damaged[:8], "little"))] ^= 1 << bit
    path = file.with_name("damaged")
    path.write_bytes(damaged)
    try:  # A few flips change nothing that counts, such as a number in an automatic name.
        load_checkpoint(path, other, other.optimizer)
    except CheckpointError as error:
        assert "damaged" in str(error)


def test_a_pickle_is_refused_and_not_run(tmp_path, other):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    path = tmp_path / "c"
    path.write_bytes(pickle.dumps(Trap()))
    assert "cannot be read" in refused(path, other)
    assert not (tmp_path / "trapped").exists()


def test_other_safetensors_are_refused(tmp_path, other):
    save_file({"a": np.ones(3)}, tmp_path / "c")
    text = refused(tmp_path / "c", other)
    assert "no checkpoint of this version" in text and "gatescope-checkpoint-1" in text


def test_another_shape_is_named(file):
    text = refused(file, built(units=5))
    assert "words/embeddings (10, 4) float32" in text
    assert "words/embeddings (10, 5) float32" in text


def test_another_optimizer_is_named(file):
    text = refused(file, built("sgd"))
    assert "it holds optimizer/" in text and "_momentum (10, 4) float32" in text
    assert "the model or its optimizer has global_seed_generator (2,) int64" in text


def test_another_type_is_named(tmp_path):
    plain = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="out")])
    half = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="out", dtype="float16")])
    plain.compile("sgd")
    half.compile("sgd")
    text = refused(saved(tmp_path / "c", plain), half)
    assert "out/kernel (2, 1) float32" in text and "out/kernel (2, 1) float16" in text


def test_another_name_is_named(tmp_path):
    first, second = (
        keras.Sequential([keras.Input((2,)), layers.Dense(1, name=name)])
        for name in ("first", "second")
    )
    first.compile("sgd")
    second.compile("sgd")
    text = refused(saved(tmp_path / "c", first), second)
    assert "first/kernel" in text and "second/kernel" in text


def test_a_model_that_is_not_built_is_refused(file):
    unbuilt = Net()
    unbuilt.compile("adam", "mse")
    with pytest.raises(CheckpointError, match="by a call on one batch"):
        load_checkpoint(file, unbuilt, unbuilt.optimizer)
    assert not unbuilt.optimizer.built


# What saving leaves when it fails.


def test_a_disk_that_is_full_leaves_the_checkpoint_before(file, trained, monkeypatch):
    def full(descriptor):
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    before = file.read_bytes()
    with monkeypatch.context() as patch, pytest.raises(CheckpointError) as error:
        patch.setattr(os, "fsync", full)
        saved(file, trained, epoch=9)
    text = str(error.value)
    assert "could not be saved: No space left on device" in text
    assert "1 MB free" in text and "what was saved before is intact" in text
    assert file.read_bytes() == before and len(os.listdir(file.parent)) == 1
    assert load_checkpoint(file, trained, trained.optimizer).epoch == 3


def test_a_file_that_may_not_grow_leaves_the_checkpoint_before(file, trained):
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="File too large"):
            saved(file, trained, epoch=9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before and len(os.listdir(file.parent)) == 1


def test_a_missing_folder_is_a_checkpoint_error(tmp_path, trained):
    with pytest.raises(CheckpointError, match="a folder that may be written"):
        saved(tmp_path / "nowhere" / "c", trained)


def test_metadata_that_is_not_json_leaves_the_checkpoint_before(file, trained):
    before = file.read_bytes()
    with pytest.raises(TypeError, match="metadata of a checkpoint must be JSON, not object"):
        saved(file, trained, metadata={"best": object()})
    assert file.read_bytes() == before


def test_what_a_killed_training_left_is_removed_by_the_next_save(file, trained):
    left = file.with_name(f".{file.name}.0123abcd.unfinished")
    left.write_bytes(b"half")
    saved(file, trained)
    assert not left.exists() and file.exists()
