from __future__ import annotations

import numpy as np

from gatescope.report.shades import MAGNITUDES, SIGNED, shades


def written(colours: np.ndarray) -> list[str]:
    return ["#" + "".join(f"{part:02x}" for part in one) for one in colours.tolist()]


def test_ends_and_middle_have_the_colours_that_are_named() -> None:
    assert written(shades(np.array([-2.0, 0.0, 2.0]), signed=True)) == list(SIGNED)
    ends = shades(np.array([0.0, 3.0]), signed=False)
    assert written(ends) == [MAGNITUDES[0], MAGNITUDES[-1]]


def test_a_given_scale_holds_and_what_is_beyond_is_cut_off() -> None:
    found = written(shades(np.array([5.0, -5.0]), signed=True, largest=1.0))
    assert found == [SIGNED[2], SIGNED[0]]


def test_darker_is_larger() -> None:
    lightness = shades(np.linspace(0, 1, 50), signed=False).astype(float).sum(-1)
    assert (np.diff(lightness) < 0).all()


def test_what_is_no_number_is_grey_and_zeros_are_no_fault() -> None:
    assert shades(np.array([np.nan, np.inf]), signed=True).tolist() == [[200] * 3] * 2
    assert shades(np.zeros((2, 3)), signed=True).shape == (2, 3, 3)
