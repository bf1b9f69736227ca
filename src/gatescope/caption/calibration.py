"""How sure a captioner is, measured on dev."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from gatescope.caption.bundle import Calibration


def calibrate(logprobs: NDArray[np.float64], quality: Sequence[float]) -> Calibration:
    """Fits confidence to whether a caption is at least of middling quality.

    A caption counts as good where its CIDEr-D reaches the mean over dev: CIDEr-D is skewed, so
    well under half do. Platt's logistic curve (1999) over the mean log probability a word gives
    the confidence. "Not sure" begins where confidence falls under half the share of good
    captions.

    Args:
        logprobs: Mean log probability a word of every dev caption, natural logarithm.
        quality: CIDEr-D of every dev caption against its references.

    Returns:
        Slope, intercept and threshold; without both good and bad captions, one that is
        always sure.
    """
    values = np.asarray(quality)
    good = values >= values.mean()
    if good.all() or not good.any():
        return Calibration(intercept=10.0)
    curve = LogisticRegression().fit(np.asarray(logprobs)[:, None], good)
    return Calibration(
        slope=float(curve.coef_[0, 0]),
        intercept=float(curve.intercept_[0]),
        threshold=float(good.mean() / 2),
    )
