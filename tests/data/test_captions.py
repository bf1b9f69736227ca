"""Caption files in every known format, written here as their makers write them."""

import json
from collections import Counter
from pathlib import Path

import pytest

from gatescope.data.captions import CaptionDataset, load_captions, split_by_name
from gatescope.errors import DataError, UsageError

FLICKR8K = Path(__file__).parents[3] / "shared" / "data" / "flickr8k"


def put_photos(folder: Path, *names: str) -> None:
    """Loading looks for the photos' files without opening them, so empty ones will do."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def put_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def coco(*photos: tuple[str, list[str]]) -> dict[str, object]:
    return {
        "info": {"description": "COCO 2017 Dataset"},
        "images": [{"id": i, "file_name": name} for i, (name, _) in enumerate(photos)],
        "annotations": [
            {"id": 9, "image_id": i, "caption": caption}
            for i, (_, captions) in enumerate(photos)
            for caption in captions
        ],
    }


def contents(dataset: CaptionDataset) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {
        str(photo.path.relative_to(dataset.root)): (photo.split, photo.captions)
        for photo in dataset.photos
    }


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        load_captions(path)
    assert caught.value.expected
    assert caught.value.fix
    return caught.value


# COCO


@pytest.fixture
def coco_folder(tmp_path):
    put_photos(tmp_path, "train2017/1.jpg", "train2017/2.jpg", "val2017/3.jpg", "val2017/4.jpg")
    train = coco(("1.jpg", ["A dog. ", "One dog"]), ("2.jpg", ["A cat"]))
    put_json(tmp_path / "annotations" / "captions_train2017.json", train)
    val = coco(("3.jpg", ["A cow"]), ("4.jpg", []))
    put_json(tmp_path / "annotations" / "captions_val2017.json", val)
    put_json(tmp_path / "annotations" / "instances_val2017.json", {"images": []})
    return tmp_path


def test_coco_folder_is_read_with_its_splits(coco_folder):
    dataset = load_captions(coco_folder)
    assert dataset.format == "COCO captions"
    assert dataset.root == coco_folder
    assert contents(dataset) == {
        "train2017/1.jpg": ("train", ("A dog.", "One dog")),
        "train2017/2.jpg": ("train", ("A cat",)),
        "val2017/3.jpg": ("dev", ("A cow",)),
    }
    assert dataset.without_captions == ("4.jpg",)
    assert dataset.split_source == "the data set's own"


def test_coco_annotations_folder_means_its_data_set(coco_folder):
    assert load_captions(coco_folder / "annotations") == load_captions(coco_folder)


def test_coco_file_finds_its_photos_beside_the_annotations_folder(coco_folder):
    dataset = load_captions(coco_folder / "annotations" / "captions_val2017.json")
    assert contents(dataset) == {"val2017/3.jpg": ("dev", ("A cow",))}


def test_coco_train_file_alone_gives_up_a_tenth_for_dev(tmp_path):
    names = [f"{number}.jpg" for number in range(200)]
    put_photos(tmp_path / "images", *names)
    put_json(tmp_path / "captions_train.json", coco(*((name, ["A dog"]) for name in names)))
    dataset = load_captions(tmp_path)
    assert 8 <= len(dataset.split("dev")) <= 35
    assert len(dataset.split("train")) + len(dataset.split("dev")) == 200
    assert "10 % of train" in dataset.split_source


def test_coco_caption_of_an_unlisted_photo_counts_as_missing(tmp_path):
    put_photos(tmp_path, "1.jpg")
    content = coco(("1.jpg", ["A dog"]))
    content["annotations"].append({"image_id": 77, "caption": "A ghost"})
    put_json(tmp_path / "captions.json", content)
    assert load_captions(tmp_path).missing == ("image_id 77",)


def test_coco_files_may_share_photos_but_not_across_splits(tmp_path):
    put_photos(tmp_path, "1.jpg", "2.jpg")
    put_json(tmp_path / "captions_train.json", coco(("1.jpg", ["A dog"]), ("2.jpg", ["A cat"])))
    put_json(tmp_path / "captions_more.json", coco(("1.jpg", ["One dog"])))
    assert load_captions(tmp_path).photos[0].captions == ("One dog", "A dog")
    put_json(tmp_path / "captions_val.json", coco(("2.jpg", ["One cat"])))
    assert refusal(tmp_path).happened == "the photo '2.jpg' is in both train and dev"


def test_coco_file_with_a_wrong_entry_names_the_place(tmp_path):
    content = coco(("1.jpg", ["A dog"]), ("2.jpg", ["A cat"]))
    content["annotations"][1]["caption"] = None
    error = refusal(put_json(tmp_path / "captions.json", content))
    assert "1 wrong entries, the first at annotations.1.caption" in error.happened


# Karpathy


def karpathy(*images: tuple[str, str, str]) -> dict[str, object]:
    return {
        "dataset": "coco",
        "images": [
            {
                "filepath": filepath, "filename": name, "split": split, "imgid": 1, "sentids": [1],
                "sentences": [{"tokens": ["a", "dog"], "raw": f"A dog in {name}.", "imgid": 1}],
            }
            for filepath, name, split in images
        ],
    }  # fmt: skip


def test_karpathy_splits_are_read(tmp_path):
    images = [("train2014", "1.jpg", "train"), ("val2014", "2.jpg", "restval")]
    images += [("val2014", "3.jpg", "val"), ("val2014", "4.jpg", "test")]
    put_json(tmp_path / "dataset_coco.json", karpathy(*images))
    put_photos(tmp_path, *(f"{folder}/{name}" for folder, name, _ in images))
    dataset = load_captions(tmp_path)
    assert dataset.format == "Karpathy splits"
    assert contents(dataset) == {
        "train2014/1.jpg": ("train", ("A dog in 1.jpg.",)),
        "val2014/2.jpg": ("train", ("A dog in 2.jpg.",)),
        "val2014/3.jpg": ("dev", ("A dog in 3.jpg.",)),
        "val2014/4.jpg": ("test", ("A dog in 4.jpg.",)),
    }


def test_karpathy_without_folders_finds_photos_in_images(tmp_path):
    content = karpathy(("", "1.jpg", "train"), ("", "2.jpg", "val"))
    for image in content["images"]:
        del image["filepath"]
    put_json(tmp_path / "dataset_flickr8k.json", content)
    put_photos(tmp_path / "images", "1.jpg", "2.jpg")
    assert set(contents(load_captions(tmp_path))) == {"images/1.jpg", "images/2.jpg"}


def test_several_karpathy_files_ask_for_one(tmp_path):
    for name in ("dataset_coco.json", "dataset_flickr8k.json"):
        put_json(tmp_path / name, karpathy(("", "1.jpg", "train")))
    error = refusal(tmp_path)
    assert "2 files like dataset_*.json" in error.happened
    assert "dataset_coco.json" in error.fix


def test_unknown_split_is_refused(tmp_path):
    path = put_json(tmp_path / "dataset.json", karpathy(("", "1.jpg", "holdout")))
    assert refusal(path).happened == "the split 'holdout' (1.jpg) is unknown"


# Flickr8k and Flickr30k


TOKENS = "1.jpg#0\tA dog .\n1.jpg#1\tOne dog .\n2.jpg#0\tA cat .\n3.jpg#0\tA cow .\n"


def put_lists(folder: Path, **names: str) -> None:
    for split, photos in names.items():
        path = folder / f"Flickr_8k.{split}Images.txt"
        path.write_text(photos.replace(" ", "\n") + "\n", encoding="utf-8")


def test_flickr8k_is_read_with_its_split_lists(tmp_path):
    (tmp_path / "Flickr8k.token.txt").write_text(TOKENS, encoding="utf-8")
    (tmp_path / "Flickr8k.lemma.token.txt").write_text("1.jpg#0\tdog .\n", encoding="utf-8")
    put_lists(tmp_path, train="1.jpg", dev="2.jpg", test="3.jpg")
    put_photos(tmp_path / "Flicker8k_Dataset", "1.jpg", "2.jpg", "3.jpg")
    dataset = load_captions(tmp_path)
    assert dataset.format == "Flickr token file"
    assert contents(dataset) == {
        "Flicker8k_Dataset/1.jpg": ("train", ("A dog .", "One dog .")),
        "Flicker8k_Dataset/2.jpg": ("dev", ("A cat .",)),
        "Flicker8k_Dataset/3.jpg": ("test", ("A cow .",)),
    }


def test_flickr8k_in_its_two_original_folders_is_read(tmp_path):
    put_photos(tmp_path / "Flicker8k_Dataset", "1.jpg", "2.jpg", "3.jpg")
    text = tmp_path / "Flickr8k_text"
    text.mkdir()
    (text / "Flickr8k.token.txt").write_text(TOKENS, encoding="utf-8")
    put_lists(text, train="1.jpg 3.jpg", dev="2.jpg")
    dataset = load_captions(tmp_path)
    assert Counter(photo.split for photo in dataset.photos) == {"train": 2, "dev": 1}
    assert load_captions(text) == load_captions(text / "Flickr8k.token.txt") == dataset


def test_only_photos_of_a_split_list_can_be_missing(tmp_path):
    (tmp_path / "Flickr8k.token.txt").write_text(TOKENS, encoding="utf-8")
    put_lists(tmp_path, train="1.jpg 2.jpg 5.jpg", dev="4.jpg")
    put_photos(tmp_path, "1.jpg", "3.jpg", "5.jpg")
    dataset = load_captions(tmp_path)
    assert set(contents(dataset)) == {"1.jpg"}
    assert dataset.missing == ("2.jpg",)
    assert dataset.unlisted == ("3.jpg",)
    assert dataset.without_captions == ("5.jpg", "4.jpg")


def test_photo_in_two_split_lists_is_refused(tmp_path):
    (tmp_path / "Flickr8k.token.txt").write_text(TOKENS, encoding="utf-8")
    put_lists(tmp_path, train="1.jpg 2.jpg", dev="2.jpg 3.jpg")
    assert refusal(tmp_path).happened == "the photo '2.jpg' is in both train and dev"


def test_flickr30k_token_file_is_read(tmp_path):
    (tmp_path / "results_20130124.token").write_text(TOKENS, encoding="utf-8")
    put_photos(tmp_path / "flickr30k-images", "1.jpg", "2.jpg", "3.jpg")
    assert len(load_captions(tmp_path).photos) == 3


def test_flickr30k_results_csv_is_read_with_its_faulty_row(tmp_path):
    text = (
        "image_name| comment_number| comment\n"
        "1.jpg| 0| Two men , one in a | shirt .\n"
        "2.jpg| 3| A dog runs .\n"
        "2.jpg| 4   A dog runs across the grass .\n"
        "3.jpg| 0| A cow .\n"
    )
    (tmp_path / "results.csv").write_text(text, encoding="utf-8")
    put_photos(tmp_path / "flickr30k_images", "1.jpg", "2.jpg", "3.jpg")
    captions = {name: texts for name, (_, texts) in contents(load_captions(tmp_path)).items()}
    assert captions == {
        "flickr30k_images/1.jpg": ("Two men , one in a | shirt .",),
        "flickr30k_images/2.jpg": ("A dog runs .", "A dog runs across the grass ."),
        "flickr30k_images/3.jpg": ("A cow .",),
    }


def test_kaggle_captions_txt_is_read(tmp_path):
    text = 'image,caption\n1.jpg,A dog .\n1.jpg,"A dog , wet ."\n2.jpg,"A ""cat"" ."\n'
    (tmp_path / "captions.txt").write_text(text, encoding="utf-8")
    put_photos(tmp_path / "Images", "1.jpg", "2.jpg")
    captions = {name: texts for name, (_, texts) in contents(load_captions(tmp_path)).items()}
    assert captions == {
        "Images/1.jpg": ("A dog .", "A dog , wet ."),
        "Images/2.jpg": ('A "cat" .',),
    }


def test_line_that_is_no_token_line_is_named(tmp_path):
    path = tmp_path / "Flickr8k.token.txt"
    path.write_text("1.jpg#0\tA dog .\n\n2.jpg A cat .\n", encoding="utf-8")
    assert refusal(path).happened.startswith("line 3 of ")


# Tables


def captions_of_table(folder: Path, text: str, name: str = "captions.csv") -> dict[str, object]:
    (folder / name).write_bytes(text.encode("utf-8"))
    put_photos(folder, "1.jpg", "2.jpg", "3.jpg")
    return {name: texts for name, (_, texts) in contents(load_captions(folder)).items()}


@pytest.mark.parametrize("photo", ["photo", "image", "file", "filename", " Photo "])
@pytest.mark.parametrize(("name", "delimiter"), [("captions.csv", ","), ("captions.tsv", "\t")])
def test_table_columns_go_by_their_usual_names(tmp_path, photo, name, delimiter):
    rows = [(photo, "caption"), ("1.jpg", "A dog"), ("2.jpg", "A cat"), ("1.jpg", "One dog")]
    text = "".join(delimiter.join(row) + "\n" for row in rows)
    expected = {"1.jpg": ("A dog", "One dog"), "2.jpg": ("A cat",)}
    assert captions_of_table(tmp_path, text, name) == expected


def test_table_split_column_counts(tmp_path):
    text = "split,photo,caption\ntraining,1.jpg,A dog\nValidation,2.jpg,A cat\ntest,3.jpg,A cow\n"
    captions_of_table(tmp_path, text)
    splits = [photo.split for photo in load_captions(tmp_path).photos]
    assert splits == ["train", "dev", "test"]


def test_table_with_other_columns_and_any_order_is_read(tmp_path):
    text = ",caption,rating,photo\n0,A dog,5,1.jpg\n1,A cat,4,2.jpg\n"
    assert captions_of_table(tmp_path, text) == {"1.jpg": ("A dog",), "2.jpg": ("A cat",)}


def test_table_with_semicolons_is_read(tmp_path):
    text = "photo;caption\r\n1.jpg;Ein Hund, nass\r\n"
    assert captions_of_table(tmp_path, text) == {"1.jpg": ("Ein Hund, nass",)}


def test_unquoted_comma_belongs_to_a_last_caption(tmp_path):
    text = "photo,caption\n1.jpg,A dog, wet, runs\n"
    assert captions_of_table(tmp_path, text) == {"1.jpg": ("A dog, wet, runs",)}


def test_quoted_caption_may_span_lines(tmp_path):
    text = 'photo,caption\r\n1.jpg,"A dog\r\nruns"\r\n2.jpg,A cat\r\n'
    assert captions_of_table(tmp_path, text) == {"1.jpg": ("A dog\nruns",), "2.jpg": ("A cat",)}


@pytest.mark.parametrize("caption", ['"Stop" says a sign', '"Hello', 'says "Hi"', '6" tall'])
def test_quotes_that_quote_no_field_never_swallow_rows(tmp_path, caption):
    text = f"photo,caption\n1.jpg,{caption}\n2.jpg,A cat\n3.jpg,A cow\n"
    expected = {"1.jpg": (caption,), "2.jpg": ("A cat",), "3.jpg": ("A cow",)}
    assert captions_of_table(tmp_path, text) == expected


def test_row_with_too_few_fields_is_named(tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text("photo,caption\n1.jpg,A dog\n\n2.jpg\n", encoding="utf-8")
    assert refusal(path).happened.startswith("line 4 of ")


def test_row_without_a_photo_is_named(tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text("photo,caption\n,A dog\n", encoding="utf-8")
    assert refusal(path).happened.startswith("line 2 of ")


def test_table_without_a_header_is_explained(tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text("1.jpg,A dog\n", encoding="utf-8")
    error = refusal(path)
    assert "its first line: '1.jpg,A dog'" in error.happened
    assert error.fix.startswith("write the line photo,caption")


# Text


@pytest.mark.parametrize("separator", ["\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_line_ends_inside_captions_shift_nothing(tmp_path, separator):
    caption = f"A dog{separator}runs"
    put_photos(tmp_path, "1.jpg", "2.jpg")
    token = tmp_path / "a.token"
    token.write_bytes(f"1.jpg#0\t{caption}\r\n2.jpg#0\tA cat\r\n".encode())
    table = tmp_path / "captions.csv"
    table.write_bytes(f"photo,caption\r\n1.jpg,{caption}\r\n2.jpg,A cat\r\n".encode())
    coco_file = put_json(
        tmp_path / "captions.json", coco(("1.jpg", [caption]), ("2.jpg", ["A cat"]))
    )
    for path in (token, table, coco_file):
        photos = load_captions(path).photos
        in_a_table = caption.replace("\r", " ") if path == table else caption
        assert [photo.captions for photo in photos] == [(in_a_table,), ("A cat",)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_captions_are_kept_as_they_are(tmp_path, encoding):
    composed, decomposed = "un caf\u00e9", "un cafe\u0301 — 犬が走る 🐕"
    text = f"photo,caption\n1.jpg,{composed}\n1.jpg, {decomposed} \n"
    (tmp_path / "captions.csv").write_bytes(text.encode(encoding))
    put_photos(tmp_path, "1.jpg")
    assert load_captions(tmp_path).photos[0].captions == (composed, decomposed)


def test_half_a_surrogate_pair_does_not_reach_the_captions(tmp_path):
    put_photos(tmp_path, "1.jpg")
    put_json(tmp_path / "captions.json", coco(("1.jpg", ["A dog \ud83d", "A dog \ud83d\udc15"])))
    assert load_captions(tmp_path).photos[0].captions == ("A dog \ufffd", "A dog 🐕")


def test_other_encodings_are_refused_with_the_line(tmp_path):
    path = tmp_path / "captions.csv"
    path.write_bytes("photo,caption\n1.jpg,A dog\n2.jpg,un café\n".encode("latin-1"))
    error = refusal(path)
    assert "is not UTF-8: line 3 has the byte 0xe9" in error.happened
    assert "iconv" in error.fix


def test_empty_captions_are_dropped_and_counted(tmp_path):
    put_photos(tmp_path, "1.jpg", "2.jpg")
    content = coco(("1.jpg", ["A dog", " \n", ""]), ("2.jpg", ["\u2003"]))
    put_json(tmp_path / "captions.json", content)
    dataset = load_captions(tmp_path)
    assert [photo.captions for photo in dataset.photos] == [("A dog",)]
    assert dataset.empty_captions == 3
    assert dataset.without_captions == ("2.jpg",)


def test_file_with_empty_captions_only_is_refused(tmp_path):
    put_photos(tmp_path, "1.jpg")
    path = put_json(tmp_path / "captions.json", coco(("1.jpg", [" "])))
    assert refusal(path).happened == f"{str(path)!r} has no caption"


# What is none of the formats


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"pictures": [], "texts": []}, "its keys: pictures, texts"),
        ({"images": [], "annotations": []}, "its keys: images, annotations"),
        ([1, 2], "it is a list"),
        ("text", "it is a str"),
        ({"images": [1], "annotations": {"a": 1}}, "its keys: images, annotations"),
        (
            {"images": [], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]},
            "holds boxes, not captions",
        ),
    ],
)
def test_other_json_is_refused_with_what_it_has(tmp_path, content, found):
    error = refusal(put_json(tmp_path / "some.json", content))
    assert found in error.happened
    assert "COCO captions JSON, Karpathy's dataset_*.json" in error.expected


@pytest.mark.parametrize("text", ["", "{", '{"images": [', "[" * 200_000, "{'images': []}"])
def test_broken_json_is_refused(tmp_path, text):
    path = tmp_path / "captions.json"
    path.write_text(text, encoding="utf-8")
    assert "is not JSON" in refusal(path).happened


def test_missing_folder_is_refused(tmp_path):
    error = refusal(tmp_path / "nowhere")
    assert error.happened == f"there is no {str(tmp_path / 'nowhere')!r}"


def test_empty_folder_is_refused(tmp_path):
    error = refusal(tmp_path)
    assert error.happened == f"there is no caption file in {str(tmp_path)!r}"
    assert "captions.csv" in error.fix


def test_empty_text_file_is_refused(tmp_path):
    path = tmp_path / "captions.csv"
    path.touch()
    assert "has no caption table" in refusal(path).happened


def test_photo_as_caption_file_is_refused(tmp_path):
    path = tmp_path / "1.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    assert "is not UTF-8" in refusal(path).happened


def test_hidden_files_of_an_archive_are_no_caption_files(tmp_path):
    put_photos(tmp_path, "1.jpg", "._captions.json")
    put_json(tmp_path / "some.json", coco(("1.jpg", ["A dog"])))
    assert len(load_captions(tmp_path).photos) == 1


# Photos


def put_table(folder: Path, *names: str) -> Path:
    path = folder / "captions.csv"
    folder.mkdir(exist_ok=True)
    path.write_text(
        "photo,caption\n" + "".join(f"{name},A dog\n" for name in names), encoding="utf-8"
    )
    return path


def test_missing_photos_are_kept_out_and_named(tmp_path):
    put_photos(tmp_path, "1.jpg")
    put_table(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    dataset = load_captions(tmp_path)
    assert len(dataset.photos) == 1
    assert dataset.missing == ("2.jpg", "3.jpg")


def test_no_photo_at_all_is_refused(tmp_path):
    error = refusal(put_table(tmp_path, "1.jpg", "2.jpg"))
    assert error.happened.startswith("none of the 2 photos of ")
    assert "'1.jpg' for one" in error.happened


@pytest.mark.parametrize("place", ["", "images", "Images", "photos", "data/set", "images/train"])
@pytest.mark.parametrize("name", ["1.jpg", "a/1.jpg", "a\\1.jpg"])
def test_photos_are_found_in_any_folder_two_levels_down(tmp_path, place, name):
    put_photos(tmp_path / place, "a/1.jpg" if "a" in name else "1.jpg")
    put_table(tmp_path, name)
    assert len(load_captions(tmp_path).photos) == 1


def test_photo_folders_by_the_usual_names_come_first(tmp_path):
    put_photos(tmp_path, "annotated/1.jpg", "images/1.jpg")
    put_table(tmp_path, "1.jpg")
    assert set(contents(load_captions(tmp_path))) == {"images/1.jpg"}


def test_absolute_names_within_the_folder_are_found(tmp_path):
    put_photos(tmp_path, "data/images/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    put_table(tmp_path / "data", str(tmp_path / "link" / "images" / "1.jpg"))
    assert set(contents(load_captions(tmp_path / "link"))) == {"images/1.jpg"}


@pytest.mark.parametrize("name", ["../secret.jpg", "images/../../secret.jpg", "..\\secret.jpg"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    put_photos(tmp_path, "secret.jpg", "data/images/1.jpg")
    put_table(tmp_path / "data", name)
    error = refusal(tmp_path / "data")
    assert f"the photo {name!r} is outside the data set's folder" in error.happened


def test_absolute_names_outside_the_folder_are_refused(tmp_path):
    put_photos(tmp_path, "secret.jpg")
    put_table(tmp_path / "data", str(tmp_path / "secret.jpg"))
    assert "is outside the data set's folder" in refusal(tmp_path / "data").happened


def test_folder_whose_name_only_begins_alike_is_outside(tmp_path):
    put_photos(tmp_path, "data2/1.jpg")
    put_table(tmp_path / "data", "../data2/1.jpg")
    assert "is outside" in refusal(tmp_path / "data").happened


@pytest.mark.parametrize("link", ["images", "images/1.jpg"])
def test_links_that_leave_the_folder_are_refused(tmp_path, link):
    put_photos(tmp_path, "elsewhere/1.jpg")
    put_table(tmp_path / "data", "1.jpg")
    (tmp_path / "data" / link).parent.mkdir(exist_ok=True)
    (tmp_path / "data" / link).symlink_to(tmp_path / link.replace("images", "elsewhere"))
    assert "is outside the data set's folder" in refusal(tmp_path / "data").happened


def test_links_within_the_folder_are_followed(tmp_path):
    put_photos(tmp_path, "store/abc")
    (tmp_path / "1.jpg").symlink_to(tmp_path / "store" / "abc")
    put_table(tmp_path, "1.jpg")
    assert len(load_captions(tmp_path).photos) == 1


# Splits


def test_hash_split_is_near_80_10_10_and_keeps_photos_in_place():
    names = [f"{number}.jpg" for number in range(5000)]
    splits = split_by_name(names, with_test=True)
    counts = Counter(splits.values())
    assert abs(counts["train"] - 4000) < 150
    assert abs(counts["dev"] - 500) < 120
    fewer = split_by_name(reversed(names[:2500]), with_test=True)
    assert all(splits[name] == split for name, split in fewer.items())


@pytest.mark.parametrize("count", range(2, 12))
@pytest.mark.parametrize("with_test", [True, False])
def test_tiny_sets_have_photos_for_train_and_dev(count, with_test):
    for start in range(0, 200, 20):
        names = [f"{number}.jpg" for number in range(start, start + count)]
        splits = set(split_by_name(names, with_test=with_test).values())
        assert {"train", "dev"} <= splits


def test_single_photo_is_for_training():
    assert split_by_name(["a.jpg"], with_test=True) == {"a.jpg": "train"}


def test_split_without_files_says_where_it_comes_from(tmp_path):
    put_photos(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    put_table(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    dataset = load_captions(tmp_path)
    assert dataset.split("dev")
    assert "hash of the names" in dataset.split_source
    assert load_captions(tmp_path) == dataset


def test_unknown_split_name_is_a_usage_error(coco_folder):
    with pytest.raises(UsageError, match="there is no split 'val'"):
        load_captions(coco_folder).split("val")


@pytest.mark.skipif(not FLICKR8K.is_dir(), reason="needs the shared Flickr8k photos")
def test_flickr8k_loads_whole():
    dataset = load_captions(FLICKR8K)
    assert Counter(photo.split for photo in dataset.photos) == {"train": 5997, "dev": 1000}
    assert all(len(photo.captions) == 5 for photo in dataset.photos)
    assert dataset.missing == dataset.unlisted == dataset.without_captions == ()
