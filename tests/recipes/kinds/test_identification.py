"""Rank-1 and verification, against counting by hand and against chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from gatescope.recipes.kinds.identification import identified

RNG = np.random.default_rng(0)
PEOPLE = np.repeat(np.arange(5), 6)


def test_galleries_have_so_many_images_of_everyone_and_all_others_are_probes() -> None:
    vectors = identified(RNG.normal(size=(30, 4)), PEOPLE)
    drawn = list(vectors.draws(2, 3, seed=1))
    for draw in drawn:
        assert np.bincount(PEOPLE[draw.gallery]).tolist() == [2] * 5
        assert sorted([*draw.gallery, *draw.probes]) == list(range(30))
    assert len({draw.gallery.tobytes() for draw in drawn}) == 3
    again = next(vectors.draws(2, 1, seed=1))
    np.testing.assert_array_equal(again.gallery, drawn[0].gallery)


def test_one_image_at_least_is_left_to_ask_for() -> None:
    vectors = identified(RNG.normal(size=(7, 4)), np.array([0, 0, 0, 0, 1, 1, 2]))
    draw = next(vectors.draws(3, 1, seed=0))
    # Of the third person there is one image, so nobody can ask for them.
    assert np.bincount(vectors.people[draw.gallery]).tolist() == [3, 1, 1]
    assert np.bincount(vectors.people[draw.probes]).tolist() == [1, 1]


def test_rank_1_is_the_score_of_a_nearest_neighbour() -> None:
    clouds = RNG.normal(size=(5, 4))[PEOPLE] + RNG.normal(0, 0.7, (30, 4))
    vectors = identified(clouds, PEOPLE)
    theirs = []
    for draw in vectors.draws(2, 4, seed=3):
        near = KNeighborsClassifier(1, metric="cosine").fit(
            clouds[draw.gallery], PEOPLE[draw.gallery]
        )
        theirs.append(near.score(clouds[draw.probes], PEOPLE[draw.probes]))
    assert vectors.rank_1(2, 4, seed=3) == pytest.approx(np.mean(theirs))
    assert 0.2 < vectors.rank_1(2, 4, seed=3) < 1


def test_verification_is_half_where_vectors_say_nothing_and_one_where_they_say_all() -> None:
    nothing = identified(RNG.normal(size=(300, 64)), np.repeat(np.arange(50), 6))
    assert nothing.verification() == pytest.approx(0.5, abs=0.05)
    everything = identified(np.eye(5)[PEOPLE], PEOPLE)
    assert everything.verification() == everything.rank_1(1, 2, seed=0) == 1
