"""Bundles: the same captions after saving and loading, and nothing wrong goes unnoticed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from safetensors.numpy import load, save

from gatescope.caption.bundle import (
    DESCRIPTION,
    REPLAY,
    VOCABULARY,
    WEIGHTS,
    Bundle,
    Calibration,
    load_bundle,
    replay,
    save_bundle,
    squashed,
)
from gatescope.caption.captioner import Captioner
from gatescope.caption.vocabulary import Vocabulary
from gatescope.data.photos import read_photo
from gatescope.errors import BundleError
from gatescope.models.regions import RegionDetector


@pytest.fixture(scope="module")
def saved(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    save_bundle(tiny_bundle, folder, {"CARD.md": "Käse"})
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


@pytest.fixture
def quick_loading(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loads into the detector of this session, which is built and compiled already."""
    detector = tiny_bundle.detector
    before = [part.get_weights() for part in (detector.network, detector.top)]
    monkeypatch.setattr(RegionDetector, "imagenet", lambda config: detector)
    yield
    detector.network.set_weights(before[0])
    detector.top.set_weights(before[1])


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Changes a file and its digest, as someone would who means it."""
    (folder / name).write_bytes(data)
    description = json.loads((folder / DESCRIPTION).read_text())
    description["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / DESCRIPTION).write_text(json.dumps(description))


def describe(folder: Path, change: Callable[[dict], object]) -> None:
    description = json.loads((folder / DESCRIPTION).read_text())
    change(description)
    (folder / DESCRIPTION).write_text(json.dumps(description))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as told:
        load_bundle(folder)
    happened, expected, fix = str(told.value).splitlines()
    assert str(folder) in happened
    assert expected.startswith("  expected: ")
    assert fix.startswith("  fix: ")
    return happened


def test_a_loaded_bundle_captions_as_the_saved_one(saved, tiny_bundle, photos):
    # Under the policy of a user's own script, which must not leak into the captioner.
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        loaded = load_bundle(saved)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert loaded.vocabulary == tiny_bundle.vocabulary
    for name in ("regions", "decoder", "decoding", "splitting", "calibration", "tuned", "scores"):
        assert getattr(loaded.description, name) == getattr(tiny_bundle.description, name)
    assert set(loaded.description.files) == {WEIGHTS, VOCABULARY, REPLAY, "CARD.md"}
    ours, theirs = (list(Captioner(bundle).caption_all(photos)) for bundle in (tiny_bundle, loaded))
    assert len({caption.text for caption in ours}) > 2
    for one, other in zip(ours, theirs, strict=True):
        assert one.text == other.text
        assert one.alternatives == other.alternatives
        for word, same in zip(one.words, other.words, strict=True):
            assert word.logprob == pytest.approx(same.logprob, abs=1e-4)
            assert word.region == pytest.approx(same.region, abs=1e-3)


def test_weights_are_stored_in_half_precision_without_the_backbone(saved, tiny_bundle):
    weights = load((saved / WEIGHTS).read_bytes())
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float16)}
    assert {name.split("/")[0] for name in weights} == {"decoder", "network"}
    counts = [tiny_bundle.decoder.count_params(), tiny_bundle.detector.network.count_params()]
    assert sum(value.size for value in weights.values()) <= sum(counts)


def test_a_tuned_bundle_stores_its_top_too(tiny_bundle, quick_loading, tmp_path):
    top = tiny_bundle.detector.top
    before = top.get_weights()
    top.set_weights([weight * 1.05 for weight in before])
    description = tiny_bundle.description.model_copy(update={"tuned": True})
    save_bundle(dataclasses.replace(tiny_bundle, description=description), tmp_path / "tuned")
    tuned = top.get_weights()
    top.set_weights(before)
    load_bundle(tmp_path / "tuned")
    for found, wanted in zip(top.get_weights(), tuned, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_card_is_written_beside_the_weights(saved):
    assert (saved / "CARD.md").read_text("utf-8") == "Käse"


def test_words_that_utf_8_cannot_hold_survive(tiny_bundle, quick_loading, tmp_path):
    words = ("\ud83d", "größe", "犬", 'quo"te')
    vocabulary = Vocabulary((*tiny_bundle.vocabulary.words[: -len(words)], *words))
    save_bundle(dataclasses.replace(tiny_bundle, vocabulary=vocabulary), tmp_path / "words")
    assert load_bundle(tmp_path / "words").vocabulary == vocabulary


def test_saving_again_replaces_the_older_bundle(tiny_bundle, copy):
    description = tiny_bundle.description.model_copy(update={"scores": {"cider": 0.7}})
    save_bundle(dataclasses.replace(tiny_bundle, description=description), copy)
    assert json.loads((copy / DESCRIPTION).read_text())["scores"] == {"cider": 0.7}
    assert not (copy / "CARD.md").exists()
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_full_disk_keeps_the_older_bundle(tiny_bundle, copy, monkeypatch):
    before = (copy / DESCRIPTION).read_bytes()
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == REPLAY:
            raise OSError(28, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_bundle(tiny_bundle, copy)
    assert (copy / DESCRIPTION).read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_folder_of_something_else_is_never_deleted(tiny_bundle, tmp_path):
    (tmp_path / "thesis.tex").write_text("ten years")
    with pytest.raises(BundleError) as told:
        save_bundle(tiny_bundle, tmp_path)
    assert str(told.value) == (
        f"{tmp_path} holds something that is not a bundle, and saving would delete it\n"
        "  expected: a new or empty folder, or an older bundle to replace\n"
        "  fix: name another folder"
    )
    assert (tmp_path / "thesis.tex").read_text() == "ten years"


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_weights_of_a_diverged_training_are_not_saved(tiny_bundle, copy, bad):
    bias = tiny_bundle.decoder.word_bias
    before, stored = bias.numpy(), (copy / WEIGHTS).read_bytes()
    bias.assign(np.where(np.arange(len(before)) == 5, bad, before))
    try:
        with pytest.raises(BundleError, match="word_bias are not numbers that half precision"):
            save_bundle(tiny_bundle, copy)
    finally:
        bias.assign(before)
    assert (copy / WEIGHTS).read_bytes() == stored


@pytest.mark.parametrize("what", ["nothing", "empty", "file"])
def test_what_is_no_bundle_is_told(tmp_path, what):
    folder = tmp_path / "x"
    if what == "empty":
        folder.mkdir()
    if what == "file":
        folder.write_text("x")
    assert refusal(folder) == f"{folder} is not a captioner bundle: it has no bundle.json"


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY, REPLAY, "CARD.md"])
def test_a_changed_file_is_told(copy, name):
    with (copy / name).open("ab") as file:
        file.write(b" ")
    assert refusal(copy).endswith(f"{name} was changed after the bundle was saved")


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY, REPLAY, "CARD.md"])
def test_a_missing_file_is_told(copy, name):
    (copy / name).unlink()
    assert refusal(copy).endswith(f"{name} is missing")


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY, REPLAY])
def test_a_file_that_is_not_listed_is_told(copy, name):
    describe(copy, lambda description: description["files"].pop(name))
    assert refusal(copy).endswith(f"{DESCRIPTION} does not list {name}")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_told(copy, version):
    describe(copy, lambda description: description.update(format=version))
    assert refusal(copy) == f"{copy} is a bundle of format {version}"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_description_that_is_no_json_is_told(copy, content):
    (copy / DESCRIPTION).write_bytes(content)
    assert f"{DESCRIPTION} is not JSON" in refusal(copy)


@pytest.mark.parametrize("content", [b"[]", b"7", b"null", b'"format"'])
def test_json_that_is_no_description_is_told(copy, content):
    (copy / DESCRIPTION).write_bytes(content)
    assert refusal(copy) == f"{copy} is a bundle of format None"


def test_a_setting_that_means_nothing_is_told_by_its_place(copy):
    describe(copy, lambda description: description["decoder"].update(units=-1))
    assert "bundle.json: decoder.units: Input should be greater than 0" in refusal(copy)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "..", "a/b", "", "x\0y"])
def test_a_name_that_leaves_the_folder_is_refused(copy, name):
    (copy.parent / "secret").write_bytes(b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    describe(copy, lambda description: description["files"].update({name: digest}))
    assert "cannot be used" in refusal(copy)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_truncated_weights_are_told(copy, kept):
    rewrite(copy, WEIGHTS, (copy / WEIGHTS).read_bytes()[:kept])
    assert "what it lists cannot be read" in refusal(copy)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"7", b"null", b'["a", "dog"]', b'["<pad>", "<start>", "<end>", "<unk>", 5]'],
)
def test_a_vocabulary_that_is_none_is_told(copy, content):
    rewrite(copy, VOCABULARY, content)
    assert "what it lists cannot be read" in refusal(copy)


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY, REPLAY])
def test_nothing_is_ever_unpickled(copy, tmp_path, name):
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    rewrite(copy, name, trap)
    assert "what it lists cannot be read" in refusal(copy)
    (copy / DESCRIPTION).write_bytes(trap)
    assert f"{DESCRIPTION} is not JSON" in refusal(copy)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)  # noqa: S301  the trap does spring
    assert (tmp_path / "sprung").exists()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_weights_of_other_shapes_are_told(copy, quick_loading):
    weights = load((copy / WEIGHTS).read_bytes())
    name = next(name for name in weights if "word_bias" in name)
    rewrite(copy, WEIGHTS, save({**weights, name: weights[name][:-1]}))
    happened = refusal(copy)
    assert "its weights have no decoder/000/" in happened
    assert happened.endswith("word_bias of shape (14,)")


@pytest.mark.parametrize("name", ["", "decoder", "decoder/000", "other/000/x"])
def test_weights_under_strange_names_are_told(copy, quick_loading, name):
    rewrite(copy, WEIGHTS, save({name: np.zeros(3, np.float16)}))
    assert "its weights have no decoder/000" in refusal(copy)


@pytest.mark.parametrize("change", [lambda value: value + 0.1, lambda value: value * np.nan])
def test_weights_that_speak_otherwise_are_noticed_by_the_replay(copy, quick_loading, change):
    weights = load((copy / WEIGHTS).read_bytes())
    name = next(name for name in weights if "word_bias" in name)
    changed = weights[name].copy()
    changed[4:8] = change(changed[4:8])
    rewrite(copy, WEIGHTS, save({**weights, name: changed}))
    assert "no longer reproduces its stored example (off by " in refusal(copy)


@pytest.mark.parametrize("name", ["photos", "likeliest", "scores"])
@pytest.mark.parametrize("damage", ["missing", "shape", "out of range"])
def test_a_replay_without_its_example_is_told(copy, quick_loading, name, damage):
    stored = dict(load((copy / REPLAY).read_bytes()))
    if damage == "missing":
        del stored[name]
    elif damage == "shape":
        stored[name] = stored[name][:, :3, None, None][:1]
    else:
        stored[name] = stored[name] + np.asarray(100, stored[name].dtype)
    rewrite(copy, REPLAY, save({key: np.ascontiguousarray(part) for key, part in stored.items()}))
    assert "replay.safetensors holds no example" in refusal(copy) or "off by" in refusal(copy)


def test_a_skew_in_reading_photos_is_noticed_by_the_replay(saved, quick_loading, monkeypatch):
    resize = Image.Image.resize

    def skewed(image: Image.Image, size: tuple[int, int], *_: object) -> Image.Image:
        return resize(image, size, Image.Resampling.NEAREST)

    monkeypatch.setattr(Image.Image, "resize", skewed)
    assert "no longer reproduces its stored example" in refusal(saved)


def test_a_skew_in_enlarging_photos_is_noticed_by_the_replay(
    saved, tiny_bundle, quick_loading, monkeypatch
):
    resize = tf.image.resize
    monkeypatch.setattr(tf.image, "resize", lambda photos, size: resize(photos, size) + 1)
    old = tiny_bundle.detector
    fresh = RegionDetector(old.config, old.trunk, old.network, old.top)
    monkeypatch.setattr(RegionDetector, "imagenet", lambda config: fresh)
    assert "no longer reproduces its stored example" in refusal(saved)


def test_the_replay_tells_what_it_found_and_what_to_do(copy, quick_loading):
    stored = dict(load((copy / REPLAY).read_bytes()))
    stored["scores"] = stored["scores"] - np.float32(0.02)
    rewrite(copy, REPLAY, save(stored))
    with pytest.raises(BundleError) as told:
        load_bundle(copy)
    assert str(told.value) == (
        f"{copy} no longer reproduces its stored example (off by 0.02)\n"
        "  expected: the same words with log probabilities within 0.005\n"
        "  fix: reinstall Gatescope and its pinned dependencies; captions made now would differ "
        "from those that were evaluated"
    )


def test_the_replay_begins_with_pixels_of_another_shape(tiny_bundle):
    photos = replay(tiny_bundle)["photos"]
    assert photos.shape == (2, 40, 320, 3)
    assert photos.std(axis=(1, 2)).min() > 20


def test_pixels_are_squashed_as_a_file_of_them_is(photos):
    for photo in photos:
        np.testing.assert_array_equal(
            squashed(read_photo(photo), 64), read_photo(photo, size=64), strict=True
        )


@pytest.mark.parametrize("logprob", [0.0, -1.0, -1e4, 1e4, -1e308])
def test_confidence_stays_between_0_and_1(logprob):
    calibration = Calibration(slope=3.0, intercept=2.0)
    with np.errstate(all="raise"):
        assert 0 <= calibration.confidence(logprob) <= 1


def test_confidence_is_the_logistic_curve():
    calibration = Calibration(slope=3.0, intercept=2.0)
    for logprob in np.linspace(-3, 3, 7):
        wanted = 1 / (1 + np.exp(-(3 * logprob + 2)))
        assert calibration.confidence(logprob) == pytest.approx(wanted, abs=1e-12)
