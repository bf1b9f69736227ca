"""The room of runs: all that a folder holds; comparing, renaming, deleting."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studio_runs import started, written

from gatescope.runs.compare import differences
from gatescope.runs.open import open_run


@pytest.fixture(scope="module")
def base(server_at: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A studio of this file's own, for its runs are counted."""
    return server_at(tmp_path_factory.mktemp("own") / "runs")


@pytest.fixture
def folder(base: Any) -> Path:
    """Its folder, which is not there yet."""
    shutil.rmtree(base.folder, ignore_errors=True)
    return base.folder


@pytest.fixture
def names(folder: Path) -> list[str]:
    """Three runs."""
    return three(folder)


def three(folder: Path) -> list[str]:
    return [written(folder, name, 60, rate) for name, rate in
            (("first", 0.1), ("second", 0.2), ("third", 0.3))]  # fmt: skip


@pytest.fixture
def room(page: Any, base: Any, names: list[str]) -> Any:
    page.goto(f"{base.address}/runs")
    page.get_by_role("link", name=names[0]).wait_for()
    return page


def choose(page: Any, *names: str) -> None:
    for name in names:
        page.locator("tr", has=page.get_by_role("link", name=name)).get_by_role("checkbox").click()


def test_a_folder_that_is_not_there_says_what_fills_it_and_shows_it(
    page: Any, base: Any, folder: Path
) -> None:
    page.goto(f"{base.address}/runs")
    page.get_by_text("gatescope train hidden").wait_for()
    for name in three(folder):
        page.get_by_role("link", name=name).wait_for()
    assert page.get_by_text("gatescope train hidden").is_hidden()


def test_chosen_runs_are_compared(
    room: Any, folder: Path, names: list[str], looks_well: Any
) -> None:
    """In the order in which they were chosen, also from the address; and the page looks well."""
    choose(room, names[1], names[0])
    room.get_by_text(f"Settings of {names[1]} and {names[0]}").wait_for()
    first, second = (open_run(folder / name).configuration for name in (names[1], names[0]))
    found = differences(first, second)
    assert found
    for one in found:
        row = room.locator("tr", has_text=one.name).last
        assert str(one.first) in row.inner_text() and str(one.second) in row.inner_text()
    room.wait_for_url(re.compile(f"compare={names[1]}%2C{names[0]}"))
    room.reload()
    room.get_by_text(f"Settings of {names[1]} and {names[0]}").wait_for()
    looks_well(room)


def test_a_run_is_renamed_and_runs_are_filtered(room: Any, folder: Path, names: list[str]) -> None:
    """A name that is taken, or none, is told."""
    choose(room, names[0])
    for bad in (names[1], "..", ""):
        rename(room, bad)
        room.get_by_text("cannot be called").last.wait_for()
        room.get_by_role("dialog").wait_for(state="hidden")
    assert (folder / names[0]).exists()
    rename(room, "better <b>name</b>")
    room.get_by_role("link", name=re.compile("^better")).wait_for()
    assert not (folder / names[0]).exists()
    room.get_by_label("Filter").fill("second")
    room.get_by_role("link", name=names[2]).wait_for(state="hidden")
    assert room.get_by_role("link", name=names[1]).is_visible()


def rename(page: Any, name: str) -> None:
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()


def test_deleting_is_asked_twice(room: Any, folder: Path, names: list[str]) -> None:
    choose(room, names[0], names[2])
    room.get_by_role("button", name="Delete").click()
    dialog = room.get_by_role("dialog")
    sure = dialog.get_by_role("button", name="Delete")
    assert sure.is_disabled() and names[0] in dialog.inner_text()
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="hidden")
    assert (folder / names[0]).exists()
    room.get_by_role("button", name="Delete").click()
    dialog.get_by_role("checkbox").click()
    sure.click()
    room.get_by_role("link", name=names[0]).wait_for(state="hidden")
    assert sorted(path.name for path in folder.iterdir()) == [names[1]]


def test_a_run_that_goes_on_is_listed_as_it_grows_and_not_deleted(
    room: Any, folder: Path, names: list[str]
) -> None:
    with started(folder, "growing") as writer:
        writer.metrics(0, 0, {"loss": 1.0})
        writer.flush()
        name = writer.folder.name
        row = room.locator("tr", has=room.get_by_role("link", name=name))
        row.get_by_text("running").wait_for()
        for step in range(1, 8):
            writer.metrics(step, 0, {"loss": 1.0})
        writer.flush()
        row.get_by_text("7", exact=True).wait_for()
        choose(room, name)
        room.get_by_role("button", name="Delete").click()
        room.get_by_role("dialog").get_by_role("checkbox").click()
        room.get_by_role("dialog").get_by_role("button", name="Delete").click()
        room.get_by_text("is being written by a training").wait_for()
        assert writer.folder.exists()
    row.get_by_text("finished").wait_for()


def test_links_out_of_the_folder_are_not_followed(
    page: Any, base: Any, folder: Path, names: list[str], tmp_path: Path
) -> None:
    outside = written(tmp_path, "outside", 10)
    (folder / "link").symlink_to(tmp_path / outside)
    (folder / "inner").mkdir()
    (folder / "inner" / "run.sqlite").symlink_to(tmp_path / outside / "run.sqlite")
    page.goto(f"{base.address}/runs")
    page.get_by_role("link", name=names[0]).wait_for()
    assert page.get_by_role("link", name=re.compile("^(link|inner)")).count() == 0
    for name in ("link", "inner"):
        page.goto(f"{base.address}/runs/{name}")
        page.get_by_text(f"There is no run '{name}'").wait_for()
