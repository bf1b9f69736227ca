"""Recipes of faces, emotions and speech, on small data of the same form with other names."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy.fft import dct
from scipy.io import wavfile
from sklearn.neighbors import KNeighborsClassifier

from gatescope.data.datasets import Dataset, Field, Part
from gatescope.errors import ConfigurationError, DataError
from gatescope.recipes.kinds.baselines import baseline_scores
from gatescope.recipes.kinds.lessons import lesson
from gatescope.recipes.kinds.results import Results, write_results
from gatescope.recipes.kinds.settings import override
from gatescope.recipes.pictures.occlusion import occluded

RNG = np.random.default_rng(0)
SHORT = ("training.epochs=1", "training.batch_size=16")
PARTS = ("galleries=2", "data.images.split.dev=0.2", "data.images.split.test=0.3")


def drawn(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(RNG.normal(shade, 30, (20, 16)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Ten people with five images each."""
    for place in range(10):
        for shot in range(5):
            drawn(tmp_path / "people" / f"person{place}" / f"{shot}.png", 25 * place)
    return tmp_path / "people"


@pytest.fixture
def moods(tmp_path: Path) -> Path:
    """Three moods of eight people."""
    for place, name in enumerate(("calm", "glad", "sad")):
        for person in range(8):
            for shot in range(2):
                drawn(tmp_path / "moods" / name / f"S{person:03d}_{shot}.png", 40 + 70 * place)
    return tmp_path / "moods"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Two words of four speakers, named as the spoken digits are."""
    (tmp_path / "words").mkdir()
    time = np.arange(3_000) / 8_000
    for word, hertz in ((3, 400), (8, 1_500)):
        for speaker in ("ann", "ben", "cyd", "dan"):
            for take in range(4):
                wave = np.sin(2 * np.pi * hertz * time[: 1_500 + 300 * take]) * 9_000
                noisy = (wave + RNG.normal(0, 300, len(wave))).astype(np.int16)
                wavfile.write(tmp_path / "words" / f"{word}_{speaker}_{take}.wav", 8_000, noisy)
    return tmp_path / "words"


def run(name: str, data: Path, folder: Path, *settings: str) -> tuple[Results, str]:
    module = importlib.import_module(f"gatescope.recipes.{name}")
    chosen = override(module.recipe(data), [*SHORT, *settings])
    results = chosen.run(module, folder, resume=False, console=None)
    return results, write_results(results, lesson(name), folder).read_text()


def test_faces_are_identified_that_were_never_seen(people: Path, tmp_path: Path) -> None:
    results, page = run("faces", people, tmp_path, *PARTS)
    assert results.rows[0][:3] == (3, 2, 5)
    names = ["rank-1 of one known", "rank-1 of 5 known", "verification"]
    assert list(results.scores) == names and len(results.baselines) == 3
    assert all(0 <= score <= 1 for score in results.scores.values())
    assert "Whom it takes them for" in page and "Same person or not?" in page


def test_an_embedding_goes_on_where_it_was_stopped(people: Path, tmp_path: Path) -> None:
    module = importlib.import_module("gatescope.recipes.faces")
    chosen = override(module.recipe(people), [*SHORT, *PARTS])
    first = chosen.run(module, tmp_path, resume=False, console=None)
    again = chosen.run(module, tmp_path, resume=True, console=None)
    assert again.scores == first.scores


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("each=9", "holds no two people with each=9"),
        ("data.images.unseen_classes=false", "people of the test part must be unseen"),
        ('network.outputs=[{"kind": "binary", "name": "y"}]', "one output of kind 'numbers'"),
    ],
)
def test_an_embedding_that_cannot_be_is_refused(people: Path, setting: str, told: str) -> None:
    module = importlib.import_module("gatescope.recipes.faces")
    with pytest.raises((ConfigurationError, ValidationError), match=told):
        override(module.recipe(people), [*SHORT, setting])


def test_one_person_in_a_part_is_nobody_to_be_told_from(people: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dev has images of one person alone") as caught:
        run("faces", people, tmp_path, "data.images.split.dev=0.05")
    assert caught.value.fix.endswith("--set data.images.split.dev=0.3")


def test_emotions_are_read_and_it_is_shown_by_what(moods: Path, tmp_path: Path) -> None:
    results, page = run("emotions", moods, tmp_path)
    assert set(results.scores) == {"test"} and len(results.baselines) == 2
    assert "What it looks at" in page and "What it takes for what" in page and "glad" in page


def test_words_are_heard_and_it_is_shown_by_what(words: Path, tmp_path: Path) -> None:
    results, page = run("speech", words, tmp_path, "data.sounds.split.test=0.25")
    assert set(results.scores) == {"test"}
    assert "What it listens to" in page and "frequency upward" in page


class Brightness:
    """Says yes by how light the upper left corner is."""

    def predict(self, images, **_):
        light = images[:, :4, :4].mean((1, 2, 3))[:, None]
        return np.concatenate([1 - light, light], 1)


def test_hiding_what_counts_is_what_is_marked() -> None:
    image = np.zeros((16, 16, 1))
    image[:4, :4] = 1
    heat = occluded(Brightness(), image, 1)
    assert heat.shape == (16, 16) and heat.max() == 1
    assert heat[:4, :4].min() > 0.2 and (heat[8:] == 0).all() and (heat[:, 8:] == 0).all()
    assert (occluded(Brightness(), image, 0) == 0).all(), "hiding it makes the other likelier"


def test_the_baseline_of_sounds_is_the_nearest_mean_cepstrum() -> None:
    x = RNG.normal(size=(60, 9, 20)).astype(np.float32) + np.linspace(0, 1, 20) * RNG.integers(
        0, 2, (60, 1, 1)
    )
    y = (x.mean(1)[:, -1] > x.mean(1)[:, 0] + 0.5).astype(np.int32)
    parts = [Part({"sequence": x[rows]}, {"class": y[rows]}) for rows in np.split(np.arange(60), 3)]
    data = Dataset(
        (Field("sequence", "sequence", (9, 20)),), (Field("class", "binary", (), ("a", "b")),),
        *parts, "made",
    )  # fmt: skip
    theirs = [
        dct(part.x["sequence"], norm="ortho").mean(1)[:, :13] for part in (parts[0], parts[2])
    ]
    near = KNeighborsClassifier(1).fit(theirs[0], parts[0].y["class"])
    (found,) = baseline_scores("cepstrum", data, 0).values()
    assert found == near.score(theirs[1], parts[2].y["class"])
