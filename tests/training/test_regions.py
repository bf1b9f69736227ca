"""Training of the proposal network on synthetic maps and tiny photos."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.utils import bounding_boxes
from PIL import Image

from gatescope.data.boxes import load_boxes
from gatescope.data.photos import read_photo
from gatescope.errors import CheckpointError, ConfigurationError, DataError
from gatescope.layers.region_proposal import RegionProposal, encode
from gatescope.models.regions import RegionConfig, RegionDetector, proposal_network
from gatescope.training.regions import (
    DESCRIPTION,
    WEIGHTS,
    ProposalTrainer,
    RegionRecipe,
    RegionTraining,
    Views,
    augment,
    load_proposals,
    make_views,
    recall,
    train_proposals,
    train_regions,
)

CONFIG = RegionConfig(photo_size=64, input_size=128, proposals=6, scales=(0.25, 0.5), width=16)
TINY = RegionRecipe(
    regions=CONFIG, training=RegionTraining(views=2, steps=2, batch_size=2, sampled=32)
)


def drawn_maps(count: int, seed: int) -> Views:
    """8×8 maps of noise on which one or two boxes are lit up in some of the channels."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(scale=0.3, size=(count, 8, 8, 112)).astype(np.float16)
    boxes = []
    for cells in maps:
        sides = rng.integers(2, 5, (rng.integers(1, 3), 2))
        starts = rng.integers(0, 8 - sides + 1)
        for (top, left), (bottom, right) in zip(starts, starts + sides, strict=True):
            cells[top:bottom, left:right, :40] += 1
        boxes.append((np.concatenate([starts, starts + sides], 1) / 8).astype(np.float32))
    return Views(maps, boxes)


def found_boxes(network: keras.Model, views: Views) -> list[np.ndarray]:
    outputs = network(views.maps.astype(np.float32), training=False)
    return list(RegionProposal(CONFIG.anchors(), 6, 0.6)(*outputs)[0].numpy())


def test_training_learns_to_find_what_is_drawn():
    fresh = drawn_maps(60, seed=1)
    training = RegionTraining(steps=120, batch_size=8, sampled=64, learning_rate=5e-3)
    untrained = recall(found_boxes(proposal_network(CONFIG), fresh), fresh.boxes)
    network = train_proposals(drawn_maps(100, seed=0), CONFIG, training)
    trained = recall(found_boxes(network, fresh), fresh.boxes)
    assert trained > 0.8
    assert trained > untrained + 0.3


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    views = drawn_maps(8, seed=0)

    def weights(seed: int) -> list[np.ndarray]:
        training = RegionTraining(steps=4, batch_size=2, sampled=32, seed=seed)
        return train_proposals(views, CONFIG, training).get_weights()

    once, again, other = weights(3), weights(3), weights(4)
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(once, other, strict=True))


def test_views_without_any_box_teach_that_nothing_is_there():
    views = Views(drawn_maps(4, seed=0).maps, [np.zeros((0, 4), np.float32)] * 4)
    training = RegionTraining(steps=30, batch_size=2, sampled=32)
    network = train_proposals(views, CONFIG, training)
    objectness, _ = network(views.maps.astype(np.float32), training=False)
    assert np.isfinite(objectness).all()
    untrained, _ = proposal_network(CONFIG)(views.maps.astype(np.float32), training=False)
    assert objectness.numpy().mean() < untrained.numpy().mean()


@pytest.fixture
def trainer():
    training = RegionTraining(sampled=60, positive=0.25)
    return ProposalTrainer(proposal_network(CONFIG), CONFIG, training)


def test_anchors_are_positive_where_they_overlap_by_half_or_best(trainer):
    # A box that hugs an anchor, and one so narrow that no anchor overlaps it by half.
    anchors = CONFIG.anchors()
    boxes = np.array([[anchors[3 * 37], [0.1, 0.1, 0.9, 0.25], [0, 0, 0, 0]]], np.float32)
    positive, negative, target = trainer._assign(tf.constant(boxes))
    overlap = np.asarray(bounding_boxes.compute_iou(anchors, boxes[0], "yxyx"))
    positive, negative, target = positive[0].numpy(), negative[0].numpy(), target[0].numpy()
    assert overlap[:, 1].max() < 0.5
    best = np.isclose(overlap[:, 1], overlap[:, 1].max(), atol=1e-3)
    np.testing.assert_array_equal(positive, (overlap.max(1) >= 0.5) | best)
    np.testing.assert_array_equal(negative, (overlap.max(1) < 0.3) & (positive == 0))
    assert (target[best] == boxes[0, 1]).all()
    assert (target[3 * 37] == boxes[0, 0]).all()


