"""Images by class, from folders and zips, read, split and streamed."""

import io
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from gatescope.data import file_samples
from gatescope.data.images import ImagesConfig, load_images
from gatescope.data.photos import read_photo
from gatescope.data.splits import SPLITS, SplitConfig
from gatescope.errors import DataError, UsageError

SHARED = Path(__file__).parents[3] / "shared" / "data"
FIFTHS = SplitConfig(dev=0.2, test=0.2, seed=0)
COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}


def config(**more):
    return ImagesConfig(**{"height": 6, "width": 8, "channels": 3, "split": FIFTHS, **more})


def encoded(mode, size, colour, format_):
    file = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(file, format_)
    return file.getvalue()


def zipped(folder, files):
    path = folder / "images.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


@pytest.fixture
def mixed(tmp_path):
    """Thirty images of many sizes, modes and formats, two of them damaged, and a text."""
    kinds = [("RGB", "PNG"), ("L", "JPEG"), ("P", "GIF"), ("RGBA", "WEBP"), ("RGB", "BMP")]
    files = {
        "pets/readme.txt": b"hello",
        "pets/red/cut_p0.jpg": encoded("RGB", (9, 9), 0, "JPEG")[:99],
    }
    files["pets/blue/text_p1.png"] = b"no image"
    for place, (name, colour) in enumerate(COLOURS.items()):
        for number in range(10):
            mode, format_ = kinds[number % 5]
            size = (5 + number, 20 - place)
            image = encoded(mode, size, colour, format_)
            files[f"pets/{name}/{number}_p{number % 5}.{format_.lower()}"] = image
    return zipped(tmp_path, files)


def test_classes_come_from_folders_and_files_that_cannot_be_read_are_named(mixed):
    images = load_images(mixed, config())
    assert images.classes == ("blue", "green", "red")
    assert len(images.names) == 30
    assert [file.name for file in images.unreadable] == [
        "pets/blue/text_p1.png",
        "pets/red/cut_p0.jpg",
    ]
    assert "cannot be decoded" in images.unreadable[1].reason
    assert images.notes == (
        "2 of 32 files cannot be read and were left out: "
        "'pets/blue/text_p1.png', 'pets/red/cut_p0.jpg'",
    )
    assert images.splits.counts.tolist() == [[6, 6, 6], [2, 2, 2], [2, 2, 2]]


@pytest.mark.parametrize("packed", ["folder", "zip", "tar"])
@pytest.mark.parametrize("splits", [False, True])
def test_folders_without_images_and_other_files_are_noted(tmp_path, packed, splits):
    root = tmp_path / "pets"
    for number, (name, colour) in enumerate(COLOURS.items()):
        for place in range(10):
            within = ("train", "test")[place % 2] if splits else "."
            file = root / within / name / f"{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded("RGB", (5, 5 + number), colour, "PNG"))
    within = root / ("train" if splits else ".")
    (within / "red" / "notes.txt").write_text("no image")
    (root / "readme.txt").write_text("of no class")
    (root / ".hidden").mkdir()
    (within / "black").mkdir()
    (within / "white").mkdir()
    (within / "white" / "a.doc").write_text("no image")
    (within / "red" / "empty").mkdir()
    path = root
    if packed != "folder":
        path = Path(shutil.make_archive(str(tmp_path / "packed"), packed, tmp_path, "pets"))
    images = load_images(path, config())
    folder = "train/" if splits else ""
    assert images.notes == (
        "files of another kind in folders of classes were left out: "
        f"'{folder}red/notes.txt', '{folder}white/a.doc'",
        f"folders without a file to learn from are no classes: '{folder}black', '{folder}white'",
    )


def test_one_class_beside_empty_folders_is_said(tmp_path):
    for place in range(3):
        file = tmp_path / "red" / f"{place}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(encoded("RGB", (5, 5), 0, "PNG"))
    (tmp_path / "blue").mkdir()
    with pytest.raises(DataError, match=r"only: 'red'; folders without a file .* classes: 'blue'"):
        load_images(tmp_path, config())


@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_modes_become_one(mixed, channels):
    images = load_images(mixed, config(channels=channels))
    pixels, labels = images.arrays("train")
    assert (pixels.shape, pixels.dtype) == ((18, 6, 8, channels), np.uint8)
    assert (labels.shape, labels.dtype) == ((18,), np.int32)


