"""Batches of a few samples of each class, and the loss that compares them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from gatescope.training.fit import FitConfig, fit
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.pairs import ContrastiveLoss, few_of_each

RNG = np.random.default_rng(0)
QUICK = OptimizerConfig(name="adam", learning_rate=0.05)


def by_the_formula(classes, vectors, temperature):
    """Equation 2 of the paper, one sample after the other."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    losses = []
    for i in range(len(unit)):
        others = [a for a in range(len(unit)) if a != i]
        whole = sum(np.exp(unit[i] @ unit[a] / temperature) for a in others)
        mine = [p for p in others if classes[p] == classes[i]]
        shares = [np.log(np.exp(unit[i] @ unit[p] / temperature) / whole) for p in mine]
        losses.append(-np.mean(shares) if mine else 0.0)
    return np.mean(losses)


@pytest.mark.parametrize("classes", [[0, 0, 1, 1, 1, 2], [0, 1, 2, 3, 4, 5]])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_loss_is_that_of_the_paper(classes, temperature) -> None:
    vectors = RNG.normal(size=(6, 4)).astype("float32")
    ours = float(ContrastiveLoss(temperature)(np.array(classes), vectors))
    assert ours == pytest.approx(by_the_formula(classes, vectors, temperature), rel=1e-4)


def test_only_directions_count_and_partners_attract() -> None:
    vectors = RNG.normal(size=(6, 4)).astype("float32")
    classes, loss = np.array([0, 0, 1, 1, 2, 2]), ContrastiveLoss()
    scaled = vectors * np.arange(1, 7, dtype="float32")[:, None]
    assert float(loss(classes, scaled)) == pytest.approx(float(loss(classes, vectors)), rel=1e-5)
    together = np.repeat(np.eye(3, 4, dtype="float32"), 2, axis=0)
    assert float(loss(classes, together)) < 0.01 < float(loss(classes, vectors))


def test_a_loss_is_read_from_its_configuration() -> None:
    again = keras.losses.get(keras.losses.serialize(ContrastiveLoss(0.3)))
    assert isinstance(again, ContrastiveLoss) and again.temperature == 0.3


def batches(epoch, y, **asked):
    given = {"classes": 3, "each": 4, "seed": 5} | asked
    made = few_of_each({"row": np.arange(len(y))}, y, **given)(epoch)
    return [(x["row"].numpy(), held.numpy()) for x, held in made]


def test_every_sample_is_in_every_epoch_beside_others_of_its_class() -> None:
    y = np.repeat([0, 1, 2, 3, 4], [4, 8, 5, 1, 12])
    seen = batches(0, y)
    assert set(np.concatenate([rows for rows, _ in seen])) == set(range(len(y)))
    for rows, held in seen:
        np.testing.assert_array_equal(y[rows], held)
        groups = held.reshape(-1, 4)
        assert (groups == groups[:, :1]).all() and len(groups) <= 3


def test_batches_follow_seed_and_epoch_alone() -> None:
    y = np.repeat(np.arange(6), 5)

    def rows(epoch: int, seed: int) -> list[int]:
        return np.concatenate([each for each, _ in batches(epoch, y, seed=seed)]).tolist()

    assert rows(0, 1) == rows(0, 1) != rows(1, 1)
    assert rows(0, 1) != rows(0, 2)


def test_a_network_learns_to_put_classes_apart() -> None:
    y = np.repeat(np.arange(4), 8)
    x = (np.eye(4)[y] + RNG.normal(0, 0.2, (32, 4))).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(loss=ContrastiveLoss())
    data = few_of_each(x, y, classes=4, each=4, seed=0)
    losses = fit(model, data, FitConfig(epochs=20, optimizer=QUICK)).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert ops.is_tensor(model(x))
