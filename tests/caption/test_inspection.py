"""An inspection tells the very caption, and what else could have been said and seen."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from gatescope.caption.inspection import entropy
from gatescope.caption.view import FLAT, flatness, look_told, looks
from gatescope.errors import UsageError

SAME = 1e-4  # a compiled search and the decoder told what to say add up in another order


@pytest.fixture(scope="module")
def longest(tiny_captioner, photos):
    """The photo with the longest caption."""
    return max(photos, key=lambda photo: len(tiny_captioner.caption(photo).words))


@pytest.fixture(scope="module")
def seen(tiny_captioner, longest):
    return tiny_captioner.inspect(longest)


def test_it_tells_what_the_captioner_says(tiny_captioner, photos):
    for photo in photos:
        caption = tiny_captioner.caption(photo)
        inspected = tiny_captioner.inspect(photo).caption
        assert inspected.to_dict() == caption.to_dict()


def test_every_caption_of_the_search_is_told_best_first(tiny_captioner, longest):
    caption = tiny_captioner.caption(longest, beam=5)
    seen = tiny_captioner.inspect(longest, beam=5)
    texts = tuple(one.text for one in seen.alternatives)
    assert texts == (caption.text, *caption.alternatives)
    scores = [one.score for one in seen.alternatives]
    assert scores == sorted(scores, reverse=True)


def test_a_score_is_the_log_probability_over_a_power_of_the_length(tiny_bundle, seen):
    penalty = tiny_bundle.description.decoding.length_penalty
    for one in seen.alternatives:
        words = len(one.text.split())
        ended = words < tiny_bundle.description.decoding.longest
        lengths = [words + 1] if ended else [words, words + 1]
        scores = [one.logprob / length**penalty for length in lengths]
        assert min(abs(score - one.score) for score in scores) < SAME


def test_attention_is_that_of_the_words(seen, tiny_bundle):
    words = seen.caption.words
    assert seen.boxes.shape == (tiny_bundle.description.regions.count, 4)
    assert seen.weights.shape == (len(words), len(seen.boxes) + 1)
    np.testing.assert_allclose(seen.weights.sum(-1), 1, atol=1e-5)
    for word, weights in zip(words, seen.weights, strict=True):
        assert word.weight == weights[:-1].max()
        assert word.entropy == entropy(weights)
        assert word.entropy <= seen.most_entropy
    assert seen.most_entropy == pytest.approx(np.log2(len(seen.boxes) + 1))


def test_next_words_hold_the_probability_that_the_word_had(seen, tiny_bundle):
    size = len(tiny_bundle.vocabulary)
    for place, word in enumerate(seen.caption.words):
        found = seen.next_words(place, size)
        shares = [one.probability for one in found]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert dict(found)[word.text] == pytest.approx(exp(word.logprob), abs=SAME)
        assert seen.next_words(place, 3) == found[:3]


def test_after_the_last_word_stands_the_end(seen):
    assert "<end>" in dict(seen.next_words(len(seen.caption.words), 14))


def test_proofs_are_those_of_the_captioner(tiny_captioner, seen, longest):
    proved = tiny_captioner.caption(longest, prove=True)
    assert seen.proofs == tuple(word.proof for word in proved.words)
    assert any(seen.proofs)
    assert seen.proofs is seen.proofs


def test_the_proposed_regions_given_back_change_nothing(tiny_captioner, photos):
    # An untrained network now and then proposes a region without area, which nobody can give.
    inspected = ((photo, tiny_captioner.inspect(photo)) for photo in photos)
    longest, seen = next(
        (photo, one) for photo, one in inspected if len(one.proposals) == one.proposed
    )
    again = tiny_captioner.inspect(longest, boxes=seen.proposals.tolist())
    assert again.proposed == seen.proposed
    np.testing.assert_array_equal(again.boxes, seen.boxes)
    np.testing.assert_allclose(again.weights, seen.weights, atol=SAME)
    for change in seen.changes(again):
        assert change.probability[0] == pytest.approx(change.probability[1], abs=SAME)


def test_a_region_of_ones_own_changes_words_as_the_captioner_says(tiny_captioner, seen, longest):
    boxes = [(0.1, 0.2, 0.6, 0.9), *seen.proposals.tolist()]
    other = tiny_captioner.inspect(longest, boxes=boxes)
    assert other.caption.to_dict() == tiny_captioner.caption(longest, boxes=boxes).to_dict()
    changes = seen.changes(other)
    assert [one.text for one in changes] == [word.text for word in seen.caption.words]
    for change, word in zip(changes, seen.caption.words, strict=True):
        assert change.probability[0] == pytest.approx(exp(word.logprob), abs=SAME)
        assert change.entropy[0] == pytest.approx(word.entropy, abs=1e-3)
        assert 0 <= change.weight <= 1
    assert any(abs(one.probability[1] - one.probability[0]) > 1e-3 for one in changes)
    if other.caption.text == seen.caption.text:
        for change, word, weights in zip(changes, other.caption.words, other.weights, strict=True):
            assert change.probability[1] == pytest.approx(exp(word.logprob), abs=SAME)
            assert change.weight == pytest.approx(weights[0], abs=SAME)


def test_what_caption_refuses_is_refused(tiny_captioner, longest):
    with pytest.raises(UsageError, match="are not boxes inside a photo"):
        tiny_captioner.inspect(longest, boxes=[(0.5, 0, 0.1, 1)])
    with pytest.raises(UsageError, match="beam=0"):
        tiny_captioner.inspect(longest, beam=0)


def test_looks_are_the_largest_weights(seen):
    for place, weights in enumerate(seen.weights):
        found = looks(seen, place)
        assert 1 <= len(found) <= 6
        shares = [look.weight for look in found]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == weights[:-1].max()
        assert all(weights[look.region] == look.weight for look in found)


def test_a_look_is_told_with_its_entropy_and_flat_ones_are_no_evidence(seen):
    for place, word in enumerate(seen.caption.words):
        told = look_told(seen, place)
        assert f"Entropy {word.entropy:.2f} of at most {seen.most_entropy:.2f} bits" in told
        assert ("nearly flat" in told) == (flatness(seen, place) >= FLAT)


@pytest.mark.parametrize(
    ("weights", "bits"),
    [([1, 0, 0], 0), ([0.5, 0.5], 1), ([0.25] * 4, 2), ([0.5, 0.25, 0.25], 1.5)],
)
def test_entropy_is_in_bits(weights, bits):
    assert entropy(np.array(weights, np.float32)) == pytest.approx(bits)
