"""Mean and deviation of numbers that come by in chunks, some of them missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-12  # of the mean: a deviation below it is what adding up leaves


class Moments:
    """Adds up what mean and standard deviation need, column by column.

    Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances". scikit-learn's `StandardScaler.partial_fit` does the same, but a chunk that has no
    value in a column spoils that column for good (1.9).

    Args:
        columns: How many there are.
    """

    def __init__(self, columns: int) -> None:
        self.count, self.mean, self._squares = np.zeros((3, columns))

    def add(self, numbers: NDArray[np.floating]) -> None:
        """Looks at the next rows.

        Args:
            numbers: Of shape `(rows, columns)`; NaN where one is missing.
        """
        numbers = numbers.astype(np.float64)
        count = (~np.isnan(numbers)).sum(axis=0)
        mean = np.nansum(numbers, axis=0) / np.maximum(count, 1)
        both = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self._squares += np.nansum((numbers - mean) ** 2, axis=0)
        self._squares += apart**2 * self.count * count / both
        self.mean += apart * count / both
        self.count += count

    @property
    def deviation(self) -> NDArray[np.float64]:
        """The columns' standard deviations, to divide by: 1 where numbers did not vary."""
        deviation = np.sqrt(self._squares / np.maximum(self.count, 1))
        return np.where(deviation > _ROUNDING * np.abs(self.mean), deviation, 1.0)
