"""What users call: captions of files, arrays and folders, and where each word came from."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from gatescope.caption.bundle import Bundle, Calibration
from gatescope.caption.caption import Caption, PhotoFailure
from gatescope.caption.captioner import BATCH, SHIPPED, Captioner, load_captioner
from gatescope.data.photos import read_photo
from gatescope.errors import BundleError, PhotoError, UsageError

WHOLE = (0.0, 0.0, 1.0, 1.0)


def assert_same(one: Caption, other: Caption) -> None:
    assert one.text == other.text
    assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
    for word, same in zip(one.words, other.words, strict=True):
        assert word.logprob == pytest.approx(same.logprob, abs=1e-3)
        assert word.weight == pytest.approx(same.weight, abs=1e-3)


def test_a_caption_tells_every_word_and_its_region(tiny_captioner, photos):
    told = [tiny_captioner.caption(photo) for photo in photos]
    assert len({caption.text for caption in told}) > 2
    for caption in told:
        assert caption.text == " ".join(word.text for word in caption.words)
        assert caption.words
        assert caption.sure
        assert 0 <= caption.confidence <= 1
        assert len(caption.alternatives) == 2
        assert caption.text not in caption.alternatives
        for word in caption.words:
            y0, x0, y1, x1 = word.region
            assert 0 <= y0 <= y1 <= 1
            assert 0 <= x0 <= x1 <= 1
            assert 0 < word.weight <= 1
            assert word.logprob <= 0
            assert 0 <= word.entropy <= np.log2(10)
            assert word.proof is None


def test_only_words_of_the_vocabulary_are_said(tiny_captioner, tiny_bundle, photos):
    words = set(tiny_bundle.vocabulary.words[4:])
    for photo in photos:
        caption = tiny_captioner.caption(photo, beam=100)
        for text in (caption.text, *caption.alternatives):
            assert set(text.split()) <= words
            assert text


def test_a_path_may_be_text(tiny_captioner, photos):
    one, other = tiny_captioner.caption(str(photos[0])), tiny_captioner.caption(photos[0])
    assert_same(one, other)
    assert one.path == other.path == photos[0]


def test_pixels_are_captioned_as_their_file_is(tiny_captioner, photos):
    for photo in photos[:3]:
        pixels = read_photo(photo)
        caption = tiny_captioner.caption(pixels)
        assert_same(caption, tiny_captioner.caption(photo))
        assert caption.path is None
        assert caption.source is pixels


def test_pixels_may_lie_in_memory_in_any_order(tiny_captioner, photos):
    pixels = read_photo(photos[0])
    turned = np.asfortranarray(pixels)[::-1, ::-1][::-1, ::-1]
    turned.setflags(write=False)
    assert_same(tiny_captioner.caption(turned), tiny_captioner.caption(pixels))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_an_array_that_is_no_photo_is_told(tiny_captioner, array):
    with pytest.raises(UsageError) as told:
        tiny_captioner.caption(array)
    assert str(told.value) == (
        f"the array has shape {array.shape} and type {array.dtype}\n"
        "  expected: pixels of shape (height, width, 3) and type uint8, RGB\n"
        "  fix: convert it, or pass the photo's path"
    )


def test_a_missing_photo_is_told(tiny_captioner, tmp_path):
    with pytest.raises(PhotoError, match="cannot be opened"):
        tiny_captioner.caption(tmp_path / "none.jpg")


@pytest.mark.parametrize("beam", [0, -3, 101, 3.0, "3", [3]])
def test_a_beam_that_means_nothing_is_told_at_once(tiny_captioner, photos, beam):
    for call in (
        tiny_captioner.caption,
        lambda photo, beam: tiny_captioner.caption_all([], beam=beam),
    ):
        with pytest.raises(UsageError, match="a whole number from 1, which is greedy, to 100"):
            call(photos[0], beam=beam)


@pytest.mark.parametrize("beam", [1, 2, 20])
def test_a_beam_gives_its_other_captions_too(tiny_captioner, photos, beam):
    # More beams than words must not crash either: the tiny vocabulary has ten.
    caption = tiny_captioner.caption(photos[1], beam=beam)
    said = (caption.text, *caption.alternatives)
    assert len(said) == len(set(said)) == beam


@pytest.fixture(scope="module")
def terse(tiny_bundle) -> Captioner:
    """A captioner that says one word of each photo."""
    decoding = tiny_bundle.description.decoding.model_copy(update={"longest": 1})
    description = tiny_bundle.description.model_copy(update={"decoding": decoding})
    return Captioner(dataclasses.replace(tiny_bundle, description=description))


def test_a_caption_may_be_one_word(terse, photos):
    caption = terse.caption(photos[0], beam=20)
    assert [word.text for word in caption.words] == [caption.text]
    assert len(caption.alternatives) == 9  # ten words, so ten captions for twenty beams


def test_confidence_is_calibrated_and_doubt_is_told(tiny_bundle, tiny_captioner, photos):
    captions = list(tiny_captioner.caption_all(photos, beam=1))
    pixels = np.stack([tiny_captioner._pixels(photo) for photo in photos])
    regions = tiny_bundle.detector.regions(pixels)
    found = tiny_captioner._search(1)(regions.features, regions.boxes)
    # The mean is over the words and the end; padding of short captions does not count.
    counts = (found.words.numpy()[:, 0] != 0).sum(-1)
    assert counts.min() < counts.max()
    means = found.logprobs.numpy()[:, 0].sum(-1) / counts
    curve = Calibration(slope=2.0, intercept=1.0)
    middling = curve.confidence(float(np.median(means)))
    calibration = curve.model_copy(update={"threshold": middling})
    description = tiny_bundle.description.model_copy(update={"calibration": calibration})
    calibrated = Captioner(dataclasses.replace(tiny_bundle, description=description))
    told = list(calibrated.caption_all(photos, beam=1))
    assert {caption.sure for caption in told} == {True, False}
    for caption, plain, mean in zip(told, captions, means, strict=True):
        assert caption.text == plain.text
        assert caption.confidence == pytest.approx(calibration.confidence(mean), abs=1e-4)
        assert caption.sure == (caption.confidence >= middling)


def test_a_caption_becomes_a_line_of_json(tiny_captioner, photos):
    caption = tiny_captioner.caption(photos[0], prove=True)
    told = json.loads(json.dumps(caption.to_dict()))
    assert told["photo"] == str(photos[0])
    assert told["text"] == caption.text
    assert told["alternatives"] == list(caption.alternatives)
    assert [word["text"] for word in told["words"]] == caption.text.split()
    assert set(told["words"][0]) == {
        "text", "region", "weight", "logprob", "entropy", "visual", "proof",
    }  # fmt: skip
    assert (
        json.loads(json.dumps(tiny_captioner.caption(read_photo(photos[0])).to_dict()))["photo"]
        is None
    )


# Folders


def test_many_photos_are_captioned_in_order_and_as_alone(tiny_captioner, photos):
    many = (photos * 6)[: 2 * BATCH + 3]  # duplicates, and a last batch of three
    alone = {photo: tiny_captioner.caption(photo) for photo in photos}
    told = list(tiny_captioner.caption_all(many))
    assert [caption.path for caption in told] == many
    for caption in told:
        assert_same(caption, alone[caption.path])


def test_bad_files_do_not_stop_the_rest(tiny_captioner, photos, tmp_path):
    bad = [tmp_path / name for name in ("empty.jpg", "text.png", "missing.jpg", "cut.png")]
    bad[0].touch()
    bad[1].write_text("no photo")
    bad[3].write_bytes(photos[0].read_bytes()[:-20])
    mixed = [bad[0], *photos[:2], bad[1], bad[2], photos[2], bad[3]]
    told = list(tiny_captioner.caption_all(mixed))
    assert [one.path for one in told] == mixed
    for one in told:
        assert isinstance(one, PhotoFailure) == (one.path in bad)
        if isinstance(one, PhotoFailure):
            assert one.path.name in str(one.error)
        else:
            assert_same(one, tiny_captioner.caption(one.path))


def test_a_batch_of_bad_files_alone_is_told(tiny_captioner, photos, tmp_path):
    bad = [tmp_path / f"{place}.jpg" for place in range(BATCH)]
    told = list(tiny_captioner.caption_all([*bad, photos[0]]))
    assert [type(one) for one in told] == [PhotoFailure] * BATCH + [Caption]


def test_no_photos_give_no_captions(tiny_captioner):
    assert list(tiny_captioner.caption_all([])) == []


def test_paths_of_many_photos_may_be_text(tiny_captioner, photos):
    told = list(tiny_captioner.caption_all(map(str, photos)))
    assert [one.path for one in told] == photos


def test_a_single_path_in_place_of_many_is_told(tiny_captioner, photos):
    for path in (photos[0], str(photos[0])):
        with pytest.raises(UsageError) as told:
            tiny_captioner.caption_all(path)
        assert str(told.value) == (
            f"paths={str(photos[0])!r}\n"
            "  expected: the paths of many photos\n"
            "  fix: pass find_photos(folder) for a folder, or call caption(photo) for one photo"
        )


def test_results_stream_and_reading_is_one_batch_ahead(tiny_captioner, photos):
    asked = Counter[str]()

    def endless():
        while True:
            asked["photos"] += 1
            yield photos[asked["photos"] % 2]

    results = tiny_captioner.caption_all(endless())
    assert asked["photos"] == 0
    assert len(list(islice(results, BATCH))) == BATCH
    assert asked["photos"] == 2 * BATCH
    next(results)
    assert asked["photos"] == 3 * BATCH
    results.close()


def test_stopping_early_leaves_no_thread_and_reads_no_more(tiny_captioner, photos, monkeypatch):
    read, stopped = Counter[str](), threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def held_back(path: Path, *, size: int) -> np.ndarray:
        read["photos"] += 1
        if read["photos"] > BATCH:
            stopped.wait()
        return np.zeros((size, size, 3), np.uint8)

    def told(pool: ThreadPoolExecutor, *, cancel_futures: bool = False) -> None:
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        stopped.set()
        shutdown(pool, wait=True)

    monkeypatch.setattr("gatescope.caption.captioner.read_photo", held_back)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", told)
    threads = threading.active_count()
    results = tiny_captioner.caption_all(photos * 20)
    next(results)
    results.close()
    assert threading.active_count() <= threads
    assert BATCH <= read["photos"] <= BATCH + 2  # two threads had begun the next batch


def test_two_threads_may_caption_at_once(tiny_bundle, photos):
    captioner = Captioner(tiny_bundle)  # nothing compiled yet
    wanted = [Captioner(tiny_bundle).caption(photo).text for photo in photos]
    with ThreadPoolExecutor(3) as pool:
        told = list(
            pool.map(lambda _: [one.text for one in captioner.caption_all(photos)], range(3))
        )
    assert told == [wanted] * 3


def test_a_users_own_policy_does_not_change_captions(tiny_bundle, photos):
    wanted = Captioner(tiny_bundle).caption(photos[0])
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert_same(Captioner(tiny_bundle).caption(photos[0]), wanted)
    finally:
        keras.config.set_dtype_policy("float32")


# Boxes of one's own


def test_words_come_from_the_boxes_that_were_given(tiny_captioner, tiny_bundle, photos):
    own = [(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.75, 0.95)]
    allowed = {*own, *map(tuple, np.round(tiny_bundle.detector.config.fallback(), 4).tolist())}
    regions = {
        word.region for photo in photos for word in tiny_captioner.caption(photo, boxes=own).words
    }
    assert regions <= allowed
    assert regions & set(own)


def test_any_number_of_boxes_is_taken_in_any_order(tiny_captioner, photos):
    for count in (1, 3, 2, 40):
        boxes = [(0.0, 0.0, 0.5, (place + 1) / 50) for place in range(count)]
        caption = tiny_captioner.caption(photos[0], boxes=boxes)
        assert_same(caption, tiny_captioner.caption(photos[0], boxes=np.array(boxes[::-1])))
    assert_same(tiny_captioner.caption(photos[0]), tiny_captioner.caption(photos[0]))


def test_boxes_are_relative_to_each_side_of_the_photo(tiny_bundle):
    """A box covers the same content of a wide photo as of the square one it is squashed to."""
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    square = small.repeat(8, 0).repeat(8, 1)
    wide = small.repeat(8, 0).repeat(24, 1)
    assert wide.shape == (128, 384, 3)
    captioner = Captioner(tiny_bundle)
    box = (0.25, 0.5, 0.75, 0.625)
    one, other = (captioner.caption(pixels, boxes=[box]) for pixels in (square, wide))
    assert_same(one, other)
    assert [word.region for word in one.words] == [word.region for word in other.words]


def test_a_box_maps_back_to_the_pixels_it_was_made_from(tiny_bundle, monkeypatch):
    """Paint one corner of a wide photo; the box that names that corner has features of its own."""
    pixels = np.zeros((60, 240, 3), np.uint8)
    pixels[30:, 180:] = 255  # rows from 1/2, columns from 3/4
    captioner = Captioner(tiny_bundle)
    squashed = captioner._pixels(pixels)
    assert squashed[40:, 56:].min() > 200
    assert squashed[:24].max() < 50
    assert squashed[:, :40].max() < 50


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [(0.1, 0.1, 0.5)],
        [(0.1, 0.1, 0.5, 0.5, 0.5)],
        (0.1, 0.1, 0.5, 0.5),
        [(0.5, 0.1, 0.1, 0.5)],
        [(0.1, 0.5, 0.5, 0.5)],
        [(10, 20, 100, 200)],
        [(-0.1, 0, 1, 1)],
        [(0, 0, float("nan"), 1)],
        [(0, 0, 1, 1), (0, 0, 1)],
        [("a", "b", "c", "d")],
        [None],
    ],
)
def test_boxes_that_are_none_are_told(tiny_captioner, photos, boxes):
    with pytest.raises(UsageError) as told:
        tiny_captioner.caption(photos[0], boxes=boxes)
    happened, expected, fix = str(told.value).splitlines()
    assert happened.startswith("boxes ")
    assert happened.endswith(" are not boxes inside a photo")
    assert expected == (
        "  expected: rows of (y0, x0, y1, x1) relative to the photo, each in [0, 1], "
        "y0 < y1 and x0 < x1"
    )
    assert fix == ("  fix: divide pixel rows by the photo's height and pixel columns by its width")


# Proof and grounding


def test_proof_is_given_to_visual_words_alone(tiny_captioner, photos):
    told = list(tiny_captioner.caption_all(photos, prove=True))
    words = [word for caption in told for word in caption.words]
    assert {word.visual for word in words} == {True, False}
    for word in words:
        assert (word.proof is not None) == word.visual
        if word.proof:
            assert word.proof.before == pytest.approx(np.exp(word.logprob), abs=1e-3)
            assert 0 <= word.proof.masked <= 1
            assert 0 <= word.proof.random <= 1


def test_proof_does_not_change_the_caption(tiny_captioner, photos):
    plain, proved = (tiny_captioner.caption(photos[0], prove=prove) for prove in (False, True))
    assert_same(plain, proved)


def test_a_caption_without_visual_words_has_nothing_to_prove(terse, photos):
    told = list(terse.caption_all(photos, beam=20, prove=True))
    blind = [caption for caption in told if not any(word.visual for word in caption.words)]
    assert 0 < len(blind) < len(told)
    for caption in blind:
        assert all(word.proof is None for word in caption.words)


def test_the_region_told_is_the_one_with_the_largest_weight(tiny_captioner, photos):
    caption = tiny_captioner.caption(photos[0])
    photo = tiny_captioner._pixels(photos[0])[None]
    regions = tiny_captioner.bundle.detector.regions(photo)
    found = tiny_captioner._search(3)(regions.features, regions.boxes)
    for place, word in enumerate(caption.words):
        weights = found.weights[0, 0, place].numpy()
        top = weights[:-1].argmax()
        assert word.region == pytest.approx(regions.boxes[0, top].numpy(), abs=1e-4)
        assert word.weight == pytest.approx(weights[top], abs=1e-5)
        assert word.visual == (weights[-1] < 0.5)
        entropy = -(weights * np.log2(weights)).sum()
        assert word.entropy == pytest.approx(entropy, abs=1e-3)


def test_a_captioner_opens_from_a_folder(tiny_bundle, monkeypatch, tmp_path):
    opened: list[Path] = []

    def load(folder: Path) -> Bundle:
        opened.append(folder)
        return tiny_bundle

    monkeypatch.setattr("gatescope.caption.captioner.load_bundle", load)
    for path in (str(tmp_path), tmp_path, None):
        assert isinstance(load_captioner(path), Captioner)
    assert opened == [tmp_path, tmp_path, SHIPPED]


def test_a_folder_that_is_no_captioner_is_told(tmp_path):
    with pytest.raises(BundleError, match="is not a captioner bundle"):
        load_captioner(tmp_path)


def test_an_upright_photo_and_its_rotated_file_are_captioned_alike(
    tiny_captioner, photos, tmp_path
):
    image = Image.open(photos[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert_same(tiny_captioner.caption(tmp_path / "turned.png"), tiny_captioner.caption(photos[0]))
