"""The region detector with ImageNet weights at a small size."""

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from gatescope.layers.roi_align import RoIAlign
from gatescope.models.regions import RegionConfig, RegionDetector, proposal_network

CONFIG = RegionConfig(photo_size=48, input_size=64, proposals=5, grid=2, scales=(0.3, 0.6))
WHOLE = [0, 0, 1, 1]


@pytest.fixture(scope="module")
def detector():
    return RegionDetector.imagenet(CONFIG)


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), np.uint8)


def test_regions_are_proposals_then_the_whole_photo_then_the_grid(detector, photos):
    boxes, scores, features = detector.regions(photos)
    assert boxes.shape == (3, 5 + 1 + 4, 4)
    assert scores.shape == (3, 10)
    assert features.shape == (3, 10, 1280)
    assert boxes.numpy()[:, 5].tolist() == [WHOLE] * 3
    quarters = [[0, 0, 0.5, 0.5], [0, 0.5, 0.5, 1], [0.5, 0, 1, 0.5], [0.5, 0.5, 1, 1]]
    assert boxes.numpy()[:, 6:].tolist() == [quarters] * 3
    assert (np.diff(scores.numpy()[:, :5]) <= 0).all()
    assert (scores.numpy()[:, :5] > 0).all()
    assert (scores.numpy()[:, 5:] == 0).all()


def test_the_stages_one_by_one_give_what_they_give_together(detector, photos):
    maps = detector.maps(photos)
    boxes, scores = detector.proposals(maps)
    together = detector.regions(photos)
    assert maps.shape == (3, CONFIG.map_size, CONFIG.map_size, 112)
    np.testing.assert_allclose(boxes, together.boxes, atol=1e-4)
    np.testing.assert_allclose(scores, together.scores, atol=1e-4)
    np.testing.assert_allclose(
        detector.features(maps, together.boxes), together.features, atol=1e-3
    )


def test_the_same_photos_give_the_same_regions_alone_or_in_a_batch(detector, photos):
    first, again = detector.regions(photos), detector.regions(photos)
    for once, twice in zip(first, again, strict=True):
        np.testing.assert_array_equal(once, twice)
    alone = detector.regions(photos[1:2])
    np.testing.assert_allclose(alone.boxes[0], first.boxes[1], atol=1e-4)
    np.testing.assert_allclose(alone.features[0], first.features[1], atol=1e-3)


def test_features_may_be_read_from_boxes_of_the_users_own(detector, photos):
    maps = detector.maps(photos[:1])
    boxes = np.array([[[0.1, 0.2, 0.7, 0.9], WHOLE, [0.5, 0.5, 0.6, 0.55]]], np.float32)
    found = detector.features(maps, boxes)
    assert found.shape == (1, 3, 1280)
    np.testing.assert_allclose(
        found, RoIAlign()(detector.top(maps, training=False), boxes)[:, :, 0, 0], atol=1e-5
    )
    in_detector = detector.regions(photos[:1])
    np.testing.assert_allclose(found[:, 1], in_detector.features[:, CONFIG.proposals], atol=1e-3)
    assert np.abs(found[:, 0] - found[:, 2]).max() > 0.1


def test_photos_of_any_size_are_enlarged_to_the_input(detector, photos):
    twice = tf.image.resize(photos, (64, 64))
    np.testing.assert_allclose(detector.maps(twice), detector.maps(photos), atol=1e-3)


def test_without_proposals_or_grid_the_whole_photo_stays(detector, photos):
    config = CONFIG.model_copy(update={"proposals": 0, "grid": 0})
    whole = RegionDetector(config, detector.trunk, proposal_network(config), detector.top)
    regions = whole.regions(photos)
    assert config.count == 1
    assert regions.boxes.numpy().tolist() == [[WHOLE]] * 3
    np.testing.assert_allclose(
        regions.features[:, 0],
        detector.regions(photos).features[:, CONFIG.proposals],
        atol=1e-3,
    )


def test_the_network_has_one_score_and_four_deltas_for_each_anchor():
    config = RegionConfig(input_size=384)
    network = proposal_network(config)
    objectness, deltas = network(np.zeros((2, 24, 24, 112), np.float32))
    assert len(config.anchors()) == 24 * 24 * 18
    assert objectness.shape == (2, 24 * 24 * 18)
    assert deltas.shape == (2, 24 * 24 * 18, 4)
    # Untrained, it believes in few objects and leaves anchors where they are.
    assert tf.sigmoid(objectness).numpy().mean() < 0.1
    assert np.abs(deltas).max() < 0.1


def test_scores_and_deltas_belong_to_the_cell_where_their_anchor_stands():
    config = RegionConfig(input_size=128, scales=(0.1, 0.2), ratios=(1.0,))
    network = proposal_network(config)
    maps = np.zeros((1, 8, 8, 112), np.float32)
    resting, _ = network(maps)
    maps[0, 6, 2] = 5
    disturbed, _ = network(maps)
    change = np.abs(disturbed - resting)[0].reshape(64, 2).sum(1)
    first = config.anchors().reshape(64, 2, 4)[change.argmax(), 0]
    centre = (first[:2] + first[2:]) / 2
    np.testing.assert_allclose(centre, (6.5 / 8, 2.5 / 8), atol=1 / 8 + 1e-6)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"input_size": 200}, "multiple of 32"),
        ({"input_size": 32}, "greater than or equal to 64"),
        ({"proposals": -1}, "greater than or equal to 0"),
        ({"iou_threshold": 0}, "greater than 0"),
        ({"proposal": 3}, "Extra inputs are not permitted"),
    ],
)
def test_settings_without_meaning_are_refused(setting, text):
    with pytest.raises(ValidationError, match=text):
        RegionConfig(**setting)
