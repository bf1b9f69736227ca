"""Recurrent networks: predicted shapes and counts equal Keras'; padding changes nothing.

Trainings use seed 0; outputs with and without padding agree within 1e-6.
"""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from gatescope.errors import ConfigurationError
from gatescope.models.heads import (
    CategoryInput,
    ImageInput,
    NumbersInput,
    OutputConfig,
    SequenceInput,
    TextInput,
)
from gatescope.models.recurrent import FrontConfig, RecurrentConfig, recurrent

TEXT = TextInput(name="text", tokens=9, length=8, embedding=3)
STEPS = SequenceInput(name="steps", length=8, features=2)
OPEN = SequenceInput(name="open", length=None, features=2)
NUMBERS = NumbersInput(name="numbers", size=4, normalize=True)
OTHERS = (
    NUMBERS,
    CategoryInput(name="category", categories=5, embedding=2),
    ImageInput(name="image", height=3, width=3, channels=1, rescale=True),
)
CLASSES = OutputConfig(kind="classes", name="classes", units=3)
BINARY = OutputConfig(kind="binary", name="binary")
CELLS, POOLINGS = ("simple", "gru", "lstm"), ("last", "mean", "max", "attention")


def network(*inputs: object, **options: object) -> RecurrentConfig:
    settings = {"cell": "gru", "units": (4,), "outputs": (CLASSES,), **options}
    return RecurrentConfig(inputs=inputs, **settings)


@pytest.mark.parametrize(("cell", "pooling"), list(itertools.product(CELLS, POOLINGS)))
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
def test_shapes_and_counts_are_those_of_keras(cell, pooling, bidirectional, check):
    options = {"cell": cell, "pooling": pooling, "bidirectional": bidirectional}
    check(network(TEXT, OPEN, *OTHERS, units=(4, 3), hidden=(5,), **options).blueprint())
    front = FrontConfig(filters=(4, 3))
    check(network(TEXT, STEPS, front=front, **options).blueprint())


@pytest.mark.parametrize("given", [TEXT, STEPS], ids=lambda one: one.name)
def test_every_kind_of_steps_trains(given, train):
    assert np.isfinite(train(network(given))).all()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_every_pooling_trains_behind_every_cell(cell, pooling, train):
    assert np.isfinite(train(network(OPEN, cell=cell, pooling=pooling))).all()


def test_all_kinds_of_inputs_and_outputs_train_together(train):
    config = network(
        TEXT,
        OPEN,
        *OTHERS,
        bidirectional=True,
        dropout=0.1,
        recurrent_dropout=0.1,
        hidden=(6,),
        activation="tanh",
        outputs=(CLASSES, BINARY),
    )
    assert np.isfinite(train(config)).all()


def test_a_front_trains_and_makes_a_text_shorter(train):
    config = network(TEXT, front=FrontConfig(filters=(4,), pool=4), activation="tanh")
    shapes = {row.name: row.shape for row in config.blueprint().rows}
    assert (shapes["conv_1"], shapes["pool_1"], shapes["gru_1"]) == ((8, 4), (2, 4), (4,))
    assert np.isfinite(train(config)).all()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
def test_padding_changes_nothing(pooling, bidirectional):
    keras.utils.set_random_seed(0)
    config = network(OPEN, units=(4, 4), pooling=pooling, bidirectional=bidirectional)
    model = recurrent(config)
    steps = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    padded = np.pad(steps, [(0, 0), (0, 4), (0, 0)])
    alone, longer = (model.predict(x, verbose=0) for x in (steps, padded))
    np.testing.assert_allclose(alone, longer, atol=1e-6)


def test_units_are_what_a_recurrent_layer_has_and_hidden_what_dense_ones_have():
    rows = network(TEXT, units=(4, 3), hidden=(6, 5)).blueprint().rows
    sizes = {row.name: row.shape for row in rows if row.kind in ("GRU", "Dense")}
    assert sizes == {
        "gru_1": (8, 4),
        "gru_2": (3,),
        "dense_1": (6,),
        "dense_2": (5,),
        "classes": (3,),
    }


def test_a_front_that_leaves_nothing_is_told():
    config = network(TEXT, front=FrontConfig(filters=(2, 2, 2, 2)))
    with pytest.raises(ConfigurationError) as caught:
        recurrent(config)
    assert str(caught.value).splitlines() == [
        "layer pool_4: its window of 2 has no room in 1: "
        "text_embedding 8 → pool_1 4 → pool_2 2 → pool_3 1",
        "  expected: at least 2 before pool_4",
        "  fix: at least 16 as text, or fewer layers that shrink it",
    ]


@pytest.mark.parametrize(
    ("inputs", "options", "told"),
    [
        ((NUMBERS,), {}, "needs a sequence or a text among the inputs"),
        ((OPEN,), {"front": FrontConfig(filters=(2,))}, "would read the padding of sequences"),
        ((TEXT,), {"cell": "rnn"}, "'simple', 'gru' or 'lstm'"),
        ((TEXT,), {"units": ()}, "at least 1 item"),
    ],
)
def test_a_network_that_cannot_be_is_refused(inputs, options, told):
    with pytest.raises(ValidationError, match=told):
        network(*inputs, **options)
