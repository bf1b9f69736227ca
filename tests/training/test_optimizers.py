"""Optimizers by name, and the fused one against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from gatescope.catalog.optimizers import OPTIMIZERS
from gatescope.training.optimizers import FusedAdamW, OptimizerConfig, averaged

SETTINGS = {"weight_decay": 0.1, "global_clipnorm": 0.5, "beta_1": 0.8, "epsilon": 1e-3}


def trained(optimizer: keras.Optimizer, steps: int = 4) -> tuple[list[np.ndarray], list[str]]:
    """Weights and optimizer variables after steps on given gradients, one of them sparse."""
    rng = np.random.default_rng(0)
    weights = [
        keras.Variable(rng.normal(size=shape), dtype="float32", name=f"weight{place}")
        for place, shape in enumerate(((5, 3), (3,), (4, 2)))
    ]
    optimizer.build(weights)
    for _ in range(steps):
        whole = [tf.constant(rng.normal(size=weight.shape), tf.float32) for weight in weights[:2]]
        rows = tf.IndexedSlices(tf.constant(rng.normal(size=(2, 2)), tf.float32), [1, 3], (4, 2))
        optimizer.apply([*whole, rows], weights)
    variables = [*weights, *optimizer.variables]
    return [variable.numpy() for variable in variables], [v.name for v in optimizer.variables]


@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_and_variables_are_those_of_keras(amsgrad):
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    mine, names = trained(FusedAdamW(rate, amsgrad=amsgrad, **SETTINGS))
    his, wanted = trained(keras.optimizers.AdamW(rate, amsgrad=amsgrad, **SETTINGS))
    assert names == wanted
    for one, other in zip(mine, his, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6)


def test_it_comes_back_from_its_configuration():
    optimizer = FusedAdamW(0.01, weight_decay=0.2)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(again, FusedAdamW)
    assert again.get_config() == optimizer.get_config()


def test_averages_are_lent_and_given_back():
    weight = keras.Variable([0.0], name="weight")
    optimizer = FusedAdamW(1.0, use_ema=True, ema_momentum=0.5, weight_decay=0.0)
    optimizer.build([weight])
    seen = []
    for _ in range(3):
        optimizer.apply([tf.constant([1.0])], [weight])
        seen.append(float(weight.numpy()[0]))
    first, second, third = seen
    with pytest.raises(KeyboardInterrupt), averaged(optimizer, [weight]):
        wanted = 0.5 * (0.5 * first + 0.5 * second) + 0.5 * third
        assert float(weight.numpy()[0]) == pytest.approx(wanted)
        raise KeyboardInterrupt
    assert float(weight.numpy()[0]) == third


@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_on_slowed_variables_are_smaller(amsgrad):
    weights = [keras.Variable([1.0], name=name) for name in ("fast", "slow")]
    optimizer = FusedAdamW(0.1, weight_decay=0.0, amsgrad=amsgrad)
    optimizer.build(weights)
    optimizer.slow_down(weights[1:], 0.25)
    optimizer.apply([tf.constant([2.0])] * 2, weights)
    fast, slow = (1 - float(weight.numpy()[0]) for weight in weights)
    assert (fast, slow) == pytest.approx((0.1, 0.025), rel=1e-3)


def test_an_optimizer_is_made_by_name_with_its_settings():
    config = OptimizerConfig(name="SGD", learning_rate=0.5, settings={"momentum": 0.9})
    made = config.make(clip_norm=2.0)
    assert type(made) is keras.optimizers.SGD
    assert (float(made.learning_rate), made.momentum, made.global_clipnorm) == (0.5, 0.9, 2.0)
    schedule = keras.optimizers.schedules.CosineDecay(0.25, 10)
    assert float(config.make(schedule).learning_rate) == 0.25


BY_NAME = sorted(set(OPTIMIZERS) - {"loss_scale_optimizer", "multi_optimizer"})


@pytest.mark.parametrize("name", BY_NAME)
def test_every_optimizer_of_the_catalog_can_be_made(name):
    assert isinstance(OptimizerConfig(name=name).make(), keras.Optimizer)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"name": "adm"}, r"there is no optimizer 'adm'[\s\S]*did you mean 'adam'"),
        ({"name": "multi_optimizer"}, "cannot be chosen by name"),
        ({"settings": {"beta1": 0.9}}, r"adam has no setting 'beta1'[\s\S]*did you mean 'beta_1'"),
        ({"settings": {"learning_rate": 1.0}}, "has no setting 'learning_rate'"),
        ({"learning_rate": 0}, "greater than 0"),
    ],
)
def test_an_optimizer_that_there_is_not_is_refused(wrong, text):
    with pytest.raises(ValidationError, match=text):
        OptimizerConfig(**wrong)
