"""What goes with what: pairs of each kind of target, and initializers that the advice names."""

from __future__ import annotations

from typing import get_args

import pytest

from gatescope.catalog.activations import ACTIVATIONS
from gatescope.catalog.initializers import INITIALIZERS
from gatescope.catalog.pairs import PAIRS, Target, initializer_for, pairs_for


def test_every_pair_that_needs_nothing_more_but_ctc_is_for_some_kind_of_target():
    found = {pair for target in get_args(Target) for pair in pairs_for(target)}
    missing = {pair.loss for pair in PAIRS if pair not in found and not pair.needs}
    assert missing == {"ctc"}


@pytest.mark.parametrize("target", get_args(Target))
def test_the_usual_pair_of_a_target_comes_first_and_needs_nothing(target):
    first, *others = pairs_for(target)
    assert first.loss.endswith(("mean_squared_error", "crossentropy"))
    assert not any(pair.needs for pair in (first, *others))


def test_the_initializer_of_an_activation_is_what_the_catalog_advises():
    assert {name: initializer_for(name) for name in ("relu", "tanh", "selu")} == {
        "relu": "he_normal",
        "tanh": "glorot_uniform",
        "selu": "lecun_normal",
    }
    for name in ("relu", "tanh", "selu"):
        assert initializer_for(name) in ACTIVATIONS[name].advice
    for name in ("leaky_relu", "elu", "gelu", "silu"):
        assert initializer_for(name) == "he_normal"
        assert name in INITIALIZERS["he_normal"].advice
    for name in ("sigmoid", "softmax", "linear"):
        assert initializer_for(name) == "glorot_uniform"
        assert name in INITIALIZERS["glorot_uniform"].advice


def test_every_activation_of_the_catalog_has_an_initializer_of_the_catalog():
    assert {initializer_for(name) for name in ACTIVATIONS} <= set(INITIALIZERS)
