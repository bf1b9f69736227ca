"""How sure a captioner is, measured on dev."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from gatescope.caption.bundle import Calibration


def calibrate(logprobs: NDArray[np.float64], quality: Sequence[float]) -> Calibration:
    """Fits confidence to whether a caption is better than most.

    A caption counts as good where its CIDEr-D reaches the mean over dev: CIDEr-D is skewed, so
    well under half do. Platt's logistic curve (1999) over the mean log probability a word gives
    the confidence. "Not sure" begins where confidence falls under half the share of good
    captions.

    Args:
        logprobs: Mean log probability a word of every dev caption, natural logarithm.
        quality: CIDEr-D of every dev caption against its references.

    Returns:
        Slope, intercept and threshold. Where captions are all alike in quality, one that says
        one half of every caption and is never "not sure", or always, if none is worth anything;
        where the improbable ones are better, one that says the share of good captions.

    Example:
        >>> calibrate(np.array([-2.0, -0.5, -1.8, -0.4]), [0.1, 0.9, 0.0, 1.2]).confidence(-0.3)
        0.72...
    """
    values, probable = np.asarray(quality), np.asarray(logprobs)[:, None]
    good = values >= values.mean()
    if good.all() or not good.any():  # the mean of equal numbers may be rounded up
        return Calibration(threshold=float(not values.any()))
    curve = LogisticRegression().fit(probable, good)
    if curve.coef_[0, 0] <= 0:
        curve.fit(np.zeros_like(probable), good)
    return Calibration(
        slope=float(curve.coef_[0, 0]),
        intercept=float(curve.intercept_[0]),
        threshold=float(good.mean() / 2),
    )
