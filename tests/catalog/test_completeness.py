"""The catalog has what Keras has, under its names, with its settings and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import keras
import pytest

from gatescope.catalog.lookup import CATALOG, folded
from gatescope.catalog.pairs import PAIRS
from gatescope.catalog.rows import Activation, Entry, Initializer, Loss, Optimizer
from gatescope.circuits.circuit import circuit

NAMESPACES = {
    "losses": keras.losses,
    "activations": keras.activations,
    "initializers": keras.initializers,
    "schedules": keras.optimizers.schedules,
    "optimizers": keras.optimizers,
    "regularizers": keras.regularizers,
}
BASES = {
    "losses": keras.losses.Loss,
    "initializers": keras.initializers.Initializer,
    "schedules": keras.optimizers.schedules.LearningRateSchedule,
    "optimizers": keras.optimizers.Optimizer,
    "regularizers": keras.regularizers.Regularizer,
}
FUNCTIONS = {"get", "serialize", "deserialize"}
ENTRIES = [entry for rows in CATALOG.values() for entry in rows.values()]


def by_name(entry: Entry) -> str:
    return f"{entry.kind}-{entry.name}"


def everything_of(many: str) -> Iterator[tuple[str, object]]:
    """What a namespace of Keras offers, without its base class and what is of another kind."""
    base = BASES.get(many)
    for name, thing in vars(NAMESPACES[many]).items():
        if name.startswith("_") or inspect.ismodule(thing) or name in FUNCTIONS or thing is base:
            continue
        if inspect.isclass(thing) and base and not issubclass(thing, base):
            continue  # OptimizerMap, which is a setting of MultiOptimizer
        yield name, thing


def resolve(path: str) -> object:
    thing: object = keras
    for part in path.split(".")[1:]:
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("many", CATALOG)
def test_whatever_keras_has_is_here_and_the_other_way_round(many: str) -> None:
    theirs = {folded(name) for name, _ in everything_of(many)}
    rows = CATALOG[many].values()
    ours = {folded(name) for row in rows for name in (row.name, *row.aliases)}
    assert theirs - ours == set()
    assert {folded(row.name) for row in rows} - theirs == set()
    extra = {alias for row in rows for alias in row.aliases if folded(alias) not in theirs}
    for alias in extra:  # short forms such as "mse", which only get() knows
        assert callable(NAMESPACES[many].get(alias))


def test_a_name_that_keras_adds_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.activations, "new_one", lambda x: x, raising=False)
    with pytest.raises(AssertionError, match="newone"):
        test_whatever_keras_has_is_here_and_the_other_way_round("activations")


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_the_class_is_that_of_the_name(entry: Entry) -> None:
    thing = resolve(entry.keras)
    assert folded(thing.__name__) in map(folded, (entry.name, *entry.aliases))
    assert inspect.isclass(thing) is not isinstance(entry, Activation)


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_settings_have_the_names_and_defaults_of_keras(entry: Entry) -> None:
    known = inspect.signature(resolve(entry.keras)).parameters
    for setting in entry.settings:
        theirs = known[setting.name].default
        assert setting.default == (None if theirs is inspect.Parameter.empty else theirs)
        assert setting.typical.low <= setting.typical.high
        assert setting.meaning


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_every_row_is_filled(entry: Entry) -> None:
    assert entry.formula and entry.advice.endswith(".")
    assert 1 <= entry.advice.count(". ") + 1 <= 3
    if isinstance(entry, Loss | Activation):
        assert entry.derivative and bool(entry.circuit) is not bool(entry.no_circuit)
    if isinstance(entry, Optimizer):
        assert bool(entry.update) is not bool(entry.no_circuit)
    if entry.circuit:
        free = [name for name in circuit(entry.circuit).inputs if name not in entry.values]
        assert len(free) == (0 if isinstance(entry, Initializer) else 1)
    with pytest.raises(AttributeError):
        entry.name = "another"


def test_names_tell_entries_of_a_kind_apart() -> None:
    for rows in CATALOG.values():
        names = [folded(name) for row in rows.values() for name in {row.name, *row.aliases}]
        assert len(names) == len(set(names))


def test_pairs_join_what_is_here_and_what_fits() -> None:
    losses, activations = CATALOG["losses"], CATALOG["activations"]
    assert {pair.loss for pair in PAIRS} == set(losses)
    assert len({pair[:2] for pair in PAIRS}) == len(PAIRS)
    for pair in PAIRS:
        puts_out, takes = activations[pair.activation].range, losses[pair.loss].predictions
        fits = takes.low <= puts_out.low and puts_out.high <= takes.high
        assert fits or pair.needs, pair


ROWS = keras.ops.arange(6)
FORMATS = {
    "one-hot": keras.ops.one_hot(ROWS % 3, 3),
    "probabilities": keras.ops.ones((6, 3)) / 3,
    "whole numbers from 0": ROWS % 3,
    "whole numbers from 1": keras.ops.reshape(ROWS, (6, 1)) % 2 + 1,
    "whole numbers": ROWS % 2,
    "−1 or 1": keras.ops.one_hot(ROWS % 3, 3) * 2 - 1,
    "0 or 1": keras.ops.one_hot(ROWS % 3, 3),
    "masks of 0 and 1": keras.ops.one_hot(ROWS % 3, 3),
    "numbers": keras.random.uniform((6, 3), 0.5, 1, seed=1),
    "vectors": keras.random.normal((6, 3), seed=1),
}


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_pair_learns_from_its_labels(pair) -> None:
    labels = next(made for start, made in FORMATS.items() if pair.labels.startswith(start))
    options = {"from_logits": True} if pair.needs == "from_logits=True" else {}
    loss = resolve(CATALOG["losses"][pair.loss].keras)(**options)
    shape = (6, 4, 3) if pair.loss == "ctc" else (6, 3)
    logits = keras.Variable(keras.random.normal(shape, seed=2))
    keras.utils.set_random_seed(1)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = resolve(f"keras.activations.{pair.activation}")(logits)
        if "UnitNormalization" in pair.needs:
            outputs = keras.layers.UnitNormalization()(outputs)
        value = loss(labels, outputs)
    gradient = tape.gradient(value, logits.value)
    assert keras.ops.isfinite(value)
    assert keras.ops.all(keras.ops.isfinite(gradient))
    assert keras.ops.any(gradient != 0)
