import math
from itertools import pairwise

import numpy as np
import pytest

from gatescope.data.scenes import (
    COLOURS,
    HELD_OUT,
    SHAPES,
    SIZES,
    make_scenes,
)
from gatescope.errors import ConfigurationError

TRAIN = make_scenes(400, seed=7)
NOVEL = make_scenes(200, seed=7, held_out=True)
EVERY = TRAIN + NOVEL


def pairs(scene):
    return [(thing.colour, thing.shape) for thing in scene.objects]


def same(left, right):
    return np.array_equal(left.image, right.image) and (
        (left.objects, left.captions, left.word_objects)
        == (right.objects, right.captions, right.word_objects)
    )


def test_a_smaller_set_is_a_prefix_of_a_larger_one():
    assert all(map(same, make_scenes(20, seed=7), TRAIN[:20]))


def test_another_seed_and_the_held_out_split_give_other_scenes():
    assert not any(map(same, make_scenes(20, seed=8), TRAIN))
    assert not any(map(same, NOVEL, TRAIN))


def test_another_size_shows_the_same_scenes():
    for small, big in zip(TRAIN[:20], make_scenes(20, seed=7, size=224), strict=True):
        assert big.image.shape == (224, 224, 3)
        assert big.captions == small.captions
        np.testing.assert_allclose(big.boxes, small.boxes, atol=1 / 96)


def test_held_out_combinations_never_stand_in_the_train_split():
    assert not {pair for scene in TRAIN for pair in pairs(scene)} & set(HELD_OUT)


def test_every_held_out_scene_has_exactly_one_new_combination_and_all_occur():
    novel = [[pair for pair in pairs(scene) if pair in HELD_OUT] for scene in NOVEL]
    assert all(len(found) == 1 for found in novel)
    assert {pair for (pair,) in novel} == set(HELD_OUT)


def test_every_other_combination_occurs_in_training():
    seen = {pair for scene in TRAIN for pair in pairs(scene)}
    assert len(seen) == len(COLOURS) * len(SHAPES) - len(HELD_OUT)


def test_images_are_rgb_bytes_with_a_background_that_is_not_flat():
    for scene in EVERY[:50]:
        assert scene.image.dtype == np.uint8 and scene.image.shape == (96, 96, 3)
        assert len(np.unique(scene.image[:2])) > 5


@pytest.mark.parametrize("scenes", [TRAIN, NOVEL], ids=["train", "held out"])
def test_one_two_and_three_objects_all_occur(scenes):
    assert {len(scene.objects) for scene in scenes} == {1, 2, 3}


def test_objects_of_a_scene_are_of_different_combinations():
    assert all(len(set(pairs(scene))) == len(scene.objects) for scene in EVERY)


def test_boxes_lie_inside_the_image_and_are_of_the_named_size():
    for scene in EVERY:
        boxes = scene.boxes
        assert boxes.dtype == np.float32 and boxes.shape == (len(scene.objects), 4)
        assert (boxes >= 0).all() and (boxes <= 1).all()
        for thing in scene.objects:
            y0, x0, y1, x1 = thing.box
            low, high = SIZES[thing.size]
            assert y1 - y0 == pytest.approx(x1 - x0)
            assert low - 1 / 96 <= y1 - y0 <= high + 1 / 96


def test_large_is_clearly_larger_than_small():
    assert SIZES["large"][0] > 1.5 * SIZES["small"][1]


def test_the_relation_holds_with_a_margin_and_no_second_relation_does():
    for scene in EVERY:
        axis = 1 if " left of " in scene.captions[0] else 0
        for first, second in pairwise(scene.boxes):
            assert second[axis] - first[axis + 2] > 0.03
            across = 1 - axis
            overlap = min(first[across + 2], second[across + 2]) - max(
                first[across], second[across]
            )
            assert overlap > 0.03


def test_captions_name_the_objects_from_the_left_or_top_and_back():
    for scene in EVERY:
        names = ["a " + " ".join(thing.words) for thing in scene.objects]
        if len(names) == 1:
            assert scene.captions == (names[0],)
            continue
        told = [
            (f" {ahead} ".join(names), f" {back} ".join(reversed(names)))
            for ahead, back in (("left of", "right of"), ("above", "below"))
        ]
        assert scene.captions in told


def test_each_word_points_at_the_object_that_it_speaks_of():
    for scene in EVERY:
        for caption, indices in zip(scene.captions, scene.word_objects, strict=True):
            words = caption.split(" ")
            assert len(words) == len(indices)
            for word, index in zip(words, indices, strict=True):
                if index < 0:
                    assert word in {"a", "left", "right", "of", "above", "below"}
                else:
                    assert word in scene.objects[index].words
            named = [index for index in indices if index >= 0]
            assert sorted(named) == sorted(list(range(len(scene.objects))) * 3)


def painted(scene, thing):
    """Pixels near the object's colour: its jitter is 8, the noise four times 4."""
    distance = np.abs(scene.image.astype(float) - COLOURS[thing.colour]).max(-1)
    return distance < 30


def test_the_box_holds_the_shape_tightly():
    for scene in make_scenes(150, seed=3, size=192):
        if len({thing.colour for thing in scene.objects}) < len(scene.objects):
            continue
        for thing in scene.objects:
            rows, columns = np.nonzero(painted(scene, thing))
            found = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            np.testing.assert_allclose(found, np.array(thing.box) * 192, atol=3)


def test_shapes_cover_the_share_of_their_box_that_geometry_says():
    # A star of inner radius r has area 5 r sin(36°) in a box of 2 sin(72°) × (1 + cos(36°)).
    star = 5 * 0.45 * math.sin(math.pi / 5)
    star /= 2 * math.sin(2 * math.pi / 5) * (1 + math.cos(math.pi / 5))
    share = {"circle": math.pi / 4, "square": 1.0, "triangle": 0.5, "star": star}
    seen = set()
    for scene in make_scenes(60, seed=5, size=256):
        for thing in scene.objects:
            if thing.size == "small" or thing.shape == "heart":
                continue
            y0, x0, y1, x1 = (round(edge * 256) for edge in thing.box)
            covered = painted(scene, thing)[y0:y1, x0:x1].mean()
            assert covered == pytest.approx(share[thing.shape], abs=0.04), thing
            seen.add(thing.shape)
    assert seen == set(share)


@pytest.mark.parametrize("wrong", [{"count": -1}, {"seed": -1}, {"size": 8}])
def test_values_that_are_too_small_are_refused_with_the_bounds(wrong):
    values = {"count": 1, "seed": 0, "size": 96} | wrong
    with pytest.raises(ConfigurationError, match=r"expected: count and seed from 0, size from 32"):
        make_scenes(values.pop("count"), **values)
