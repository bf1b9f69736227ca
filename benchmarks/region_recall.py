"""How many true boxes do 50 proposals find? The proposal network, fixed grids, selective search.

    python benchmarks/region_recall.py ../shared/data/boxes

Recall@50 at IoU 0.5 over all boxes of a COCO instances file. The network is trained and scored by
cross-validation over photos, with the maps of all views made once. The grid is the best of several
on the very photos it is scored on, which favours it. Selective search (Uijlings et al. 2013) is
OpenCV's, its first 50 boxes in its own order, on the photo as it is and squashed as the network
sees it; it trains on nothing. Sizes are square roots of a box's area relative to its photo's.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gatescope.data.boxes import BoxedPhoto, load_boxes
from gatescope.data.photos import read_photo
from gatescope.layers.region_proposal import RegionProposal, anchors
from gatescope.models.regions import RegionDetector
from gatescope.recipes.kinds.settings import override
from gatescope.training.regions import (
    RegionRecipe,
    Views,
    make_views,
    recall,
    train_proposals,
)

COUNT = 50
SIZES = {"below 0.1": (0, 0.1), "0.1 to 0.3": (0.1, 0.3), "above 0.3": (0.3, 1.01)}
# Cells a side, and the side of the square on each. The first three tile the photo; the last is as
# good as the best of all 131,619 sums of at most four levels on the development photos.
PYRAMIDS = (
    ((7, 1 / 7), (1, 1.0)),
    ((6, 1 / 6), (3, 1 / 3), (2, 0.5), (1, 1.0)),
    ((5, 0.2), (4, 0.25), (3, 1 / 3)),
    ((5, 0.4), (5, 0.2)),
    ((4, 0.25), (4, 0.5), (4, 0.8), (1, 1.0)),
    ((5, 0.25), (4, 0.5), (3, 0.7)),
)
Boxes = list[NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--search", nargs="*", default=["fast", "quality"])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", dest="settings")
    arguments = parser.parse_args()
    recipe = override(RegionRecipe(), arguments.settings)
    photos = [photo for photo in load_boxes(arguments.data).photos if len(photo.boxes)]
    truth = [photo.boxes for photo in photos]
    print(
        f"{len(photos)} photos, {sum(map(len, truth))} boxes; {arguments.settings or 'defaults'}\n"
    )
    print("|", " | ".join(["50 boxes a photo", "recall@50", *SIZES, "s a photo"]), "|")
    print("|---" * (3 + len(SIZES)) + "|")
    name, boxes = best_grid(truth)
    print_row(f"fixed grid, the best of {len(grids())}: {name}", boxes, truth, 0)
    for mode, size in itertools.product(arguments.search, (None, recipe.regions.photo_size)):
        start = time.process_time()
        found = [selective_search(photo, mode, size) for photo in photos]
        seconds = (time.process_time() - start) / len(photos)
        print_row(
            f"selective search, {mode}, {f'{size} px' if size else 'native'}", found, truth, seconds
        )
    found, seconds = cross_validated(photos, recipe, arguments.folds)
    print_row(f"proposal network, {arguments.folds}-fold", found, truth, seconds)


def print_row(name: str, found: Boxes, truth: Boxes, seconds: float) -> None:
    bands = [[boxes[_within(boxes, *band)] for boxes in truth] for band in SIZES.values()]
    scores = [f"{recall(found, boxes):.3f}" for boxes in (truth, *bands)]
    print("|", " | ".join([name, *scores, f"{seconds:.3f}"]), "|", flush=True)


def grids() -> dict[str, NDArray[np.float32]]:
    """The 50 boxes of each pyramid, cut off at the photo's edges."""
    return {
        " + ".join(
            f"{cells}×{cells} of side {side:.2g}" for cells, side in pyramid
        ): np.concatenate(
            [anchors(cells, cells, (side,), (1.0,)).clip(0, 1) for cells, side in pyramid]
        )
        for pyramid in PYRAMIDS
    }


def best_grid(truth: Boxes) -> tuple[str, Boxes]:
    scores = {name: recall([boxes] * len(truth), truth) for name, boxes in grids().items()}
    best = max(scores, key=scores.__getitem__)
    return best, [grids()[best]] * len(truth)


def selective_search(photo: BoxedPhoto, mode: str, size: int | None) -> NDArray[np.float32]:
    pixels = read_photo(photo.path, size=size)
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(pixels[..., ::-1]))
    if mode == "fast":
        search.switchToSelectiveSearchFast()
    else:
        search.switchToSelectiveSearchQuality()
    x, y, width, height = search.process()[:COUNT].T
    rows, columns = pixels.shape[:2]
    edges = np.stack([y / rows, x / columns, (y + height) / rows, (x + width) / columns], 1)
    return edges.astype(np.float32)


def cross_validated(
    photos: list[BoxedPhoto], recipe: RegionRecipe, folds: int
) -> tuple[Boxes, float]:
    """Proposals for every photo by a network that has not seen it, and seconds for one photo."""
    training = recipe.training
    detector = RegionDetector.imagenet(recipe.regions)
    views = make_views(photos, detector, views=training.views, seed=training.seed)
    propose = RegionProposal(recipe.regions.anchors(), COUNT, recipe.regions.iou_threshold)
    found: Boxes = [np.empty((0, 4), np.float32)] * len(photos)
    seconds = 0.0
    for held_out in split(len(photos), folds):
        rest = np.setdiff1d(np.arange(len(photos)), held_out)
        network = train_proposals(_of_photos(views, rest, training.views), recipe.regions, training)
        for photo in held_out:
            unchanged = views.maps[[photo * training.views]].astype(np.float32)
            start = time.process_time()
            found[photo] = propose(*network(unchanged, training=False))[0][0].numpy()
            seconds += (time.process_time() - start) / len(photos)
    return found, seconds


def split(count: int, folds: int) -> Iterator[NDArray[np.int64]]:
    order = np.random.default_rng(0).permutation(count)
    for fold in range(folds):
        yield order[fold::folds]


def _of_photos(views: Views, photos: NDArray[np.int64], each: int) -> Views:
    chosen = (photos[:, None] * each + np.arange(each)).ravel()
    return Views(views.maps[chosen], [views.boxes[view] for view in chosen])


def _within(boxes: NDArray[np.float32], least: float, most: float) -> NDArray[np.bool_]:
    side = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1))
    return (least <= side) & (side < most)


if __name__ == "__main__":
    main()
