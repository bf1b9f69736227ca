"""The baseline: the caption of the training photo that looks most alike."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gatescope.caption import baseline
from gatescope.caption.baseline import central, nearest_neighbour, nearest_photo
from gatescope.caption.features import RegionCache
from gatescope.caption.metrics import CiderD
from gatescope.data.captions import CaptionedPhoto
from gatescope.data.samples import sample_photos
from gatescope.errors import DataError

CAPTIONS = {
    "cat": ("a cat looks up", "the face of a cat"),
    "rocket": ("a rocket at night", "fire of a rocket"),
    "coins": ("rows of old coins", "many coins"),
}


def _photos(split: str, folder: Path = Path()) -> list[CaptionedPhoto]:
    return [
        CaptionedPhoto(folder / f"{name}-{split}.png", texts, split)
        for name, texts in CAPTIONS.items()
    ]


def _cache(features: np.ndarray) -> RegionCache:
    """Two views of features `(photos, regions, features)`, the mirrored one misleading."""
    return RegionCache(
        maps=np.zeros((2, len(features), 1, 1, 1), np.float16),
        boxes=np.zeros((2, len(features), features.shape[1], 4), np.float32),
        features=np.stack([features, features[::-1]]).astype(np.float16),
    )


def test_each_photo_gets_a_caption_of_its_nearest_neighbour() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(3, 1, 8))
    regions = means + rng.normal(0, 0.01, (3, 5, 8))
    # The same directions at another length: cosine does not mind.
    cache = _cache(np.concatenate([regions, 3 * regions]))
    scores = nearest_neighbour(cache, _photos("train"), _photos("dev"))
    assert scores.bleu4 == pytest.approx(1)
    turned = _cache(np.concatenate([regions, 3 * np.roll(regions, 1, axis=0)]))
    assert nearest_neighbour(turned, _photos("train"), _photos("dev")).cider < scores.cider / 10


def test_the_nearest_is_the_same_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    asked, known = rng.normal(size=(7, 5)), rng.normal(size=(9, 5))
    angles = asked @ known.T / np.linalg.norm(known, axis=1)
    monkeypatch.setattr(baseline, "BATCH", 2)
    assert baseline._nearest(asked, known) == angles.argmax(1).tolist()


def test_the_central_caption_agrees_most_with_the_others() -> None:
    captions = ["blue sky", "a dog runs on grass", "a dog runs on the grass", "a brown dog runs"]
    others = [["a cat sits"], ["a man stands"]]
    scorer = CiderD.fit([[text.split() for text in texts] for texts in ([*captions], *others)])
    assert central(captions, scorer) == "a dog runs on grass"
    assert central(["only one"], scorer) == "only one"


def test_photos_are_compared_by_what_an_imagenet_classifier_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "classifier", cache(baseline.classifier))  # builds it once
    samples = sample_photos()
    for name in CAPTIONS:
        for split, pixels in (("train", samples[name]), ("dev", samples[name][:, ::-1])):
            Image.fromarray(pixels).save(tmp_path / f"{name}-{split}.png")
    seen: list[tuple[int, int]] = []
    scores = nearest_photo(
        _photos("train", tmp_path),
        _photos("dev", tmp_path),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert scores.bleu4 == pytest.approx(1)
    assert seen == [(6, 6)]
    (tmp_path / "cat-train.png").write_bytes(b"no photo")
    (tmp_path / "coins-dev.png").unlink()
    fewer = nearest_photo(_photos("train", tmp_path), _photos("dev", tmp_path))
    assert fewer.bleu4 < 1  # the cat is told by a rocket or coins now
    (tmp_path / "cat-dev.png").unlink()
    with pytest.raises(DataError) as error:
        nearest_photo(_photos("train", tmp_path), _photos("dev", tmp_path))
    assert str(error.value) == (
        "there are 2 training photos and 1 dev photos to compare\n"
        "  expected: at least two of each\n"
        "  fix: add photos, or mend those that cannot be read"
    )
