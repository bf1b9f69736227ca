"""Paths that a user names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatescope.cli.files import existing, writable
from gatescope.errors import UsageError


def test_a_path_that_exists_is_returned(tmp_path: Path) -> None:
    assert existing(tmp_path, "a folder") == tmp_path


def test_a_missing_path_is_answered_by_names_like_it(tmp_path: Path) -> None:
    (tmp_path / "flickr8k").mkdir()
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UsageError) as caught:
        existing(tmp_path / "flicker8k", "a data set")
    assert str(caught.value).splitlines() == [
        f"there is no {str(tmp_path / 'flicker8k')!r}",
        "  expected: a data set",
        f"  fix: did you mean {str(tmp_path / 'flickr8k')!r}?",
    ]


def test_of_many_names_like_it_two_are_offered(tmp_path: Path) -> None:
    for place in range(9):
        (tmp_path / f"photo{place}.jpg").touch()
    with pytest.raises(UsageError) as caught:
        existing(tmp_path / "photo77.jpg", "a photo")
    assert caught.value.fix.count(".jpg") == 2


def test_names_that_share_little_but_their_ending_are_not_offered(tmp_path: Path) -> None:
    for name in ("osexit.py", "syn.py", "sub.py"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match="check the path; this folder is"):
        existing(tmp_path / "nosuch.py", "a script")


@pytest.mark.parametrize("path", ["zzz", "no/where/at/all"])
def test_a_missing_path_like_no_other_is_answered_by_the_present_folder(path: str) -> None:
    with pytest.raises(UsageError, match="check the path; this folder is"):
        existing(Path(path), "a data set")


def test_a_new_file_in_a_folder_that_exists_is_writable(tmp_path: Path) -> None:
    assert writable(tmp_path / "new.html") == tmp_path / "new.html"


@pytest.mark.parametrize(
    ("name", "happened"), [("", "is a folder"), ("no/new.html", "there is no folder")]
)
def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, name: str, happened: str) -> None:
    with pytest.raises(UsageError, match=happened):
        writable(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_protected_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="is write-protected"):
        writable(tmp_path / "new.html")