def test_padding_of_zero_boxes_makes_no_anchor_positive(trainer):
    positive, negative, _ = trainer._assign(tf.zeros((2, 3, 4)))
    assert tf.reduce_sum(positive) == 0
    assert (negative.numpy() == 1).all()


@pytest.mark.parametrize(("there", "wanted"), [(0, 0), (5, 5), (15, 15), (100, 15)])
def test_sampled_anchors_are_as_many_as_asked_with_positives_up_to_their_share(
    trainer, there, wanted
):
    positive = np.zeros((2, 384), np.float32)
    positive[:, :there] = 1
    negative = 1 - positive
    sampled = trainer._sample(tf.constant(positive), tf.constant(negative)).numpy()
    assert set(np.unique(sampled)) <= {0, 1}
    assert (sampled * positive).sum(1).tolist() == [wanted] * 2
    assert sampled.sum(1).tolist() == [60] * 2
    assert (sampled[0] != sampled[1]).any()


def test_ignored_anchors_are_never_sampled(trainer):
    positive, negative = np.zeros((2, 2, 384), np.float32)
    negative[:, :20] = 1
    sampled = trainer._sample(tf.constant(positive), tf.constant(negative)).numpy()
    np.testing.assert_array_equal(sampled, negative)


def test_a_perfect_prediction_costs_nothing_and_a_moved_box_more(trainer):
    boxes = tf.constant([[[0.1, 0.2, 0.5, 0.7]]])
    positive, _, target = trainer._assign(boxes)
    logits = tf.where(positive > 0, 30.0, -30.0)
    exact = encode(trainer.anchors, target)
    losses = [
        float(trainer.compute_loss(y=boxes, y_pred=[logits, exact + shift]))
        for shift in (0.0, 0.05, 0.5)
    ]
    assert losses[0] < 1e-6
    assert losses[0] < losses[1] < losses[2]


def test_recall_counts_boxes_over_all_photos():
    half = np.array([[0, 0, 1, 0.5]], np.float32)
    quarters = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], np.float32)
    found = [half, quarters[:1], half]
    truth = [half, quarters, np.zeros((0, 4), np.float32)]
    assert recall(found, truth) == pytest.approx(2 / 3)
    assert recall(found, truth, iou=1.01) == 0


def test_augmented_boxes_still_fit_what_they_held():
    # Blue alone marks the box, since brightness and colour change.
    photo = np.full((80, 120, 3), (200, 200, 20), np.uint8)
    photo[20:50, 30:90] = (20, 20, 250)
    box = np.array([[20 / 80, 30 / 120, 50 / 80, 90 / 120]], np.float32)
    kept = 0
    for seed in range(60):
        version, boxes = augment(photo, box, np.random.default_rng(seed))
        height, width = version.shape[:2]
        assert height >= 40
        assert width >= 60
        blue = version[..., 2] > version[..., 0]
        for top, left, bottom, right in boxes * (height, width, height, width):
            kept += 1
            rows, columns = np.nonzero(blue)
            found = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            np.testing.assert_allclose((top, left, bottom, right), found, atol=2.1)
        if not len(boxes):
            assert blue.sum() < 0.45 * 30 * 60
    assert kept > 40


