"""What a folder of runs holds, and how a run leaves it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from written_runs import fill, record

from gatescope.errors import RunError
from gatescope.runs.folder import check_deletable, delete_run, list_runs
from gatescope.runs.record import RunWriter


def ended(root: Path, name: str) -> RunWriter:
    with record(root, name) as writer:
        fill(writer)
    return writer


def test_runs_are_listed_and_what_is_none_is_said(tmp_path: Path) -> None:
    names = [ended(tmp_path, name).folder.name for name in ("a", "b")]
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "run.sqlite").write_text("nonsense")
    (tmp_path / "captioner" / "bundle").mkdir(parents=True)
    (tmp_path / "captioner" / "recipe.json").touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file").touch()
    found = list_runs(tmp_path)
    assert sorted(run.run for run in found.runs) == sorted(names)
    assert found.runs[0].started >= found.runs[1].started
    assert list(found.unreadable) == [damaged]
    assert found.others == [tmp_path / "captioner"]


def test_a_run_whose_rows_are_damaged_does_not_end_the_list(tmp_path: Path) -> None:
    whole, damaged = ended(tmp_path, "whole"), ended(tmp_path, "damaged")
    connection = sqlite3.connect(damaged.folder / "run.sqlite")
    connection.execute("UPDATE metric_chunks SET numbers = x'00'")
    connection.commit()
    connection.close()
    found = list_runs(tmp_path)
    assert [run.run for run in found.runs] == [whole.folder.name]
    assert "cannot be read" in found.unreadable[damaged.folder]


def test_a_run_is_deleted_with_all_in_its_folder(tmp_path: Path) -> None:
    gone, stays = ended(tmp_path, "gone"), ended(tmp_path, "stays")
    (gone.folder / "checkpoints").mkdir()
    (gone.folder / "checkpoints" / "1.keras").touch()
    delete_run(gone.folder, tmp_path)
    assert list(tmp_path.iterdir()) == [stays.folder]


@pytest.mark.parametrize("version", [b"\0\0\0\1", b"\0\0\0\x09"])
def test_a_damaged_run_and_one_of_another_version_can_be_deleted(
    tmp_path: Path, version: bytes
) -> None:
    folder = ended(tmp_path, "damaged").folder
    content = (folder / "run.sqlite").read_bytes()
    (folder / "run.sqlite").write_bytes(content[:60] + version + content[64:3000])
    delete_run(folder, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_running_one_is_refused(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        with pytest.raises(RunError, match="is being written by a training") as caught:
            delete_run(writer.folder, tmp_path)
        assert caught.value.fix == "end the training first"
    assert (writer.folder / "run.sqlite").exists()


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 100])
def test_what_is_no_run_is_refused(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "captioner"
    folder.mkdir()
    if content is not None:
        (folder / "run.sqlite").write_bytes(content)
    with pytest.raises(RunError, match="is no run"):
        delete_run(folder, tmp_path)
    assert folder.exists()


def test_what_stands_elsewhere_is_refused(tmp_path: Path) -> None:
    root, other = tmp_path / "runs", tmp_path / "other"
    root.mkdir()
    elsewhere = ended(other, "a").folder
    (root / "link").symlink_to(elsewhere)
    for folder in (elsewhere, root / "link", root / ".." / "other" / elsewhere.name):
        with pytest.raises(RunError, match="does not stand in"):
            check_deletable(folder, root)
    assert elsewhere.exists()


def test_runs_within_folders_are_listed_and_deleted(tmp_path: Path) -> None:
    two = ended(tmp_path / "hidden-1" / "two", "fit").folder
    ended(tmp_path / "a" / "b" / "c" / "d", "too deep")
    (tmp_path / "hidden-1" / "again").symlink_to(tmp_path)
    (found,) = list_runs(tmp_path).runs
    assert tmp_path / found.run == two
    delete_run(tmp_path / "hidden-1" / ".." / found.run, tmp_path)
    assert not two.exists() and list_runs(tmp_path).runs == []
