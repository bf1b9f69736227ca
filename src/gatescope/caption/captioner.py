"""Captions photos with a bundle and tells where each word came from."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.caption.bundle import SHIPPED, Bundle, load_bundle, squashed
from gatescope.caption.caption import Caption, PhotoFailure, Word
from gatescope.caption.decoding import Hypotheses
from gatescope.caption.faithfulness import prove_words
from gatescope.caption.inspection import Inspection, entropy
from gatescope.caption.opening import open_word
from gatescope.caption.search import Search, compiled_search
from gatescope.caption.vocabulary import SPECIAL
from gatescope.data.photos import read_photo
from gatescope.errors import PhotoError, UsageError
from gatescope.models.regions import Regions

Reading = tuple[Path, Future[NDArray[np.uint8] | PhotoError]]
BATCH = 16


def load_captioner(path: str | os.PathLike[str] | None = None) -> Captioner:
    """Opens a captioner.

    Args:
        path: Folder of a bundle; None for the one that is shipped.

    Raises:
        BundleError: The bundle cannot be used.

    Example:
        >>> captioner = gs.load_captioner()
        >>> caption = captioner.caption("photo.jpg")
        >>> caption.text, caption.words[1].region
    """
    return Captioner(load_bundle(Path(path) if path is not None else SHIPPED))


class Captioner:
    """Captions photos and says which region made each word.

    Args:
        bundle: Weights, words and configuration.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._searches: dict[int, Search] = {}

    def caption(
        self,
        photo: str | os.PathLike[str] | NDArray[np.uint8],
        *,
        beam: int = 3,
        boxes: Sequence[Sequence[float]] | None = None,
        prove: bool = False,
    ) -> Caption:
        """Captions one photo.

        Args:
            photo: File, or pixels `(height, width, 3)`, RGB in [0, 255].
            beam: Hypotheses kept; also the number of alternatives plus one.
            boxes: Regions of your own, `(y0, x0, y1, x1)` relative to the photo, in place of
                the proposed ones; the whole photo and the coarse grid stay.
            prove: Whether each visual word's region is masked to see if it mattered.

        Raises:
            PhotoError: The photo cannot be read.
            UsageError: A box is not inside the photo, the array is not a photo, or `beam` is
                not from 1 to 100.
        """
        source = photo if isinstance(photo, np.ndarray) else Path(photo)
        (caption,) = self._captions([source], [self._pixels(source)], beam, prove, boxes)
        return caption

    def inspect(
        self,
        photo: str | os.PathLike[str] | NDArray[np.uint8],
        *,
        beam: int = 3,
        boxes: Sequence[Sequence[float]] | None = None,
    ) -> Inspection:
        """Captions one photo as `caption` does, and keeps what the caption was made of.

        Args:
            photo: File, or pixels `(height, width, 3)`, RGB in [0, 255].
            beam: Hypotheses kept.
            boxes: See `caption`.

        Raises:
            PhotoError: The photo cannot be read.
            UsageError: See `caption`.

        Example:
            >>> seen = captioner.inspect("photo.jpg")
            >>> seen.next_words(1)[0]
            Choice(text='dog', probability=0.41)
        """
        source = photo if isinstance(photo, np.ndarray) else Path(photo)
        pixels = self._pixels(source)
        regions = self._regions(pixels[None], boxes)
        found = self._search(beam)(regions.features, regions.boxes)
        hypotheses = Hypotheses(*(part.numpy()[0] for part in found))
        caption = self._caption(source, pixels, hypotheses, regions.boxes[0].numpy())
        return Inspection(self.bundle, caption, pixels, regions, hypotheses)

    def caption_all(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        beam: int = 3,
        prove: bool = False,
    ) -> Iterator[Caption | PhotoFailure]:
        """Captions many photos in batches; results stream in the order of `paths`.

        Never more than two batches are in memory, however many photos there are.

        Args:
            paths: Files; `gatescope.data.photos.find_photos` lists those of a folder.
            beam: Hypotheses kept.
            prove: Whether each visual word's region is masked to see if it mattered.

        Returns:
            A caption for each photo, or a failure that says why there is none.

        Raises:
            UsageError: `paths` is a single path, or `beam` is not from 1 to 100.
        """
        if isinstance(paths, (str, os.PathLike)):
            raise UsageError(
                f"paths={os.fspath(paths)!r}",
                "the paths of many photos",
                "pass find_photos(folder) for a folder, or call caption(photo) for one photo",
            )
        self._search(beam)  # a wrong beam is told now, not with the first result
        return self._stream(map(Path, paths), beam, prove)

    def _stream(
        self, files: Iterator[Path], beam: int, prove: bool
    ) -> Iterator[Caption | PhotoFailure]:
        pool = ThreadPoolExecutor(2)
        try:
            ahead = self._reading(pool, files)
            while batch := ahead:
                ahead = self._reading(pool, files)
                read = [(path, pixels.result()) for path, pixels in batch]
                yield from self._told(read, beam, prove)
        finally:
            # Who stops early need not wait for photos that nobody will see.
            pool.shutdown(cancel_futures=True)

    def _reading(self, pool: ThreadPoolExecutor, files: Iterator[Path]) -> list[Reading]:
        return [(path, pool.submit(self._try_pixels, path)) for path in islice(files, BATCH)]

    def _told(
        self, read: list[tuple[Path, NDArray[np.uint8] | PhotoError]], beam: int, prove: bool
    ) -> Iterator[Caption | PhotoFailure]:
        good = [(path, pixels) for path, pixels in read if not isinstance(pixels, PhotoError)]
        sources, pixels = [path for path, _ in good], [pixels for _, pixels in good]
        captions = iter(self._captions(sources, pixels, beam, prove) if good else [])
        for path, found in read:
            yield PhotoFailure(path, found) if isinstance(found, PhotoError) else next(captions)

    def _pixels(self, source: Path | NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = self.bundle.description.regions.photo_size
        if isinstance(source, Path):
            return read_photo(source, size=size)
        if source.dtype != np.uint8 or source.shape[2:] != (3,) or not source.size:
            raise UsageError(
                f"the array has shape {source.shape} and type {source.dtype}",
                "pixels of shape (height, width, 3) and type uint8, RGB",
                "convert it, or pass the photo's path",
            )
        return squashed(source, size)

    def _try_pixels(self, path: Path) -> NDArray[np.uint8] | PhotoError:
        try:
            return self._pixels(path)
        except PhotoError as error:
            return error

    def _captions(
        self,
        sources: Sequence[Path | NDArray[np.uint8]],
        pixels: Sequence[NDArray[np.uint8]],
        beam: int,
        prove: bool,
        boxes: Sequence[Sequence[float]] | None = None,
    ) -> list[Caption]:
        search = self._search(beam)
        regions = self._regions(np.stack(pixels), boxes)
        found = [part.numpy() for part in search(regions.features, regions.boxes)]
        told = []
        for source, photo, photo_boxes, *parts in zip(
            sources, pixels, regions.boxes.numpy(), *found, strict=True
        ):
            hypotheses = Hypotheses(*parts)
            caption = self._caption(source, photo, hypotheses, photo_boxes)
            if prove:
                caption = self._proved(caption, photo, photo_boxes, hypotheses.words[0])
            told.append(caption)
        return told

    def _regions(
        self, photos: NDArray[np.uint8], boxes: Sequence[Sequence[float]] | None
    ) -> Regions:
        detector = self.bundle.detector
        if boxes is None:
            return detector.regions(photos)
        own = np.concatenate([_checked(boxes), detector.config.fallback()])[None]
        maps = detector.maps(photos)
        return Regions(tf.constant(own), tf.zeros(own.shape[:2]), detector.features(maps, own))

    def _search(self, beam: int) -> Search:
        decoding = self.bundle.description.decoding.with_beam(beam)
        if decoding.beam not in self._searches:
            self._searches[decoding.beam] = compiled_search(self.bundle.decoder, decoding)
        return self._searches[decoding.beam]

    def _caption(
        self,
        source: Path | NDArray[np.uint8],
        photo: NDArray[np.uint8],
        found: Hypotheses,
        boxes_K4: NDArray[np.float32],
    ) -> Caption:
        vocabulary, calibration = self.bundle.vocabulary, self.bundle.description.calibration
        texts = vocabulary.spell(found.words[0])
        said = found.words[0] != SPECIAL.pad
        confidence = calibration.confidence(float(found.logprobs[0][said].mean()))
        words = tuple(
            replace(
                _word(text, weights, float(logprob), boxes_K4),
                opened=partial(open_word, self.bundle, photo, boxes_K4, found.words[0], place),
            )
            for place, (text, weights, logprob) in enumerate(
                zip(texts, found.weights[0], found.logprobs[0], strict=False)
            )
        )
        return Caption(
            source=source,
            text=" ".join(texts),
            words=words,
            confidence=confidence,
            sure=confidence >= calibration.threshold,
            # Empty where fewer captions than beams were possible.
            alternatives=tuple(filter(None, map(vocabulary.decode, found.words[1:]))),
        )

    def _proved(
        self,
        caption: Caption,
        photo: NDArray[np.uint8],
        boxes_K4: NDArray[np.float32],
        ids: NDArray[np.int32],
    ) -> Caption:
        asked = [place for place, word in enumerate(caption.words) if word.visual]
        regions = [caption.words[place].region for place in asked]
        proofs = dict(
            zip(asked, prove_words(self.bundle, photo, boxes_K4, ids, asked, regions), strict=True)
        )
        words = (replace(word, proof=proofs.get(place)) for place, word in enumerate(caption.words))
        return replace(caption, words=tuple(words))


def _word(
    text: str, weights: NDArray[np.float32], logprob: float, boxes_K4: NDArray[np.float32]
) -> Word:
    regions, sentinel = weights[:-1], weights[-1]
    top = int(regions.argmax())
    y0, x0, y1, x1 = (round(float(side), 4) for side in boxes_K4[top])
    visual = bool(regions.sum() > sentinel)
    return Word(text, (y0, x0, y1, x1), float(regions[top]), logprob, entropy(weights), visual)


def _checked(boxes: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    try:
        array = np.asarray(boxes, np.float32)
    except (TypeError, ValueError):  # not numbers, or rows of different lengths
        array = np.empty((0, 4), np.float32)
    if array.ndim == 2 and array.shape[1:] == (4,) and len(array):
        inside = (array >= 0).all() and (array <= 1).all()
        if inside and (array[:, :2] < array[:, 2:]).all():
            return array
    raise UsageError(
        f"boxes {reprlib.repr(boxes)} are not boxes inside a photo",
        "rows of (y0, x0, y1, x1) relative to the photo, each in [0, 1], y0 < y1 and x0 < x1",
        "divide pixel rows by the photo's height and pixel columns by its width",
    )
