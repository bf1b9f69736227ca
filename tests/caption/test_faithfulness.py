"""Masking: the right pixels, the right word, beside boxes of the same size."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gatescope.caption import faithfulness
from gatescope.caption.faithfulness import RANDOM_MASKS, Proof, prove_words
from gatescope.caption.vocabulary import SPECIAL
from gatescope.data.photos import read_photo


@pytest.fixture(scope="module")
def seen(tiny_bundle, photos):
    """A photo, its region boxes and a caption of it."""
    photo = read_photo(photos[3], size=64)
    boxes = tiny_bundle.detector.regions(photo[None]).boxes[0].numpy()
    ids = np.array([*tiny_bundle.vocabulary.encode("a black dog runs"), SPECIAL.end, 0], np.int32)
    return photo, boxes, ids


def probabilities(bundle, photo, boxes, ids):
    """Of every word of the caption beside a photo, one word at a time: the slow reference."""
    features = bundle.detector.features(bundle.detector.maps(photo[None]), boxes[None])
    words, told = [SPECIAL.start], []
    for word in ids[ids != SPECIAL.pad]:
        logits = bundle.decoder(features, boxes[None], np.array([[words]], np.int32))
        told.append(float(tf.nn.softmax(logits)[0, 0, -1, word]))
        words.append(int(word))
    return told


def test_a_proof_tells_the_words_probability_before_and_after(tiny_bundle, seen):
    photo, boxes, ids = seen
    region = (0.25, 0.5, 0.75, 1.0)
    masked = photo.copy()
    masked[16:48, 32:64] = photo.mean((0, 1)).round()
    before, after = (probabilities(tiny_bundle, one, boxes, ids) for one in (photo, masked))
    proofs = prove_words(tiny_bundle, photo, boxes, ids, [1, 3], [region, region])
    for place, proof in zip([1, 3], proofs, strict=True):
        assert proof.before == pytest.approx(before[place], abs=1e-4)
        assert proof.masked == pytest.approx(after[place], abs=1e-4)
    assert abs(before[1] - after[1]) > 1e-3


def test_the_same_seed_gives_the_same_proof_and_another_one_other_boxes(tiny_bundle, seen):
    photo, boxes, ids = seen
    one, again, other = (
        prove_words(tiny_bundle, photo, boxes, ids, [2], [(0.1, 0.1, 0.4, 0.4)], seed=seed)[0]
        for seed in (0, 0, 1)
    )
    assert one == again
    assert one.random != other.random
    assert one.masked == pytest.approx(other.masked, abs=1e-5)


def test_masking_the_whole_photo_is_no_proof(tiny_bundle, seen):
    photo, boxes, ids = seen
    (proof,) = prove_words(tiny_bundle, photo, boxes, ids, [2], [(0.0, 0.0, 1.0, 1.0)])
    assert proof.masked == pytest.approx(proof.random, abs=1e-5)


def test_no_word_needs_no_photo(tiny_bundle, seen, monkeypatch):
    monkeypatch.delattr(faithfulness, "_probabilities")
    assert prove_words(tiny_bundle, *seen, [], []) == []


def test_many_words_go_through_in_batches(tiny_bundle, seen):
    photo, boxes, ids = seen
    places = [0, 1, 2, 3, 4] * 2
    regions = [(0.0, 0.0, 0.1 + place / 20, 0.5) for place in range(10)]
    assert len(places) * (RANDOM_MASKS + 1) + 1 > 3 * faithfulness.BATCH
    together = prove_words(tiny_bundle, photo, boxes, ids, places, regions)
    for place, region, proof in zip(places, regions, together, strict=True):
        (alone,) = prove_words(tiny_bundle, photo, boxes, ids, [place], [region])
        assert alone.masked == pytest.approx(proof.masked, abs=1e-4)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((0.0, 0.0, 1.0, 1.0), (0, 10), (0, 20)),
        ((0.5, 0.25, 1.0, 0.5), (5, 10), (5, 10)),
        ((0.49, 0.26, 0.51, 0.27), (4, 6), (5, 6)),  # every pixel that it touches
        ((0.3, 0.3, 0.3, 0.3), (3, 4), (6, 7)),  # no area still hides a pixel
        ((1.0, 1.0, 1.0, 1.0), (9, 10), (19, 20)),
    ],
)
def test_paint_covers_the_box_and_nothing_else(box, rows, columns):
    photo = np.random.default_rng(0).integers(0, 100, (10, 20, 3)).astype(np.uint8)
    photo[0, 0] = 255
    painted = faithfulness._painted(photo, box)
    inside = np.zeros((10, 20), bool)
    inside[slice(*rows), slice(*columns)] = True
    np.testing.assert_array_equal(painted[~inside], photo[~inside])
    paint = photo.mean((0, 1)).round()
    assert (painted[inside] == paint).all()


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.35, 0.9), (0.0, 0.0, 1.0, 1.0), (0.3, 0.3, 0.3, 0.3)])
def test_random_boxes_have_the_same_size_and_lie_inside(box):
    rng = np.random.default_rng(0)
    places = set()
    for _ in range(50):
        y0, x0, y1, x1 = faithfulness._elsewhere(box, rng)
        assert (y1 - y0, x1 - x0) == pytest.approx((box[2] - box[0], box[3] - box[1]))
        assert min(y0, x0) >= 0
        assert max(y1, x1) <= 1 + 1e-9
        places.add((y0, x0))
    assert len(places) == (1 if box == (0.0, 0.0, 1.0, 1.0) else 50)


def test_a_region_mattered_where_its_loss_cost_more_than_a_random_loss():
    assert Proof(before=0.8, masked=0.3, random=0.7).mattered
    assert not Proof(before=0.8, masked=0.7, random=0.7).mattered
    assert not Proof(before=0.8, masked=0.75, random=0.5).mattered
    assert not Proof(before=0.2, masked=0.3, random=0.4).mattered  # the word even gained
