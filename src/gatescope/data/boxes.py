"""Photos with boxes, from any COCO instances file."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from gatescope.data.folder import PhotoFolder, read_json, root_of, validated
from gatescope.errors import DataError


@dataclass(frozen=True, eq=False)
class BoxedPhoto:
    """A photo and the things in it.

    Args:
        path: The photo's file, which exists.
        boxes: float32 of shape `(things, 4)`: `(y0, x0, y1, x1)` relative to the photo's height
            and width, in [0, 1]. A photo may have none.
        labels: int64 of shape `(things,)`: indices into the data set's `categories`.
    """

    path: Path
    boxes: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class BoxDataset:
    """Photos with boxes, and what had to be left out.

    Args:
        root: The data set's folder, links resolved; every photo is in it or below it.
        photos: The photos that have a file, in the instances file's order.
        categories: The names of the categories, in order of their ids.
        missing: Names of photos that have no file.
        crowds: How many boxes were left out because they hold a crowd (`iscrowd`).
        degenerate: How many boxes were left out because no area of them is in the photo.
    """

    root: Path
    photos: tuple[BoxedPhoto, ...]
    categories: tuple[str, ...]
    missing: tuple[str, ...]
    crowds: int
    degenerate: int


def load_boxes(path: str | os.PathLike[str]) -> BoxDataset:
    """Loads photos with boxes from a COCO instances file.

    Boxes are clipped to the photo. Photos may lie anywhere in the data set's folder, up to two
    levels down, but never outside it.

    Args:
        path: The instances file, or a folder with one `instances*.json` in it or in its
            `annotations`.

    Returns:
        The data set.

    Raises:
        DataError: There is no such file, it has another form, a photo is outside the folder, or
            none of the photos has a file.

    Example:
        >>> dataset = load_boxes("boxes/instances.json")
        >>> dataset.photos[0].boxes.shape, dataset.categories[0]
        ((8, 4), 'person')
    """
    file = _instances_file(Path(path))
    coco = validated(_CocoInstances, read_json(file), file)
    order = sorted(coco.categories, key=lambda category: category.id)
    label_of = {category.id: label for label, category in enumerate(order)}
    things = defaultdict(list)
    for annotation in coco.annotations:
        if not annotation.iscrowd:
            things[annotation.image_id].append(annotation)

    folder = PhotoFolder(root_of(file))
    photos, missing, degenerate = [], [], 0
    for image in coco.images:
        photo_path = folder.find(image.file_name)
        if photo_path is None:
            missing.append(image.file_name)
            continue
        boxes, has_area = _relative_boxes(things[image.id], image)
        labels = np.array([_label(thing, label_of, file) for thing in things[image.id]], np.int64)
        photos.append(BoxedPhoto(photo_path, boxes[has_area], labels[has_area]))
        degenerate += int((~has_area).sum())
    if not photos:
        raise _no_photos(file, missing)
    return BoxDataset(
        root=folder.root,
        photos=tuple(photos),
        categories=tuple(category.name for category in order),
        missing=tuple(missing),
        crowds=sum(annotation.iscrowd for annotation in coco.annotations),
        degenerate=degenerate,
    )


class _CocoImage(BaseModel):
    id: int
    file_name: str
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class _CocoBox(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: bool = False


class _CocoCategory(BaseModel):
    id: int
    name: str


class _CocoInstances(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoBox]
    categories: list[_CocoCategory]


def _instances_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = [*path.glob("instances*.json"), *path.glob("annotations/instances*.json")]
    if len(files) == 1:
        return files[0]
    raise DataError(
        f"{str(path)!r} has {len(files)} instances*.json" if path.is_dir() else f"no {str(path)!r}",
        "a COCO instances file, or a folder with one",
        "name the file itself",
    )


def _relative_boxes(things: list[_CocoBox], image: _CocoImage) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of shape `(things, 4)` as `(y0, x0, y1, x1)` in [0, 1], and which have an area."""
    x, y, width, height = np.array([thing.bbox for thing in things]).reshape(-1, 4).T
    edges = np.stack([y, x, y + height, x + width], axis=1)
    size = (image.height, image.width, image.height, image.width)
    boxes = np.clip(edges / size, 0, 1).astype(np.float32)
    return boxes, (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def _label(thing: _CocoBox, label_of: dict[int, int], file: Path) -> int:
    if thing.category_id in label_of:
        return label_of[thing.category_id]
    raise DataError(
        f"{str(file)!r} has a box of category_id {thing.category_id}, which it does not define",
        "each category_id among the file's categories",
        "add the category or take the box out",
    )


def _no_photos(file: Path, missing: list[str]) -> DataError:
    return DataError(
        f"none of the {len(missing)} photos of {str(file)!r} was found",
        f"photos in {str(root_of(file))!r} or in its folders (images, ...)",
        "put the photos there, or check the names in the file",
    )
