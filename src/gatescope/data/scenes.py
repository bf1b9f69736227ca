"""Generated scenes: coloured shapes in relations, with exact boxes, captions and grounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gatescope.errors import ConfigurationError

Axis = Literal["across", "down"]
Point = tuple[float, float]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (212, 42, 46),
    "orange": (246, 138, 24),
    "yellow": (250, 212, 40),
    "green": (46, 160, 72),
    "blue": (38, 100, 214),
    "purple": (138, 58, 178),
}
SHAPES = ("circle", "square", "triangle", "star", "heart")
SIZES: dict[str, tuple[float, float]] = {"small": (0.15, 0.18), "large": (0.29, 0.33)}

# Each colour but one and each shape loses exactly one partner, so that every word is still
# learned from the train split and only its combination is new.
HELD_OUT = (
    ("red", "star"),
    ("yellow", "square"),
    ("green", "circle"),
    ("blue", "triangle"),
    ("purple", "heart"),
)
_SEEN = tuple(pair for pair in product(COLOURS, SHAPES) if pair not in HELD_OUT)

_OBJECT_COUNTS = (1, 2, 3)
_OBJECT_SHARES = (0.2, 0.5, 0.3)
_LARGE_AT_MOST = 2  # three large objects do not fit on one line
_BORDER = 0.02
_GAP = 0.05  # free space between neighbours on the axis of their relation
_WOBBLE = 0.04  # how far a centre may leave the common line: too little to name a second relation
_SMALLEST = 32  # pixels a side: below it a small heart and a small circle look alike
_SUPERSAMPLE = 8

# axis -> (how the first speaks of the second, how the second speaks of the first)
_RELATIONS: dict[Axis, tuple[str, str]] = {
    "across": ("left of", "right of"),
    "down": ("above", "below"),
}


@dataclass(frozen=True)
class SceneObject:
    """One coloured shape.

    Args:
        colour: A key of `COLOURS`.
        shape: A member of `SHAPES`.
        size: A key of `SIZES`.
        box: The pixels it touches, (y0, x0, y1, x1) relative to the image's sides.
    """

    colour: str
    shape: str
    size: str
    box: tuple[float, float, float, float]

    @property
    def words(self) -> tuple[str, str, str]:
        """The three words that name it, in the order of a caption."""
        return self.size, self.colour, self.shape


@dataclass(frozen=True, eq=False)
class Scene:
    """An image with everything that is true of it.

    Objects stand in one row or one column and are listed from the left or from the top.
    `captions` holds every caption that is exactly right: first the one that follows the
    objects' order ("… left of …", "… above …"), then, if there is more than one object, the one
    that goes backwards ("… right of …", "… below …"). A chain of three stays on one axis, so it
    is true whichever way it is bracketed.

    Args:
        image: uint8 array of shape (height, width, 3), RGB.
        objects: One to three objects of different colour–shape combinations.
        captions: One or two captions, of lower-case words separated by single spaces.
        word_objects: For each caption, for each of its words, the index in `objects` of the
            object that the word speaks of, or -1 for "a", "left", "of" and their like.
    """

    image: NDArray[np.uint8]
    objects: tuple[SceneObject, ...]
    captions: tuple[str, ...]
    word_objects: tuple[tuple[int, ...], ...]

    @property
    def boxes(self) -> NDArray[np.float32]:
        """The objects' boxes, float32 of shape (objects, 4)."""
        return np.array([thing.box for thing in self.objects], np.float32)


def make_scenes(count: int, *, seed: int, size: int = 96, held_out: bool = False) -> list[Scene]:
    """Makes scenes with exact captions, boxes and grounding.

    Scene *i* depends on (`seed`, `held_out`, *i*) alone, so a smaller set is a prefix of a
    larger one, and another `size` shows the same scenes at another resolution. Splits come from
    different seeds.

    Args:
        count: How many scenes.
        seed: Any integer from 0.
        size: Height and width in pixels, at least 32.
        held_out: If False, no object has a combination of `HELD_OUT`. If True, exactly one
            object of each scene has.

    Returns:
        `count` scenes.

    Raises:
        ConfigurationError: A count or seed below zero, or a size below 32.

    Example:
        >>> scene = make_scenes(1, seed=0)[0]
        >>> scene.image.shape
        (96, 96, 3)
    """
    if count < 0 or seed < 0 or size < _SMALLEST:
        raise ConfigurationError(
            f"scenes cannot be made with count={count}, seed={seed}, size={size}",
            f"count and seed from 0, size from {_SMALLEST} pixels",
            "correct the value that is too small",
        )
    return [
        _make_scene(np.random.default_rng([seed, held_out, index]), size, held_out)
        for index in range(count)
    ]


def _make_scene(rng: np.random.Generator, size: int, held_out: bool) -> Scene:
    names = _draw_names(rng, held_out)
    axis: Axis = "across" if rng.random() < 0.5 else "down"
    objects = tuple(
        SceneObject(colour, shape, size_name, box)
        for (size_name, colour, shape), box in zip(
            names, _place(rng, names, axis, size), strict=True
        )
    )
    captions, word_objects = _describe(objects, axis)
    return Scene(_paint(rng, objects, size), objects, captions, word_objects)


