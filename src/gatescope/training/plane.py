"""The plane on which a network of numbers is looked at: its two inputs, or two directions of many.

Suffixes: N samples, F features, S points a side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from gatescope.errors import DataError

Floats = NDArray[Any]

_MARGIN = 0.15  # of the samples' reach, on each side


@final
@dataclass(frozen=True, eq=False)
class InputPlane:
    """A plane in the space of a network's inputs.

    Args:
        middle: A point on it. Shape: (F,).
        axes: Two directions at right angles, of length 1. Shape: (2, F).
        reach: How far it goes from the middle along both, to each side.
        share: Of the samples' variance, how much lies on it; 1 where there are two inputs.
    """

    middle: Floats
    axes: Floats
    reach: float
    share: float

    @classmethod
    def through(cls, samples_NF: Floats) -> Self:
        """The plane that shows most of some samples: of more than two inputs the principal one.

        Args:
            samples_NF: Numbers that the network is trained on.

        Raises:
            DataError: They have one number each, or there is but one.
        """
        count, features = samples_NF.shape
        if features < 2 or count < 2:
            raise DataError(
                f"{count} sample(s) of {features} number(s) span no plane",
                "two samples or more, of two numbers or more",
                "take data with another column of numbers",
            )
        if features == 2:
            middle, axes, share = np.zeros(2), np.eye(2), 1.0
        else:
            found = PCA(2, svd_solver="full").fit(samples_NF.astype(np.float64))
            middle, axes = found.mean_, found.components_
            share = float(found.explained_variance_ratio_.sum())
        places_N2 = (samples_NF - middle) @ axes.T
        reach = float(np.abs(places_N2).max()) * (1 + _MARGIN) or 1.0
        return cls(middle, axes, reach, share)

    def points(self, side: int) -> NDArray[np.float32]:
        """Points of the plane, row by row from below. Shape: (S·S, F).

        Args:
            side: Points along each axis.
        """
        line = np.linspace(-self.reach, self.reach, side)
        across, up = np.meshgrid(line, line)
        places = np.stack([across.ravel(), up.ravel()], 1)
        return (self.middle + places @ self.axes).astype(np.float32)

    def places(self, samples_NF: Floats) -> NDArray[np.float32]:
        """Where samples lie on it, seen straight from above. Shape: (N, 2).

        Args:
            samples_NF: As the network takes them.
        """
        return ((samples_NF - self.middle) @ self.axes.T).astype(np.float32)
