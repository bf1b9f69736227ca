"""COCO instances files, against boxes worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from gatescope.data.boxes import load_boxes
from gatescope.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "boxes"


def instances(*boxes: dict[str, object]) -> dict[str, object]:
    return {
        "images": [
            {"id": 7, "file_name": "1.jpg", "width": 200, "height": 100},
            {"id": 8, "file_name": "2.jpg", "width": 50, "height": 50},
        ],
        "annotations": [{"image_id": 7, "category_id": 3, **box} for box in boxes],
        "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "person"}],
    }


def put(folder: Path, content: object, *photos: str) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for name in photos:
        (folder / "images" / name).touch()
    path = folder / "instances.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        load_boxes(path)
    assert caught.value.expected
    assert caught.value.fix
    return caught.value


def test_boxes_are_relative_with_the_top_left_corner_first(tmp_path):
    content = instances({"bbox": [20, 10, 100, 30]}, {"bbox": [0, 0, 200, 100], "category_id": 1})
    dataset = load_boxes(put(tmp_path, content, "1.jpg", "2.jpg"))
    first, second = dataset.photos
    assert first.path == tmp_path / "images" / "1.jpg"
    assert first.boxes.dtype == np.float32
    np.testing.assert_allclose(first.boxes, [[0.1, 0.1, 0.4, 0.6], [0, 0, 1, 1]])
    assert [dataset.categories[label] for label in first.labels] == ["dog", "person"]
    assert dataset.categories == ("person", "dog")
    assert second.boxes.shape == (0, 4)
    assert second.labels.shape == (0,)


def test_boxes_are_clipped_to_the_photo(tmp_path):
    content = instances({"bbox": [-20, 50, 500, 100]})
    dataset = load_boxes(put(tmp_path, content, "1.jpg", "2.jpg"))
    np.testing.assert_array_equal(dataset.photos[0].boxes, [[0.5, 0, 1, 1]])


def test_crowds_and_degenerate_boxes_are_dropped_and_counted(tmp_path):
    content = instances(
        {"bbox": [0, 0, 50, 50]},
        {"bbox": [0, 0, 50, 50], "iscrowd": 1},
        {"bbox": [10, 10, 0, 50]},
        {"bbox": [10, 10, 50, -5]},
        {"bbox": [250, 10, 50, 50]},
        {"bbox": [float("nan"), 10, 50, 50]},
    )
    dataset = load_boxes(put(tmp_path, content, "1.jpg", "2.jpg"))
    np.testing.assert_array_equal(dataset.photos[0].boxes, [[0, 0, 0.5, 0.25]])
    assert (dataset.crowds, dataset.degenerate) == (1, 4)
    assert len(dataset.photos[0].labels) == 1


def test_missing_photos_are_named(tmp_path):
    dataset = load_boxes(put(tmp_path, instances(), "2.jpg"))
    assert dataset.missing == ("1.jpg",)
    assert len(dataset.photos) == 1


def test_folder_with_an_instances_file_is_enough(tmp_path):
    path = put(tmp_path, instances(), "1.jpg")
    assert load_boxes(tmp_path).photos[0].path == load_boxes(path).photos[0].path
    (tmp_path / "annotations").mkdir()
    path.rename(tmp_path / "annotations" / "instances_train2017.json")
    assert load_boxes(tmp_path).root == tmp_path


def test_no_photo_at_all_is_refused(tmp_path):
    error = refusal(put(tmp_path, instances()))
    assert error.happened.startswith("none of the 2 photos of ")


def test_photo_outside_the_folder_is_refused(tmp_path):
    content = instances()
    content["images"][0]["file_name"] = "../../etc/passwd.jpg"
    assert "is outside the data set's folder" in refusal(put(tmp_path, content, "2.jpg")).happened


def test_caption_file_is_refused(tmp_path):
    content = {"images": [], "annotations": [{"image_id": 1, "caption": "A dog"}]}
    assert (
        "wrong entries, the first at annotations.0.category_id"
        in refusal(put(tmp_path, content)).happened
    )


def test_undefined_category_is_refused(tmp_path):
    content = instances({"bbox": [0, 0, 9, 9], "category_id": 55})
    assert (
        "category_id 55, which it does not define"
        in refusal(put(tmp_path, content, "1.jpg")).happened
    )


def test_photo_without_width_is_refused(tmp_path):
    content = instances()
    content["images"][1]["width"] = 0
    error = refusal(put(tmp_path, content, "1.jpg", "2.jpg"))
    assert error.expected == "images.1.width: Input should be greater than 0"


def test_missing_file_and_folder_without_one_are_refused(tmp_path):
    assert refusal(tmp_path / "no.json").happened == f"no {str(tmp_path / 'no.json')!r}"
    assert refusal(tmp_path).happened == f"{str(tmp_path)!r} has 0 instances*.json"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared COCO photos")
def test_shared_coco_photos_load_whole():
    dataset = load_boxes(SHARED)
    boxes = np.concatenate([photo.boxes for photo in dataset.photos])
    assert (len(dataset.photos), len(boxes), len(dataset.categories)) == (128, 929, 80)
    assert boxes.min() >= 0
    assert boxes.max() <= 1