def _draw_names(rng: np.random.Generator, held_out: bool) -> list[tuple[str, str, str]]:
    """Draws (size, colour, shape) for each object, all of different combinations."""
    count = int(rng.choice(_OBJECT_COUNTS, p=_OBJECT_SHARES))
    pairs = [_SEEN[index] for index in rng.choice(len(_SEEN), count, replace=False)]
    if held_out:
        pairs[rng.integers(count)] = HELD_OUT[rng.integers(len(HELD_OUT))]
    sizes = rng.choice(list(SIZES), count).tolist()
    if sizes.count("large") > _LARGE_AT_MOST:
        sizes[rng.integers(count)] = "small"
    return [(size, *pair) for size, pair in zip(sizes, pairs, strict=True)]


def _place(
    rng: np.random.Generator, names: list[tuple[str, str, str]], axis: Axis, size: int
) -> list[tuple[float, float, float, float]]:
    """Lines the objects up along `axis`, on whole pixels so that boxes are exact."""
    sides = np.array([rng.uniform(*SIZES[name]) for name, _, _ in names])
    free = 1 - 2 * _BORDER - sides.sum() - _GAP * (len(sides) - 1)
    steps = np.cumsum(sides + _GAP) - (sides + _GAP)
    starts = _BORDER + np.sort(rng.uniform(0, free, len(sides))) + steps
    half = sides.max() / 2 + _WOBBLE + _BORDER
    centres = rng.uniform(half, 1 - half) + rng.uniform(-_WOBBLE, _WOBBLE, len(sides))
    along, beside, side = (
        np.round(values * size).astype(int) for values in (starts, centres - sides / 2, sides)
    )
    y0, x0 = (beside, along) if axis == "across" else (along, beside)
    corners = np.stack([y0, x0, y0 + side, x0 + side], axis=-1) / size
    return [tuple(corner) for corner in corners.tolist()]


def _describe(
    objects: tuple[SceneObject, ...], axis: Axis
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Captions in both directions, and the object that each of their words speaks of."""
    order = range(len(objects))
    forward, backward = _RELATIONS[axis]
    told = [_tell(objects, list(order), forward)]
    if len(objects) > 1:
        told.append(_tell(objects, list(reversed(order)), backward))
    captions, word_objects = zip(*told, strict=True)
    return captions, word_objects


def _tell(
    objects: tuple[SceneObject, ...], order: list[int], relation: str
) -> tuple[str, tuple[int, ...]]:
    words: list[tuple[str, int]] = []
    for index in order:
        if words:
            words += [(word, -1) for word in relation.split()]
        words += [("a", -1), *((word, index) for word in objects[index].words)]
    return " ".join(word for word, _ in words), tuple(index for _, index in words)


def _paint(
    rng: np.random.Generator, objects: tuple[SceneObject, ...], size: int
) -> NDArray[np.uint8]:
    """Draws the objects on a soft gradient, under mild noise."""
    canvas = _background(rng, size)
    for thing in objects:
        y0, x0, y1, x1 = (round(edge * size) for edge in thing.box)
        mask = _mask(thing.shape, y1 - y0)[..., None]
        colour = np.array(COLOURS[thing.colour], np.float32) + rng.uniform(-8, 8, 3)
        part = canvas[y0:y1, x0:x1]
        part += mask * (colour.astype(np.float32) - part)
    canvas += 4 * rng.standard_normal((size, size, 1), np.float32)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _background(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """A linear gradient in a random direction between two greys of a faint tint."""
    start, end = rng.uniform(196, 240, (2, 1)) + rng.uniform(-7, 7, (2, 3))
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-0.5, 0.5, size)
    height = np.cos(angle) * ramp[:, None] + np.sin(angle) * ramp[None, :] + 0.5
    return np.asarray(start + height[..., None] * (end - start), np.float32)


def _mask(shape: str, side: int) -> NDArray[np.float32]:
    """How much of each pixel `shape` covers when its box is `side` pixels wide; in [0, 1]."""
    big = Image.new("L", (side * _SUPERSAMPLE,) * 2)
    scale = side * _SUPERSAMPLE - 1
    corners = [(x * scale, y * scale) for x, y in _OUTLINES[shape]()]
    ImageDraw.Draw(big).polygon(corners, fill=255)
    return np.asarray(big.resize((side, side), Image.Resampling.BOX), np.float32) / np.float32(255)


def _circle() -> list[Point]:
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    return _fill_unit_square(np.cos(turn), np.sin(turn))


def _square() -> list[Point]:
    return [(0, 0), (1, 0), (1, 1), (0, 1)]


def _triangle() -> list[Point]:
    return [(0.5, 0), (1, 1), (0, 1)]


def _star() -> list[Point]:
    turn = np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2, 0.45, 1.0)
    return _fill_unit_square(radius * np.sin(turn), -radius * np.cos(turn))


def _heart() -> list[Point]:
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
    return _fill_unit_square(16 * np.sin(turn) ** 3, -y)


def _fill_unit_square(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[Point]:
    """Stretches an outline until it touches all four sides, which makes its box exact."""
    x, y = ((axis - axis.min()) / np.ptp(axis) for axis in (x, y))
    return list(zip(x.tolist(), y.tolist(), strict=True))


_OUTLINES: dict[str, Callable[[], list[Point]]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
}
