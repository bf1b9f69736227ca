"""Whom an embedding takes images for, and how sure one can be of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from gatescope.recipes.kinds.embedding import Embedded
from gatescope.recipes.kinds.identification import Draw, Identified
from gatescope.report.figures import Tile, tiles
from gatescope.report.html import Html, figure, paragraph, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series

_PROBES, _NEAREST, _POINTS = 8, 5, 200


def pictures(trained: Embedded) -> Sequence[Html]:
    """Probes with the known images nearest to them, and what a threshold on the cosine would do.

    Args:
        trained: An embedding of images.
    """
    seed = trained.recipe.data.images.split.seed
    draw = next(trained.test.draws(1, 1, seed))
    rows = [_row(trained, draw, probe) for probe in _chosen(trained.test, draw, seed)]
    note = (
        "Left: images of people of whom the network has learned nothing. Beside each: the one "
        "known image of every person, the nearest first, with the cosine of both vectors."
    )
    curves = [_roc("network", trained.test), _roc("pixels", trained.pixels)]
    chart = line_chart(
        curves, title="Same person or not?", x_label="share of pairs of two people called the same",
        y_label="share of pairs of one called so",
    )  # fmt: skip
    caption = "Blue: the same person; red: another one is the nearest"
    drawn = figure(tiles(rows, width=1.0), alt="Nearest images", caption=caption)
    return [section("Whom it takes them for", paragraph(note), drawn), section("Verified", chart)]


def _chosen(vectors: Identified, draw: Draw, seed: int) -> NDArray[np.intp]:
    """Places of some probes: one of every person, so long as there is room."""
    drawn = np.random.default_rng(seed).permutation(len(draw.probes))
    people = vectors.people[draw.probes[drawn]]
    _, first = np.unique(people, return_index=True)
    return np.asarray(drawn[np.sort(first)][:_PROBES])


def _row(trained: Embedded, draw: Draw, probe: int) -> list[Tile]:
    """A probe and the known images that are nearest to it."""
    images = next(iter(trained.data.test.x.values()))
    people, names = trained.test.people, trained.data.targets[0].classes
    cosines = trained.test.cosines(draw)[probe]

    def tiled() -> Iterator[Tile]:
        asked = draw.probes[probe]
        yield Tile(_shown(images[asked]), f"who? ({names[people[asked]]})")
        for rank, place in enumerate(np.argsort(-cosines)[:_NEAREST]):
            known = draw.gallery[place]
            same = bool(people[known] == people[asked])
            title = f"{names[people[known]]}  {cosines[place]:.2f}"
            # Farther ones are no mistakes: they are other people and are to be farther.
            yield Tile(_shown(images[known]), title, same if same or rank == 0 else None)

    return list(tiled())


def _shown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image[..., 0] if image.shape[-1] == 1 else image


def _roc(name: str, vectors: Identified) -> Series:
    same, cosines = vectors.pairs()
    wrong, right, _ = roc_curve(same, cosines)
    places = np.unique(np.linspace(0, len(wrong) - 1, _POINTS).astype(int))
    return Series(name, wrong[places].tolist(), right[places].tolist())
