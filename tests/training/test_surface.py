"""Slices of losses that are known, planes against scikit-learn's, and paths on them."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.decomposition import PCA

from gatescope.errors import ConfigurationError, DataError, UsageError
from gatescope.training.fit import FitConfig, fit
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.surface import (
    Plane,
    WeightPath,
    flat_weights,
    loss_surface,
    plane_of_paths,
    random_plane,
)

RNG = np.random.default_rng(6)
X = RNG.normal(size=(64, 3)).astype("float32")
Y = X @ np.float32([[1.0, 0.5], [2.0, -1.0], [-1.0, 0.0]])


def network(hidden=6):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(hidden, "tanh"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )
    model.compile(loss="mse")
    return model


def path_of(name, rate, epochs=5):
    path = WeightPath()
    optimizer = OptimizerConfig(name=name, learning_rate=rate)
    fit(network(), (X, Y), FitConfig(epochs=epochs, optimizer=optimizer), callbacks=[path])
    return path.points


@pytest.fixture(scope="module")
def paths():
    return {"sgd": path_of("sgd", 0.05), "adam": path_of("adam", 0.02)}


def test_the_middle_of_a_slice_is_the_loss_of_the_model():
    model = network()
    surface = loss_surface(model, (X, Y), random_plane(model, seed=2), points=5)
    assert surface.losses.shape == (5, 5)
    assert surface.losses[2, 2] == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)


def test_a_slice_of_a_quadratic_is_that_quadratic():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
    model.compile(loss="mse")
    eye = np.sqrt(2) * np.eye(2, dtype="float32")  # so that the loss is a² + b² to the target
    target = np.float32([0.5, -0.25])
    plane = Plane(np.zeros(2, "float32"), np.float32([1, 0]), np.float32([0, 1]))
    surface = loss_surface(model, (eye, eye @ target[:, None]), plane, points=9)
    expected = (surface.a[:, None] - 0.5) ** 2 + (surface.b + 0.25) ** 2
    np.testing.assert_allclose(surface.losses, expected, atol=1e-5)


def test_the_model_is_left_as_it_was():
    model = network()
    before = [variable.numpy() for variable in model.variables]
    loss_surface(model, (X, Y), random_plane(model, seed=2, span=3.0), points=3)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_directions_are_as_long_as_each_filter_and_leave_vectors_alone():
    model = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(4, 3), layers.Dense(5)])
    plane = random_plane(model, seed=3)
    start = 0
    for variable in model.trainable_variables:
        weights = variable.numpy()
        part = plane.first[start : start + weights.size].reshape(weights.shape)
        start += weights.size
        if weights.ndim == 1:
            assert not part.any()
        else:
            axes = tuple(range(weights.ndim - 1))
            expected = np.linalg.norm(weights.reshape(-1, weights.shape[-1]), axis=0)
            np.testing.assert_allclose(np.sqrt((part**2).sum(axes)), expected, rtol=1e-5)
    assert abs(np.corrcoef(plane.first, plane.second)[0, 1]) < 0.3


def test_a_direction_is_a_function_of_its_seed():
    model = network()
    same, again, other = (random_plane(model, seed=seed).first for seed in (1, 1, 2))
    assert np.array_equal(same, again) and not np.array_equal(same, other)


def test_the_plane_of_paths_is_scikit_learns(paths):
    plane = plane_of_paths(paths)
    points = np.concatenate(list(paths.values()))
    reference = PCA(2).fit(points.astype(np.float64))
    assert plane.unseen == pytest.approx(1 - reference.explained_variance_ratio_.sum(), abs=1e-9)
    np.testing.assert_allclose(
        np.abs(plane.places(points)), np.abs(reference.transform(points)), atol=1e-5
    )
    assert 0 < plane.unseen < 0.5


def test_what_is_unseen_is_what_the_projection_misses(paths):
    plane = plane_of_paths(paths)
    points = np.concatenate(list(paths.values())).astype(np.float64)
    places = plane.places(points)
    projected = plane.center + places @ np.stack([plane.first, plane.second])
    missed = ((points - projected) ** 2).sum() / ((points - points.mean(0)) ** 2).sum()
    assert plane.unseen == pytest.approx(missed, rel=1e-6)


def test_paths_are_drawn_on_their_plane(paths):
    surface = loss_surface(network(), (X, Y), plane_of_paths(paths), points=7, paths=paths)
    assert {name: path.shape for name, path in surface.paths.items()} == {
        "sgd": (6, 2),
        "adam": (6, 2),
    }
    np.testing.assert_allclose(surface.paths["sgd"][0], surface.paths["adam"][0], atol=1e-6)
    for path in surface.paths.values():
        assert (path[:, 0] > surface.a[0]).all() and (path[:, 0] < surface.a[-1]).all()
    assert surface.figure().startswith(b"\x89PNG")
    drawn = surface.figure("svg").decode()
    assert "of their spread lies outside" in drawn or "<path" in drawn


def test_losses_that_are_not_finite_are_left_out_of_the_picture():
    model = network()
    surface = loss_surface(model, (X, Y), random_plane(model, seed=2), points=4)
    surface.losses[0, 0] = np.nan
    surface.losses[3, 3] = np.inf
    assert surface.figure().startswith(b"\x89PNG")


def test_a_path_begins_at_the_first_weights_and_ends_at_the_last():
    path = WeightPath()
    model = network()
    first = flat_weights(model)
    config = FitConfig(epochs=2, restore_best=False)
    fit(model, (X, Y), config, callbacks=[path])
    assert path.points.shape == (3, len(first))
    np.testing.assert_array_equal(path.points[0], first)
    np.testing.assert_array_equal(path.points[-1], flat_weights(model))


def test_what_has_no_plane_is_refused(paths):
    with pytest.raises(DataError, match=r"the 2 points of the paths span no plane[\s\S]*epochs"):
        plane_of_paths({"sgd": paths["sgd"][:2]})
    line = np.arange(5.0)[:, None] * np.ones(4)
    with pytest.raises(DataError, match="span no plane"):
        plane_of_paths({"line": line})
    with pytest.raises(ConfigurationError, match="different numbers of weights"):
        plane_of_paths({"a": paths["sgd"], "b": paths["sgd"][:, :-1]})


def test_a_plane_of_another_model_is_refused(paths):
    with pytest.raises(UsageError, match="a plane of this model"):
        loss_surface(network(hidden=7), (X, Y), plane_of_paths(paths))
    bare = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(UsageError, match="is not compiled"):
        loss_surface(bare, (X, Y), random_plane(bare, seed=1))
