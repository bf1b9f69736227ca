"""Many small images as one picture."""

from __future__ import annotations

import numpy as np
import pytest

from gatescope.report.tiles import tiles


def test_each_image_stands_at_its_place_enlarged() -> None:
    images = np.zeros((3, 8, 8, 1))
    images[1], images[2, 0, 0] = 1, 0.5
    found = tiles(images, columns=2)
    assert found.shape == (104, 104, 3)
    assert (found[:48, :48] == 0).all() and (found[:48, 52:100] == 255).all()
    assert (found[52:58, :6] == 128).all() and found[58, 6].sum() == 0
    assert (found[52:, 52:] == 255).all()


@pytest.mark.parametrize(("value", "shade"), [(-50, 0), (0, 0), (127.5, 128), (300, 255)])
def test_values_outside_of_the_span_are_cut_off(value: float, shade: int) -> None:
    found = tiles(np.full((1, 48, 48, 3), value), columns=1, span=(0, 255))
    assert (found[:48, :48] == shade).all()
