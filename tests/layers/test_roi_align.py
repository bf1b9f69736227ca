"""RoIAlign against a slow loop, and its gradients against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.layers.roi_align import RoIAlign


def bilinear(cells: np.ndarray, y: float, x: float) -> np.ndarray:
    """Reads a map at a point, in cells; cell (i, j) has its centre at (i + 0.5, j + 0.5)."""
    rows, columns = cells.shape[:2]
    y, x = np.clip(y - 0.5, 0, rows - 1), np.clip(x - 0.5, 0, columns - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
    down, across = y - top, x - left
    upper = (1 - across) * cells[top, left] + across * cells[top, right]
    lower = (1 - across) * cells[bottom, left] + across * cells[bottom, right]
    return (1 - down) * upper + down * lower


def slow_roi_align(cells: np.ndarray, box: np.ndarray, bins: int, sampling: int) -> np.ndarray:
    rows, columns, channels = cells.shape
    y0, x0, y1, x1 = box * (rows, columns, rows, columns)
    out = np.zeros((bins, bins, channels))
    for row in range(bins):
        for column in range(bins):
            for i in range(sampling):
                for j in range(sampling):
                    y = y0 + (y1 - y0) * (row + (i + 0.5) / sampling) / bins
                    x = x0 + (x1 - x0) * (column + (j + 0.5) / sampling) / bins
                    out[row, column] += bilinear(cells, y, x) / sampling**2
    return out


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps `(2, 5, 7, 3)` and boxes `(2, 6, 4)`, among them the whole photo, corners, a point."""
    rng = np.random.default_rng(seed)
    boxes = np.sort(rng.uniform(size=(2, 6, 2, 2)), axis=2).reshape(2, 6, 4)
    boxes[:, 0], boxes[:, 1], boxes[:, 2] = (0, 0, 1, 1), (0, 0, 0.05, 0.05), (0.9, 0.9, 1, 1)
    boxes[:, 3] = (0.4, 0.4, 0.4, 0.4)
    return rng.normal(size=(2, 5, 7, 3)).astype(np.float32), boxes.astype(np.float32)


@pytest.mark.parametrize(("bins", "sampling"), [(1, 4), (1, 1), (3, 2), (7, 1)])
def test_every_bin_is_the_mean_of_its_bilinear_samples(bins, sampling):
    cells, boxes = random_case(seed=bins)
    found = RoIAlign(bins, sampling)(cells, boxes)
    assert found.shape == (2, 6, bins, bins, 3)
    for photo in range(2):
        for index, box in enumerate(boxes[photo]):
            slow = slow_roi_align(cells[photo], box, bins, sampling)
            np.testing.assert_allclose(found[photo, index], slow, atol=1e-5)


def test_a_box_around_one_cell_reads_that_cell_at_its_centre():
    cells = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    box = np.array([[[0.25, 0.5, 0.5, 0.75]]], np.float32)
    assert RoIAlign(sampling=1)(cells, box).numpy().item() == cells[0, 1, 2, 0]


def test_gradients_agree_with_finite_differences():
    cells, boxes = random_case(seed=1)
    # Off the kinks of bilinear interpolation, where one-sided slopes differ.
    boxes = boxes[:, 4:] + np.float32(0.003)
    layer = RoIAlign(bins=2, sampling=2)
    weights = np.random.default_rng(2).normal(size=(2, 2, 2, 2, 3)).astype(np.float32)

    def total(cells, boxes):
        return tf.reduce_sum(layer(cells, boxes) * weights)

    theoretical, numeric = tf.test.compute_gradient(
        total, [tf.constant(cells), tf.constant(boxes)], delta=1e-3
    )
    for exact, estimate in zip(theoretical, numeric, strict=True):
        np.testing.assert_allclose(exact, estimate, atol=2e-2)
        assert np.abs(exact).max() > 0.1


def test_a_model_with_the_layer_is_saved_and_loaded(tmp_path):
    features, boxes = keras.Input((5, 7, 3)), keras.Input((None, 4))
    model = keras.Model([features, boxes], RoIAlign(bins=2, sampling=3)(features, boxes))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    case = random_case(seed=4)
    np.testing.assert_array_equal(loaded(list(case)), model(list(case)))
