"""Anchors, deltas and suppression against slow references."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gatescope.layers.region_proposal import RegionProposal, anchors, decode, encode, grid

WHOLE = [0, 0, 1, 1]


def sides(boxes: np.ndarray) -> np.ndarray:
    return boxes[..., 2:] - boxes[..., :2]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    shared = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).prod()
    return shared / max(sides(a).prod() + sides(b).prod() - shared, 1e-12)


def slow_suppression(boxes: np.ndarray, scores: np.ndarray, count: int, iou: float) -> np.ndarray:
    kept: list[int] = []
    for index in np.argsort(-scores):
        if len(kept) < count and all(overlap(boxes[index], boxes[k]) <= iou for k in kept):
            kept.append(index)
    return np.array(kept)


def test_anchors_have_the_areas_the_ratios_and_the_centres_asked_for():
    scales, ratios = (0.1, 0.4), (0.5, 1.0, 2.0)
    boxes = anchors(3, 5, scales, ratios).reshape(3, 5, 2, 3, 4)
    height, width = np.moveaxis(sides(boxes), -1, 0)
    shape = height.shape
    np.testing.assert_allclose(
        np.sqrt(height * width), np.broadcast_to(np.reshape(scales, (2, 1)), shape), rtol=1e-5
    )
    np.testing.assert_allclose(height / width, np.broadcast_to(ratios, shape), rtol=1e-4)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    np.testing.assert_allclose(centres[2, 1, 0, 0], (2.5 / 3, 1.5 / 5), rtol=1e-5)
    np.testing.assert_allclose(centres, np.broadcast_to(centres[:, :, :1, :1], centres.shape))


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9))
def test_a_grid_covers_the_photo_once(rows, columns):
    boxes = grid(rows, columns)
    assert boxes.shape == (rows * columns, 4)
    points = np.random.default_rng(0).uniform(size=(100, 1, 2))
    inside = ((boxes[:, :2] <= points) & (points < boxes[:, 2:])).all(-1)
    assert (inside.sum(1) == 1).all()
    np.testing.assert_allclose(
        sides(boxes), np.tile((1 / rows, 1 / columns), (len(boxes), 1)), rtol=1e-5
    )


@st.composite
def box_arrays(draw):
    numbers = st.floats(0, 1, width=32)
    count = draw(st.integers(1, 5))
    corners = np.array(draw(st.lists(numbers, min_size=4 * count, max_size=4 * count)))
    boxes = np.sort(corners.reshape(count, 2, 2), axis=1).reshape(count, 4)
    return boxes[(sides(boxes) > 0.02).all(1)].astype(np.float32)


@settings(deadline=None, max_examples=50)
@given(box_arrays())
def test_decoding_undoes_encoding(boxes):
    chosen = anchors(4, 4, (0.2, 0.6), (0.5, 2.0))[: len(boxes)]
    np.testing.assert_allclose(decode(chosen, encode(chosen, boxes)), boxes, atol=1e-5)


def test_no_delta_makes_a_box_infinite_or_larger_than_the_photo():
    chosen = anchors(2, 2, (0.3,), (1.0,))
    deltas = np.random.default_rng(0).normal(scale=1e4, size=(3, 4, 4)).astype(np.float32)
    boxes = decode(chosen, deltas).numpy()
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (sides(boxes) >= 0).all()


def test_deltas_of_zero_leave_the_anchors_where_they_are():
    chosen = anchors(2, 2, (0.3,), (1.0,))
    np.testing.assert_allclose(decode(chosen, np.zeros((1, 4, 4), np.float32))[0], chosen)


@pytest.fixture
def proposed():
    """Objectness logits `(2, 48)` and deltas `(2, 48, 4)` on 48 anchors."""
    rng = np.random.default_rng(0)
    boxes = anchors(4, 4, (0.2, 0.4, 0.6), (1.0,))
    logits = rng.normal(size=(2, len(boxes))).astype(np.float32)
    return boxes, logits, rng.normal(scale=0.3, size=(2, len(boxes), 4)).astype(np.float32)


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.9])
def test_the_kept_boxes_are_those_of_a_slow_suppression(proposed, iou):
    chosen, logits, deltas = proposed
    boxes, scores = RegionProposal(chosen, 8, iou)(logits, deltas)
    decoded = decode(chosen, deltas).numpy()
    for photo in range(2):
        kept = slow_suppression(decoded[photo], logits[photo], 8, iou)
        np.testing.assert_allclose(boxes[photo][: len(kept)], decoded[photo, kept], atol=1e-6)
        sigmoids = 1 / (1 + np.exp(-logits[photo, kept]))
        np.testing.assert_allclose(scores[photo][: len(kept)], sigmoids, rtol=1e-5)


def test_only_the_best_scored_anchors_enter(proposed):
    chosen, logits, deltas = proposed
    boxes, scores = RegionProposal(chosen, 8, 1.0, candidates=3)(logits, deltas)
    np.testing.assert_allclose(
        scores[:, :3], np.sort(1 / (1 + np.exp(-logits)))[:, :-4:-1], rtol=1e-5
    )
    assert (scores.numpy()[:, 3:] == 0).all()
    assert (boxes.numpy()[:, 3:] == WHOLE).all()


def test_where_few_survive_the_whole_photo_fills_up():
    chosen = anchors(1, 1, (0.5,), (1.0,)).repeat(6, 0)
    logits, deltas = tf.range(6.0)[None], tf.zeros((1, 6, 4))
    boxes, scores = RegionProposal(chosen, 4, 0.5)(logits, deltas)
    np.testing.assert_allclose(boxes[0], [chosen[0], WHOLE, WHOLE, WHOLE])
    assert scores[0, 0] > 0.9
    assert scores.numpy()[0, 1:].tolist() == [0, 0, 0]


def test_a_model_with_the_layer_is_saved_and_loaded(tmp_path, proposed):
    chosen, logits, deltas = proposed
    inputs = [keras.Input(logits.shape[1:]), keras.Input(deltas.shape[1:])]
    layer = RegionProposal(chosen, 8, 0.4, candidates=30)
    model = keras.Model(inputs, layer(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for found, wanted in zip(loaded([logits, deltas]), layer(logits, deltas), strict=True):
        np.testing.assert_array_equal(found, wanted)