def test_pixels_and_labels_belong_together(mixed):
    images = load_images(mixed, config())
    with zipfile.ZipFile(mixed) as packed:
        for split in SPLITS:
            rows = images.splits.rows(split)
            for row, image, label in zip(rows, *images.arrays(split), strict=True):
                name = images.names[row]
                expected = read_photo(io.BytesIO(packed.read(name)), size=(6, 8))
                np.testing.assert_array_equal(image, expected)
                assert name.startswith(f"pets/{images.classes[label]}/")


def test_a_folder_gives_what_its_zip_does(mixed, tmp_path):
    with zipfile.ZipFile(mixed) as packed:
        packed.extractall(tmp_path / "out")
    unpacked = load_images(tmp_path / "out", config())
    np.testing.assert_array_equal(
        unpacked.arrays("dev")[0], load_images(mixed, config()).arrays("dev")[0]
    )


def test_what_is_not_kept_is_decoded_when_it_is_needed(mixed, monkeypatch):
    kept = load_images(mixed, config())
    monkeypatch.setattr(file_samples, "_KEPT_BYTES", 1000)
    lazy = load_images(mixed, config())
    assert kept.kept is not None
    assert lazy.kept is None
    for images in (kept, lazy):
        stream = images.stream("train", 7)
        assert stream.cardinality() == 3
        assert stream.element_spec[0].shape.as_list() == [None, 6, 8, 3]
        pixels, labels = zip(*stream.as_numpy_iterator(), strict=True)
        np.testing.assert_array_equal(np.concatenate(pixels), kept.arrays("train")[0])
        np.testing.assert_array_equal(np.concatenate(labels), kept.arrays("train")[1])


def test_an_epoch_is_shuffled_by_seed_and_number_alone(mixed):
    images = load_images(mixed, config())

    def seen(seed, epoch):
        batches = images.epochs(5, seed)(epoch).as_numpy_iterator()
        return np.concatenate([pixels for pixels, _ in batches])

    np.testing.assert_array_equal(seen(1, 4), seen(1, 4))
    assert (seen(1, 4) != seen(1, 5)).any()
    assert (seen(1, 4) != seen(2, 4)).any()
    everything = images.arrays("train")[0]
    assert sorted(seen(1, 4).tolist()) == sorted(everything.tolist())


def test_groups_come_from_names_by_a_rule(mixed):
    images = load_images(mixed, config(group=r"_(p\d)\."))
    people = [
        {images.names[row].split("_")[1].split(".")[0] for row in images.splits.rows(split)}
        for split in SPLITS
    ]
    assert sum(map(len, people)) == len(set.union(*people)) == 5


def test_labels_come_from_names_by_a_rule(tmp_path):
    image = encoded("RGB", (4, 4), 0, "PNG")
    files = {f"train/{kind}.{n}.png": image for kind in ("cat", "dog") for n in range(10)}
    images = load_images(zipped(tmp_path, files), config(label=r"(cat|dog)\.\d+"))
    assert images.classes == ("cat", "dog")
    assert images.splits.counts.sum(axis=1).tolist() == [12, 4, 4]


def test_numbers_as_classes_are_in_their_order(tmp_path):
    image = encoded("RGB", (4, 4), 0, "PNG")
    files = {f"{number}/{n}.png": image for number in (10, 9, 2) for n in range(9)}
    assert load_images(zipped(tmp_path, files), config()).classes == ("2", "9", "10")


def test_splits_of_folders_are_kept_and_dev_is_taken_from_train(tmp_path):
    image = encoded("RGB", (4, 4), 0, "PNG")
    files = {
        f"set/{split}/{kind}/{n}.png": image
        for split, count in (("train", 20), ("test", 5))
        for kind in ("cat", "dog")
        for n in range(count)
    }
    images = load_images(zipped(tmp_path, files), config())
    assert images.classes == ("cat", "dog")
    assert images.splits.counts.tolist() == [[16, 16], [4, 4], [5, 5]]
    tested = [images.names[row] for row in images.splits.rows("test")]
    assert all(name.startswith("set/test/") for name in tested)


def test_a_class_that_only_the_test_folder_has_is_said(tmp_path):
    for place, folder in enumerate(["train/a", "train/b", "test/a", "test/b", "test/new"]):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(8):
            image = Image.new("RGB", (4, 4), (place * 20, number, 0))
            image.save(tmp_path / folder / f"{number}.png")
    split = SplitConfig(dev=0.2, test=0.2, seed=0)
    asked = ImagesConfig(height=4, width=4, channels=3, split=split)
    found = load_images(tmp_path, asked)
    assert found.classes == ("a", "b", "new")
    assert "no sample of 'new' is in train" in found.notes


