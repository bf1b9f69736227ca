"""What a network looks at: hide a part of an image or a sound, and see how much less sure it is.

Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2
(arXiv:1311.2901). It asks the network itself and nothing of its inside, so it holds for any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.recipes.kinds.network import Trained
from gatescope.report.figures import Tile, tiles
from gatescope.report.html import Html, figure, paragraph, section, table

_PART, _STEPS = 4, 2  # a window has a quarter of each side, and moves by half of itself
_MOST_CLASSES = 10


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """Where each network looks or listens, and which classes it takes for which.

    Args:
        trained: Networks of one image, or one spectrogram, and one target of classes.
    """
    found = [(one, read_by(one)) for one in trained]
    looks = [_looks(one, read) for one, read in found]
    return [*looks, *(confusion(one, read) for one, read in found)]


class Read(NamedTuple):
    """What a network says of the test part.

    Attributes:
        shares: Probabilities, `(samples, classes)`.
        true: Classes, `(samples,)`.
    """

    shares: NDArray[np.floating]
    true: NDArray[np.integer[Any]]

    @property
    def said(self) -> NDArray[np.integer[Any]]:
        """The likeliest class of each."""
        return self.shares.argmax(axis=1)

    def surest(self, one: int, *, right: bool) -> int | None:
        """The sample of a class that it is surest of, and right or wrong; None where none is.

        Args:
            one: The class.
            right: Which of both.
        """
        rows = np.flatnonzero((self.true == one) & ((self.said == one) == right))
        return int(rows[self.shares[rows].max(axis=1).argmax()]) if len(rows) else None


def read_by(one: Trained) -> Read:
    """What a network says of its test part.

    Args:
        one: Of one target, of two classes or more.
    """
    part = one.data.test
    shares = np.asarray(one.model.predict(dict(part.x), verbose=0, batch_size=256))
    if shares.shape[1] == 1:  # of yes or no it gives one probability
        shares = np.concatenate([1 - shares, shares], axis=1)
    return Read(shares, part.y[one.data.targets[0].name].ravel())


def occluded(model: keras.Model, image: NDArray[Any], one: int) -> NDArray[np.floating]:
    """How much less likely a class becomes where a window hides what is there.

    Args:
        model: Takes images and gives probabilities.
        image: `(height, width, channels)`, or a spectrogram `(frames, mels)`.
        one: The class.

    Returns:
        `(height, width)`: the mean over the windows that hide a place, 1 at the place of most.
    """
    windows = list(_windows(image.shape[0], image.shape[1]))
    hidden = np.repeat(image[None], len(windows) + 1, axis=0)
    for each, window in zip(hidden, windows, strict=False):
        each[window] = image.mean(axis=(0, 1))
    shares = np.asarray(model.predict(hidden, verbose=0, batch_size=256))
    likely = shares[:, one] if shares.shape[1] > 1 else np.abs(1 - one - shares[:, 0])
    lost, seen = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    for window, now in zip(windows, likely, strict=False):
        lost[window] += likely[-1] - now
        seen[window] += 1
    heat = np.maximum(lost / seen, 0)
    return heat / max(float(heat.max()), 1e-9)


def _windows(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Windows that overlap by half and cover all of an image."""
    sides = [max(1, side // _PART) for side in (height, width)]
    starts = [
        {*range(0, whole - side, max(1, side // _STEPS)), whole - side}
        for whole, side in zip((height, width), sides, strict=True)
    ]
    for top, left in product(*map(sorted, starts)):
        yield slice(top, top + sides[0]), slice(left, left + sides[1])


def _looks(one: Trained, read: Read) -> Html:
    """Of each class an image that it reads right and one that it does not, with what counted."""
    classes = range(min(_MOST_CLASSES, len(one.data.targets[0].classes)))
    rows = []
    for right in (True, False):
        chosen = [read.surest(place, right=right) for place in classes]
        rows.append([_tile(one, read, sample) for sample in chosen])
        rows.append([_tile(one, read, sample, heat=True) for sample in chosen])
    note = (
        "Above: of each class the test sample that it is surest of. Below each, what counted: "
        "where it is yellow to red, hiding it makes the answer less likely. Then the mistakes "
        "that it is surest of, with what counted for the wrong answer."
    )
    verb, caption = "looks at", "Test images"
    if _is_sound(one):
        verb, caption = "listens to", "Test sounds: time to the right, frequency upward"
    drawn = figure(tiles(rows), alt="Samples with what counted", caption=caption)
    return section(_titled(verb, one), paragraph(note), drawn)


def _is_sound(one: Trained) -> bool:
    return one.data.inputs[0].kind == "sequence"


def _tile(one: Trained, read: Read, sample: int | None, *, heat: bool = False) -> Tile | None:
    """An image under what was said of it, or marked with what counted; None where there is none."""
    if sample is None:
        return None
    (image,) = (held[sample] for held in one.data.test.x.values())
    said, true = int(read.said[sample]), int(read.true[sample])
    counted = occluded(one.model, image, said) if heat else None
    shown = image[..., 0] if image.shape[-1] == 1 else image
    if upward := _is_sound(one):
        shown, counted = shown.T, None if counted is None else counted.T
    if heat:
        return Tile(shown, "", heat=counted, upward=upward)
    names = one.data.targets[0].classes
    title = f"{names[said]} {read.shares[sample, said]:.2f}"
    title = title if said == true else f"{title}\nis {names[true]}"
    return Tile(shown, title, said == true, upward=upward)


def confusion(one: Trained, read: Read) -> Html:
    """The table of what is taken for what.

    Args:
        one: The network.
        read: What it says of the test part.
    """
    names = one.data.targets[0].classes
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (read.true, read.said), 1)
    shares = counts.diagonal() / np.maximum(counts.sum(axis=1), 1)
    rows = [
        (name, *(count or None for count in line), share)
        for name, line, share in zip(names, counts.tolist(), shares.tolist(), strict=True)
    ]
    caption = "Test samples: each row a class, each column what was said of it"
    drawn = table(rows, ["class", *names, "right"], caption=caption)
    return section(_titled("takes for what", one), drawn)


def _titled(what: str, one: Trained) -> str:
    return f"What {one.name if one.recipe.variants else 'it'} {what}"
