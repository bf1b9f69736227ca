"""Figures for files: they are pictures of their kind, and say what they show."""

from __future__ import annotations

import io
from math import nan

import numpy as np
import pytest
from PIL import Image

from gatescope.report.figures import FORMATS, Drawing, figure_of_many, figure_of_one
from gatescope.report.series import Series

X = [-1.0, -0.5, 0.0, 0.5, 1.0]
RELU = Drawing(
    "relu",
    "max(x, 0)",
    [
        Series("output", X, [0.0, 0.0, 0.0, 0.5, 1.0]),
        Series("derivative", X, [0.0, 0.0, nan, 1.0, 1.0]),
    ],
    "x",
    [(-float("inf"), 0.0)],
)
STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_figure_is_of_the_kind_asked_for(kind: str) -> None:
    assert figure_of_one(RELU, kind).startswith(STARTS[kind])
    assert figure_of_many("All", "note", [RELU] * 7, kind).startswith(STARTS[kind])


def test_curve_and_derivative_are_drawn_in_their_colours() -> None:
    pixels = np.asarray(Image.open(io.BytesIO(figure_of_one(RELU))).convert("RGB")).reshape(-1, 3)
    for colour in ((0x1F, 0x5F, 0xA8), (0xC8, 0x55, 0x1B)):
        assert (pixels == colour).all(axis=1).sum() > 500


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figure_of_one(RELU)
    assert dict(mpl.rcParams) == before