def test_a_dev_split_of_folders_is_kept(tmp_path):
    image = encoded("RGB", (4, 4), 0, "PNG")
    files = {
        f"{split}/{kind}/{n}.png": image
        for split in ("Train", "valid")
        for kind in ("cat", "dog")
        for n in range(4)
    }
    images = load_images(zipped(tmp_path, files), config())
    assert images.splits.counts.tolist() == [[4, 4], [4, 4], [0, 0]]
    with pytest.raises(UsageError, match="the split 'test' has no files"):
        images.arrays("test")


def test_keras_trains_on_a_stream(mixed):
    images = load_images(mixed, config())
    model = keras.Sequential(
        [
            keras.Input((6, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(images.stream("train", 8), epochs=1, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    ("files", "more", "happened"),
    [
        ({"readme.txt": b"x"}, {}, "has no file of this kind"),
        ({"cat/1.png": b"x", "dog/2.png": b"y"}, {}, "none of the 2 files of"),
        ({"1.png": b"x"}, {}, "the file '1.png' is in no folder that would be its class"),
        ({"cat/1.png": b"x"}, {"group": "(S)_"}, "finds no group in the name 'cat/1.png'"),
        ({"cat/1.png": encoded("L", (3, 3), 0, "PNG")}, {}, "has one class only: 'cat'"),
    ],
)
def test_sets_that_cannot_be_used_are_refused(tmp_path, files, more, happened):
    with pytest.raises(DataError) as caught:
        load_images(zipped(tmp_path, files), config(**more))
    assert happened in caught.value.happened
    assert caught.value.expected
    assert caught.value.fix


@pytest.mark.parametrize("rule", [r"S\d+", "(S"])
def test_rules_that_find_nothing_are_refused(rule):
    with pytest.raises(ValidationError, match=r"has no group|is no regular expression"):
        config(group=rule)


def people(folders, each=4):
    """Images of people, by the folders that they are in."""
    image = encoded("L", (4, 4), 0, "PNG")
    return {f"{folder}/{n}.png": image for folder in folders for n in range(each)}


def test_classes_may_be_unseen_in_training(tmp_path):
    files = people([f"p{place}" for place in range(10)]) | people(["p10"], each=9)
    apart = config(unseen_classes=True)
    images = load_images(zipped(tmp_path, files), apart)
    counts = images.splits.counts
    assert ((counts > 0).sum(axis=0) == 1).all()
    assert counts.sum(axis=1)[1:].min() >= 8, "the shares hold for images"
    assert not images.notes, "that a split lacks classes is what was asked for"
    again = load_images(zipped(tmp_path, files), apart)
    np.testing.assert_array_equal(images.splits.of, again.splits.of)
    other = config(unseen_classes=True, split=FIFTHS.model_copy(update={"seed": 1}))
    moved = load_images(zipped(tmp_path, files), other)
    assert (images.splits.of != moved.splits.of).any()


def test_folders_of_splits_are_kept_where_classes_are_unseen(tmp_path):
    files = people([f"train/{name}" for name in "abcde"]) | people(["test/f", "test/g"])
    images = load_images(zipped(tmp_path, files), config(unseen_classes=True))
    assert images.splits.counts.sum(axis=1).tolist() == [16, 4, 8]
    assert ((images.splits.counts > 0).sum(axis=0) == 1).all()


def test_a_class_in_two_folders_of_splits_is_not_unseen(tmp_path):
    files = people([f"train/{name}" for name in "abcde"]) | people(["test/a", "test/g"])
    with pytest.raises(DataError, match="'a' would be in more than one split") as caught:
        load_images(zipped(tmp_path, files), config(unseen_classes=True))
    assert "train, dev and test alone" in caught.value.expected
    assert "move its files into one of them" in caught.value.fix


def test_unseen_classes_are_groups_already():
    with pytest.raises(ValidationError, match="a class is its own group: leave group out"):
        config(unseen_classes=True, group="(p)")


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here")
def test_faces_of_the_same_person_stay_in_one_split():
    rules = config(height=48, width=48, channels=1, group=r"(S\d+)_")
    emotions = load_images(SHARED / "facial_emotions.zip", rules)
    assert len(emotions.classes) == 7
    assert len(emotions.names) == 981
    assert not emotions.unreadable
    people = [
        {emotions.names[row].split("/")[1][:4] for row in emotions.splits.rows(split)}
        for split in SPLITS
    ]
    assert sum(map(len, people)) == len(set.union(*people))
    assert (emotions.splits.counts > 0).all()


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here")
def test_grey_pgm_faces():
    faces = load_images(SHARED / "faces.zip", config(height=112, width=92, channels=1))
    assert len(faces.classes) == 30
    assert faces.arrays("test")[0].shape == (90, 112, 92, 1)
