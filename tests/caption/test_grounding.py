import numpy as np
import pytest

from gatescope.caption.decoding import Hypotheses
from gatescope.caption.grounding import score_scenes, top_regions
from gatescope.data.scenes import make_scenes

LONGEST = 20


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(30, seed=5, size=32)


def looking_right(scene, caption=0):
    """The box of the object that each word speaks of; elsewhere the whole scene."""
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (LONGEST, 1))
    for place, index in enumerate(scene.word_objects[caption]):
        if index >= 0:
            boxes[place] = scene.boxes[index]
    return boxes


def test_true_captions_that_look_right_score_one_told_from_either_end(scenes):
    for told in (0, -1):
        captions = [scene.captions[told] for scene in scenes]
        regions = np.stack([looking_right(scene, told) for scene in scenes])
        scores = score_scenes(scenes, captions, regions)
        assert (scores.exact, scores.grounding) == (1, 1)


def test_a_wrong_caption_counts_all_its_words_as_misses(scenes):
    captions = [scene.captions[0] for scene in scenes]
    captions[0] = captions[0].replace("a ", "a very ", 1)
    regions = np.stack([looking_right(scene) for scene in scenes])
    scores = score_scenes(scenes, captions, regions)
    words = [3 * len(scene.objects) for scene in scenes]
    assert scores.exact == pytest.approx(29 / 30)
    assert scores.grounding == pytest.approx(1 - words[0] / sum(words))


def test_looking_at_another_object_or_too_widely_is_a_miss(scenes):
    pairs = [scene for scene in scenes if len(scene.objects) == 2]
    captions = [scene.captions[0] for scene in pairs]
    swapped = np.stack([looking_right(scene) for scene in pairs])
    for regions, scene in zip(swapped, pairs, strict=True):
        for place, index in enumerate(scene.word_objects[0]):
            if index >= 0:
                regions[place] = scene.boxes[1 - index]
    assert score_scenes(pairs, captions, swapped).grounding == 0
    wide = np.tile(np.array([0, 0, 1, 1], np.float32), (len(pairs), LONGEST, 1))
    assert score_scenes(pairs, captions, wide).grounding == 0


def test_an_overlap_of_a_half_is_a_hit(scenes):
    single = next(scene for scene in scenes if len(scene.objects) == 1)
    y0, x0, y1, x1 = single.objects[0].box
    for share, expected in ((0.55, 1), (0.45, 0)):
        part = np.array([y0, x0, y1, x0 + share * (x1 - x0)], np.float32)
        regions = np.tile(part, (1, LONGEST, 1))
        assert score_scenes([single], single.captions[:1], regions).grounding == expected


def test_relations_and_articles_may_look_anywhere(scenes):
    captions = [scene.captions[0] for scene in scenes]
    regions = np.stack([looking_right(scene) for scene in scenes])
    for row, scene in zip(regions, scenes, strict=True):
        row[[place for place, index in enumerate(scene.word_objects[0]) if index < 0]] = 0
    assert score_scenes(scenes, captions, regions).grounding == 1


def test_the_top_region_is_the_best_beams_heaviest_and_never_the_sentinel():
    boxes = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    weights = np.array([[[[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]], [[1.0, 0.0, 0.0]] * 2]], np.float32)
    found = Hypotheses(words=None, logprobs=None, weights=weights, scores=None)
    assert top_regions(found, boxes).tolist() == [[boxes[0, 1].tolist(), boxes[0, 0].tolist()]]