@pytest.fixture(scope="module")
def boxed_folder(tmp_path_factory) -> Path:
    """Three photos, the last without boxes, with their COCO instances file."""
    folder = tmp_path_factory.mktemp("boxed")
    rng = np.random.default_rng(0)
    for number in range(3):
        noise = rng.integers(0, 256, (60, 90, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    sizes = {"width": 90, "height": 60}
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", **sizes} for i in range(3)],
        "annotations": [
            {"image_id": 0, "category_id": 1, "bbox": [10, 10, 40, 30]},
            {"image_id": 0, "category_id": 1, "bbox": [50, 20, 30, 30]},
            {"image_id": 1, "category_id": 1, "bbox": [0, 0, 45, 60]},
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def detector() -> RegionDetector:
    return RegionDetector.imagenet(CONFIG)


@pytest.fixture(scope="module")
def trained(boxed_folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "new" / "regions"
    seen: list[tuple[str, int, int]] = []
    network = train_regions(boxed_folder, run, TINY, progress=lambda *step: seen.append(step))
    return run, network, seen


def test_views_begin_with_the_photo_itself_as_the_captioner_sees_it(boxed_folder, detector):
    photos = load_boxes(boxed_folder).photos
    views = make_views(photos, detector, views=3, seed=0)
    again = make_views(photos, detector, views=3, seed=0)
    assert views.maps.shape == (9, 8, 8, 112)
    assert views.maps.dtype == np.float16
    assert len(views.boxes) == 9
    for index, photo in enumerate(photos):
        pixels = read_photo(photo.path, size=CONFIG.photo_size)
        wanted = detector.maps(pixels[None])[0]
        np.testing.assert_allclose(views.maps[3 * index], wanted, atol=0.02)
        np.testing.assert_array_equal(views.boxes[3 * index], photo.boxes)
        assert (views.maps[3 * index] != views.maps[3 * index + 1]).any()
    np.testing.assert_array_equal(views.maps, again.maps)


def test_a_training_writes_two_files_and_reports_its_steps(trained):
    run, _, seen = trained
    assert sorted(path.name for path in run.iterdir()) == sorted([WEIGHTS, DESCRIPTION])
    assert [step for step in seen if step[0] == "views"] == [("views", 1, 2), ("views", 2, 2)]
    assert [step for step in seen if step[0] == "steps"] == [("steps", 1, 2), ("steps", 2, 2)]
    recipe = json.loads((run / DESCRIPTION).read_text())["recipe"]
    assert RegionRecipe.model_validate(recipe) == TINY


def test_a_detector_takes_the_trained_network_over(trained, detector):
    run, network, _ = trained
    fresh = RegionDetector(CONFIG, detector.trunk, proposal_network(CONFIG), detector.top)
    maps = np.random.default_rng(0).normal(size=(1, 8, 8, 112)).astype(np.float32)
    load_proposals(run, fresh)
    for found, wanted in zip(fresh.network(maps), network(maps), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_proposals_of_other_counts_fit_and_of_other_anchors_do_not(trained, detector):
    run, _, _ = trained

    def load_into(**changes: object) -> None:
        config = CONFIG.model_copy(update=changes)
        network = proposal_network(config)
        load_proposals(run, RegionDetector(config, detector.trunk, network, detector.top))

    load_into(proposals=3, grid=1, iou_threshold=0.9)
    with pytest.raises(ConfigurationError, match=r"trained with scales=\(0.25, 0.5\)") as caught:
        load_into(scales=(0.3, 0.5))
    assert "scales=(0.3, 0.5)" in caught.value.expected
    assert "set regions.scales alike" in caught.value.fix


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_a_missing_file_is_named(trained, tmp_path, detector, name):
    copy_without(trained[0], tmp_path, name)
    with pytest.raises(ConfigurationError, match=f"no proposal network: no {name}") as caught:
        load_proposals(tmp_path, detector)
    assert "gatescope train regions" in caught.value.expected


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_a_truncated_file_is_refused(trained, tmp_path, detector, name):
    before = detector.network.get_weights()
    copy_without(trained[0], tmp_path, name)
    (tmp_path / name).write_bytes((trained[0] / name).read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="cannot be used") as caught:
        load_proposals(tmp_path, detector)
    assert "gatescope train regions" in caught.value.fix
    for a, b in zip(before, detector.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_changed_weights_are_refused(trained, tmp_path, detector):
    copy_without(trained[0], tmp_path, WEIGHTS)
    data = bytearray((trained[0] / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(data)
    with pytest.raises(CheckpointError, match=r"is not the file that proposals\.json describes"):
        load_proposals(tmp_path, detector)


def test_data_without_a_single_box_is_refused(boxed_folder, tmp_path):
    content = json.loads((boxed_folder / "instances.json").read_text())
    content["annotations"] = []
    (tmp_path / "instances.json").write_text(json.dumps(content))
    for photo in boxed_folder.glob("*.png"):
        shutil.copy(photo, tmp_path)
    with pytest.raises(DataError, match=r"no photo of .* has a box") as caught:
        train_regions(tmp_path, tmp_path / "run", TINY)
    assert "boxes to learn from" in caught.value.expected
    assert not (tmp_path / "run").exists()


def copy_without(folder: Path, target: Path, name: str) -> None:
    for path in folder.iterdir():
        if path.name != name:
            (target / path.name).write_bytes(path.read_bytes())
