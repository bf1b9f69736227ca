"""Samples on a plane as SVG, over a picture of what a network says there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatescope.report.html import Html, element, escape

_SIDE, _LEFT, _BELOW, _EDGE = 300.0, 34.0, 34.0, 4.0
_TICKS = 5
_STYLE = (
    ".gs-plane text{fill:var(--faint,#5d646f);font:11px system-ui,sans-serif}"
    ".gs-plane .gs-frame{fill:none;stroke:var(--rule,#dfe1e5)}"
)


class Samples(NamedTuple):
    """Samples of one kind.

    Attributes:
        places: `(samples, 2)`.
        colours: Of each.
        hollow: Whether they are rings, as what is held out is drawn.
    """

    places: NDArray[np.floating]
    colours: Sequence[str]
    hollow: bool


def plane(
    picture: str, samples: Sequence[Samples], reach: float, axes: tuple[str, str], label: str
) -> Html:
    """Draws a picture of the plane, samples on it, and axes.

    Args:
        picture: A data URI; empty for none.
        samples: Those of each kind.
        reach: Both axes go from minus this to this.
        axes: Their names, with units.
        label: What is shown, for those who do not see it.
    """
    box = {"x": f"{_LEFT:g}", "y": f"{_EDGE:g}", "width": f"{_SIDE:g}", "height": f"{_SIDE:g}"}
    image = [element("image", href=picture, preserveAspectRatio="none", **box)] if picture else []
    dots = [dot for each in samples for dot in _dots(each, reach)]
    size = f"0 0 {_LEFT + _SIDE + _EDGE:g} {_EDGE + _SIDE + _BELOW:g}"
    return element(
        "svg", element("style", Html(_STYLE)), *image, *dots,
        element("rect", class_="gs-frame", **box), *_ticks(reach), *_names(axes),
        class_="gs-plane", viewBox=size, role="img", aria_label=label,
    )  # fmt: skip


def _at(value: float, reach: float) -> float:
    return _SIDE * (value / reach + 1) / 2


def _dots(samples: Samples, reach: float) -> Iterator[Html]:
    for (x, y), colour in zip(samples.places.tolist(), samples.colours, strict=True):
        at = {"cx": f"{_LEFT + _at(x, reach):.1f}", "cy": f"{_EDGE + _SIDE - _at(y, reach):.1f}"}
        if samples.hollow:
            yield element("circle", r="3", fill="#fff", stroke=colour, stroke_width="1.6", **at)
        else:
            yield element("circle", r="3", fill=colour, stroke="#fff", stroke_width="0.8", **at)


def _ticks(reach: float) -> Iterator[Html]:
    step = _round_step(2 * reach / _TICKS)
    for number in range(-int(reach / step), int(reach / step) + 1):
        value, place = number * step, _at(number * step, reach)
        told = escape(f"{value:g}".replace("-", "−"))
        x, y = f"{_LEFT + place:.1f}", f"{_EDGE + _SIDE - place + 4:.1f}"
        yield element("text", told, x=x, y=f"{_EDGE + _SIDE + 14:g}", text_anchor="middle")
        yield element("text", told, x=f"{_LEFT - 5:g}", y=y, text_anchor="end")


def _round_step(about: float) -> float:
    """A step of 1, 2 or 5 times a power of ten."""
    power = 10 ** np.floor(np.log10(about))
    return float(min((1, 2, 5, 10), key=lambda one: abs(one * power - about)) * power)


def _names(axes: tuple[str, str]) -> Iterator[Html]:
    middle, low = f"{_LEFT + _SIDE / 2:g}", f"{_EDGE + _SIDE + 29:g}"
    yield element("text", escape(axes[0]), x=middle, y=low, text_anchor="middle")
    up = f"{_EDGE + _SIDE / 2:g}"
    yield element(
        "text",
        escape(axes[1]),
        x="10",
        y=up,
        text_anchor="middle",
        transform=f"rotate(-90 10 {up})",
    )
