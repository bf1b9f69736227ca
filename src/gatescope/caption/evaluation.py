"""Scores a captioner on a split, from the same photos and by the same path as captioning."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from gatescope.caption.bundle import load_bundle
from gatescope.caption.caption import PhotoFailure
from gatescope.caption.captioner import Captioner
from gatescope.caption.metrics import Scores, score
from gatescope.caption.search import compiled_search
from gatescope.data.captions import load_captions
from gatescope.errors import DataError

__all__ = ["Evaluation", "compiled_search", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one captioner on one split.

    Args:
        split: `train`, `dev` or `test`.
        photos: How many were captioned.
        beam: Beam size.
        scores: Of the captions.
        captions: The captions by the photo's path inside the data set.
        unreadable: Paths of the photos that could not be read and are left out of the scores.
    """

    split: str
    photos: int
    beam: int
    scores: Scores
    captions: dict[str, str]
    unreadable: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain data for a JSON file."""
        return asdict(self)


def evaluate(
    folder: Path,
    data: Path,
    *,
    split: str = "dev",
    beam: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Captions every photo of a split with a bundle and scores the captions.

    Args:
        folder: The bundle.
        data: Photos with captions, in any format that `load_captions` knows.
        split: Which photos.
        beam: Beam size.
        progress: Called with photos done and photos in all.

    Raises:
        BundleError: The bundle cannot be used.
        DataError: The data set cannot be read, or has no readable photo in the split, or
            one photo only.
        UsageError: `beam` is not from 1 to 100.
    """
    dataset = load_captions(data)
    photos = dataset.split(split)
    _check_enough(len(photos), data, split)
    captioner = Captioner(load_bundle(folder))
    captions: dict[str, str] = {}
    references, unreadable = [], []
    results = captioner.caption_all([photo.path for photo in photos], beam=beam)
    for done, (photo, found) in enumerate(zip(photos, results, strict=True), 1):
        name = Path(os.path.relpath(photo.path, dataset.root)).as_posix()
        if isinstance(found, PhotoFailure):
            unreadable.append(name)
        else:
            captions[name] = found.text
            references.append(photo.captions)
        if progress:
            progress(done, len(photos))
    _check_enough(len(captions), data, split)
    splitting = captioner.bundle.vocabulary.splitting
    scores = score(list(captions.values()), references, words=splitting)
    return Evaluation(split, len(captions), beam, scores, captions, tuple(unreadable))


def _check_enough(count: int, data: Path, split: str) -> None:
    """Refuses to score too few photos: asked for, or left when some cannot be read."""
    if count == 0:
        raise DataError(
            f"{data} has no readable photo in the split {split!r}",
            "a split with photos and captions",
            "choose another one with --split train, dev or test",
        )
    if count == 1:
        raise DataError(
            f"{data} has one photo in the split {split!r}",
            "at least two, for CIDEr weighs words by how few of the photos have them",
            "add photos, or choose another split with --split train, dev or test",
        )
