"""`gatescope caption`: results stream, failures do not stop them, nothing done is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gatescope.caption import captioner as module
from gatescope.caption.caption import Caption, PhotoFailure, Word
from gatescope.caption.faithfulness import Proof
from gatescope.data.photos import read_photo
from gatescope.errors import PhotoError


def said(path: Path, *, sure: bool = True, proof: Proof | None = None) -> Caption:
    words = (
        Word("a", (0.0, 0.0, 1.0, 1.0), 0.1, -0.1, 3.0, False),
        Word("dog", (0.1, 0.2, 0.5, 0.6), 0.7, -0.5, 1.0, True, proof),
    )
    return Caption(path, "a dog", words, 0.5, sure, ("a cat",))


class TellTale:
    """Stands in for the captioner: reads every photo, says the same of each, keeps the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def caption_all(
        self, paths: list[Path], *, beam: int, prove: bool
    ) -> Iterator[Caption | PhotoFailure]:
        for path in paths:
            try:
                yield self.caption(path, beam=beam, prove=prove, boxes=None)
            except PhotoError as error:
                yield PhotoFailure(path, error)

    def caption(self, path: Path, *, beam: int, prove: bool, boxes: object) -> Caption:
        read_photo(path)
        self.calls.append((path.name, (beam, prove, boxes)))
        proof = Proof(before=0.6, masked=0.2, random=0.5) if prove else None
        return said(path, sure="unsure" not in path.name, proof=proof)


@pytest.fixture
def captioner(monkeypatch: pytest.MonkeyPatch) -> TellTale:
    told = TellTale()
    monkeypatch.setattr(module, "load_captioner", lambda bundle: told)
    return told


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(path)
        return path.relative_to(tmp_path)

    return make


def test_each_photo_gets_a_line(gatescope, captioner, photo) -> None:
    photo("dog.jpg"), photo("more/cat.png"), photo("more/unsure.png")
    assert gatescope("caption", "dog.jpg", "more") == (
        0,
        "dog.jpg: a dog\nmore/cat.png: a dog\nmore/unsure.png: a dog  (not sure)\n",
        "",
    )


def test_beam_and_proof_reach_the_captioner(gatescope, captioner, photo) -> None:
    answer = gatescope("caption", photo("dog.jpg"), "--beam", 5, "--prove")
    assert captioner.calls == [("dog.jpg", (5, True, None))]
    line = next(line for line in answer.out.splitlines() if line.strip().startswith("dog "))
    assert line.split() == ["dog", "0.607", "0.200", "0.500", "yes"]


def test_json_is_one_object_a_line(gatescope, captioner, photo) -> None:
    answer = gatescope("caption", "--json", photo("a.jpg"), photo("unsure.jpg"))
    first, second = map(json.loads, answer.out.splitlines())
    assert (first["photo"], first["text"], first["sure"]) == ("a.jpg", "a dog", True)
    assert first["words"][1]["region"] == [0.1, 0.2, 0.5, 0.6]
    assert second["sure"] is False


def test_a_bad_photo_is_told_and_the_others_are_captioned(gatescope, captioner, photo) -> None:
    photo("a.jpg"), photo("z.jpg")
    Path("middle.jpg").write_bytes(b"\xff\xd8\xff and no more")
    answer = gatescope("caption", ".")
    assert answer.code == 1
    assert answer.out.splitlines() == ["a.jpg: a dog", "z.jpg: a dog"]
    assert answer.err.startswith("Error: ")
    assert "middle.jpg" in answer.err
    assert "Traceback" not in answer.err


def test_a_missing_photo_is_told_and_the_others_are_captioned(gatescope, captioner, photo) -> None:
    answer = gatescope("caption", "absent.jpg", photo("a.jpg"))
    assert (answer.code, answer.out) == (1, "a.jpg: a dog\n")
    assert answer.err.startswith("Error: there is no 'absent.jpg'\n")


def test_a_folder_without_photos_is_told(gatescope, no_engine, tmp_path: Path) -> None:
    answer = gatescope("caption", tmp_path)
    assert (answer.code, answer.out) == (1, "")
    assert "expected: " in answer.err


def test_a_page_shows_what_was_captioned(gatescope, captioner, photo) -> None:
    assert gatescope("caption", photo("a.jpg"), "--html", "out.html").code == 0
    page = Path("out.html").read_text("utf-8")
    assert "a.jpg" in page
    assert "dog" in page


def test_an_interruption_leaves_a_page_of_what_is_done(
    gatescope, captioner, photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(paths: list[Path], **_: object) -> Iterator[Caption]:
        yield said(paths[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(captioner, "caption_all", interrupted)
    answer = gatescope("caption", photo("a.jpg"), photo("b.jpg"), "--html", "out.html")
    assert (answer.code, answer.out) == (130, "a.jpg: a dog\n")
    assert "a.jpg" in Path("out.html").read_text("utf-8")


def test_names_cannot_steer_the_terminal_nor_end_the_run(gatescope, captioner, photo) -> None:
    photo("\x1b[2J.jpg"), photo("[bold].jpg")
    os.rename(photo("a.jpg"), os.fsdecode(b"\xff.jpg"))
    answer = gatescope("caption", ".")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert "[bold].jpg: a dog" in answer.out
    assert len(answer.out.splitlines()) == 3
    assert len(gatescope("caption", ".", "--json").out.splitlines()) == 3


def instances(photo: Path, box: list[float]) -> None:
    content = {
        "images": [{"id": 1, "file_name": photo.name, "width": 30, "height": 20}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": box}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    Path("boxes.json").write_text(json.dumps(content))


def test_boxes_of_ones_own_are_used_for_their_photo_alone(gatescope, captioner, photo) -> None:
    instances(photo("a.jpg"), [15, 5, 15, 10])
    answer = gatescope("caption", "a.jpg", photo("b.jpg"), "--boxes", "boxes.json")
    assert answer.code == 0
    assert captioner.calls == [
        ("a.jpg", (3, False, [[0.25, 0.5, 0.75, 1.0]])),
        ("b.jpg", (3, False, None)),
    ]


def test_boxes_do_not_stop_at_a_bad_photo(gatescope, captioner, photo) -> None:
    instances(photo("a.jpg"), [15, 5, 15, 10])
    Path("bad.jpg").touch()
    answer = gatescope("caption", "bad.jpg", "a.jpg", "--boxes", "boxes.json")
    assert (answer.code, answer.out) == (1, "a.jpg: a dog\n")


def test_boxes_of_other_photos_are_told(gatescope, no_engine, photo) -> None:
    instances(photo("a.jpg"), [15, 5, 15, 10])
    answer = gatescope("caption", photo("b.jpg"), "--boxes", "boxes.json")
    assert answer.code == 2
    assert answer.err.splitlines() == [
        "Error: 'boxes.json' has boxes for none of these photos",
        "  expected: one of its 1 photos with boxes, which lie in its folder",
        "  fix: name photos that the file lists",
    ]
