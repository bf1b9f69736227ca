"""How well vectors identify: the nearest known image of each, and whether two are of one person.

Suffixes: N images, E numbers of a vector, P probes, G images of a gallery.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score


class Draw(NamedTuple):
    """Images that are known, the gallery, and those of whom it is asked who they are.

    Attributes:
        gallery: Their rows.
        probes: Rows of all others.
    """

    gallery: NDArray[np.intp]
    probes: NDArray[np.intp]


class Identified(NamedTuple):
    """Vectors on the unit sphere, and whose they are.

    Attributes:
        vectors: `(images, numbers)`, of length 1.
        people: `(images,)`, a number for each person.
    """

    vectors: NDArray[np.floating]
    people: NDArray[np.integer[Any]]

    def draws(self, shots: int, count: int, seed: int) -> Iterator[Draw]:
        """Galleries of some images of every person, at random.

        Args:
            shots: Images of each person that are known; one at least is always left to ask for.
            count: How many galleries.
            seed: Of what is drawn.
        """
        drawn = np.random.default_rng(seed)
        owned = [np.flatnonzero(self.people == one) for one in np.unique(self.people)]
        for _ in range(count):
            chosen = [
                drawn.permutation(rows)[: max(1, min(shots, len(rows) - 1))] for rows in owned
            ]
            gallery = np.sort(np.concatenate(chosen))
            yield Draw(gallery, np.setdiff1d(np.arange(len(self.people)), gallery))

    def cosines(self, draw: Draw) -> NDArray[np.floating]:
        """How alike each probe and each image of the gallery are, `(probes, gallery)`."""
        return self.vectors[draw.probes] @ self.vectors[draw.gallery].T

    def rank_1(self, shots: int, count: int, seed: int) -> float:
        """The share of probes whose nearest image of the gallery is of the same person.

        Args:
            shots: Images of each person in the gallery.
            count: Galleries, over which the mean is taken.
            seed: Of the galleries.
        """
        shares = []
        for draw in self.draws(shots, count, seed):
            nearest_P = draw.gallery[self.cosines(draw).argmax(axis=1)]
            shares.append((self.people[nearest_P] == self.people[draw.probes]).mean())
        return float(np.mean(shares))

    def pairs(self) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
        """All pairs of two images: whether they are of one person, and how alike they are."""
        first, second = np.triu_indices(len(self.people), k=1)
        cosines = (self.vectors @ self.vectors.T)[first, second]
        return self.people[first] == self.people[second], cosines

    def verification(self) -> float:
        """The area under the ROC curve of all pairs: 1 where each of one person is more alike."""
        same, cosines = self.pairs()
        return float(roc_auc_score(same, cosines))


def identified(vectors_NE: NDArray[Any], people_N: NDArray[np.integer[Any]]) -> Identified:
    """Brings vectors to length 1, so that products of them are cosines.

    Args:
        vectors_NE: Of any length.
        people_N: Whose they are.

    Example:
        >>> identified(np.eye(4)[[0, 0, 1, 1]], np.array([0, 0, 1, 1])).rank_1(1, 5, seed=0)
        1.0
    """
    lengths = np.linalg.norm(vectors_NE, axis=1, keepdims=True)
    return Identified(vectors_NE / np.maximum(lengths, 1e-12), people_N)
