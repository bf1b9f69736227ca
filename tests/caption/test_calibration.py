"""Confidence that means something: it is as high as captions are often good."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gatescope.caption.bundle import Calibration
from gatescope.caption.calibration import calibrate


@pytest.fixture(scope="module")
def dev() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """2,000 captions whose quality grows with their log probability, with noise."""
    rng = np.random.default_rng(0)
    logprobs = rng.normal(-1.0, 0.4, 2000)
    quality = np.exp(2 * logprobs + rng.normal(0, 0.8, 2000))
    return logprobs, quality


def _confidences(calibration: Calibration, logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([calibration.confidence(logprob) for logprob in logprobs])


def test_confidence_grows_with_probability(dev: tuple[NDArray[np.float64], ...]) -> None:
    confidences = _confidences(calibrate(*dev), np.array([-3.0, -1.5, -1.0, -0.5, 0.0]))
    assert (np.diff(confidences) > 0).all()


def test_captions_are_as_often_good_as_confidence_says(
    dev: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    logprobs, quality = dev
    confidences, good = _confidences(calibrate(*dev), logprobs), quality >= quality.mean()
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1.0)):
        among = (confidences >= low) & (confidences < high)
        assert confidences[among].mean() == pytest.approx(good[among].mean(), abs=0.08)


def test_not_sure_begins_at_half_the_share_of_good_captions(
    dev: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    good = dev[1] >= dev[1].mean()
    assert calibrate(*dev).threshold == pytest.approx(good.mean() / 2)


@pytest.mark.parametrize("quality", [[0.5, 0.5, 0.5], [0.1, 0.1, 0.1]])
def test_equal_captions_say_nothing_of_confidence(quality: list[float]) -> None:
    calibration = calibrate(np.array([-1.0, -2.0, -3.0]), quality)
    assert calibration.confidence(-9.0) == calibration.confidence(-0.1) == 0.5
    assert calibration.threshold == 0


def test_a_captioner_that_says_nothing_right_is_never_sure() -> None:
    calibration = calibrate(np.array([-1.0, -2.0, -3.0]), [0.0, 0.0, 0.0])
    assert calibration.confidence(-0.1) < calibration.threshold


def test_a_few_captions_where_the_improbable_are_better_do_not_turn_confidence_round() -> None:
    calibration = calibrate(np.array([-3.0, -2.0, -1.0, -0.5]), [1.0, 0.9, 0.1, 0.0])
    assert calibration.slope == 0
    assert calibration.confidence(-1.0) == pytest.approx(0.5)  # two of four are good
