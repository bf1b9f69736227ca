"""Bundles in a folder of runs."""

from __future__ import annotations

from pathlib import Path

from gatescope.caption.folders import find_bundles


def bundle(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")
    return folder


def test_bundles_of_runs_and_bundles_alone_are_found_by_their_run(tmp_path):
    found = {
        "mine": bundle(tmp_path / "mine" / "bundle"),
        "deep/one": bundle(tmp_path / "deep" / "one" / "bundle"),
        "copied": bundle(tmp_path / "copied"),
    }
    (tmp_path / "other").mkdir()
    assert find_bundles(tmp_path) == dict(sorted(found.items()))


def test_a_folder_that_is_not_there_holds_none(tmp_path):
    assert find_bundles(tmp_path / "nothing") == {}


def test_unfinished_hidden_and_foreign_ones_are_left_out(tmp_path):
    runs, elsewhere = tmp_path / "runs", bundle(tmp_path / "elsewhere")
    bundle(runs / "mine" / "bundle.unfinished")
    bundle(runs / "mine" / "bundle.old")
    bundle(runs / ".hidden" / "bundle")
    (runs / "linked").mkdir()
    (runs / "linked" / "bundle").symlink_to(elsewhere)
    (runs / "away").symlink_to(elsewhere)
    assert find_bundles(runs) == {}


def test_the_folder_itself_is_no_run(tmp_path):
    (tmp_path / "bundle.json").write_text("{}")
    bundle(tmp_path / "bundle")
    assert find_bundles(tmp_path) == {}
