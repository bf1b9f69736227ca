"""A run as one file: the numbers of the room, and no server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_runs import FINDING, STATISTICS, started, written
from typer.testing import CliRunner

from gatescope.cli.app import app
from gatescope.runs.open import open_run
from gatescope.studio import pictures
from gatescope.studio.twin import run_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    return root / written(root)


@pytest.fixture(scope="module")
def file(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sent") / "report.html"
    path.write_text(run_page(open_run(folder)), "utf-8")
    return path


@pytest.fixture
def opened(page: Any, file: Path) -> Iterator[Any]:
    page.context.set_offline(True)
    page.goto(file.as_uri())
    page.locator(".picture svg").first.wait_for()
    yield page
    page.context.set_offline(False)


def told(file: Path) -> Any:
    return json.loads(re.search(r'id="told">(.*?)</script>', file.read_text("utf-8"))[1])


def test_it_holds_what_the_room_draws(file: Path, folder: Path) -> None:
    held, run = told(file)["charts"], open_run(folder)
    for metric, options in pictures.metrics(run).items():
        for ours, theirs in zip(
            held[f"metric {metric}"][metric]["series"], options["series"], strict=True
        ):
            assert ours["data"] == [pytest.approx(one, rel=1e-5) for one in theirs["data"]]
    assert set(held["heat"]) == set(pictures.shown_statistics(run)) < set(STATISTICS)
    for name, options in held["heat"].items():
        cells = pictures.heat_map(run, name)["series"][0]["data"]
        assert options["series"][0]["data"] == [pytest.approx(one, rel=1e-5) for one in cells]


def test_it_draws_every_picture_without_a_server(
    opened: Any, folder: Path, looks_well: Any
) -> None:
    """The slider moves all of them; a statistic and a layer are chosen; and it looks well."""
    assert opened.locator(".picture svg").count() == opened.locator(".picture").count() == 5
    for part in (FINDING["cause"], "+Adam(0.001)"):
        assert part in opened.inner_text("main")
    opened.get_by_label("Step of training").focus()
    opened.keyboard.press("Home")
    for _ in range(12):
        opened.keyboard.press("ArrowRight")
    assert opened.locator("#at").inner_text() == "12"
    assert opened.locator("#moment").inner_text() == "10"
    assert all(opened.evaluate(_MARKS))
    rows = pictures.layers_at(open_run(folder), 10)
    shown = [row.inner_text().split("\t") for row in opened.locator("#layers tbody tr").all()]
    assert shown == [list(row.values()) for row in rows]
    before = [opened.evaluate(_DRAWN, name) for name in ("heat", "layer")]
    opened.get_by_label("Shown").select_option("dead")
    opened.get_by_label("Layer", exact=True).select_option("logits")
    assert all(
        opened.evaluate(_DRAWN, name) != one
        for name, one in zip(("heat", "layer"), before, strict=True)
    )
    assert opened.locator(".picture svg").count() == 5
    looks_well(opened)


_MARKS = """() => [...document.querySelectorAll('.picture')].map(
  place => place.querySelectorAll('path[stroke="#d9702b"]').length)"""
_DRAWN = "name => document.querySelector(`[data-charts=${name}] svg`).innerHTML"


def test_no_text_of_a_run_becomes_markup(page: Any, tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    with started(tmp_path, "bad") as writer:
        writer.fact("name", bad)
        for step in range(3):
            writer.metrics(step, 0, {bad: float(step), "loss": float("nan")})
        writer.probes([0, 1], [bad], STATISTICS, [[[1.0] * len(STATISTICS)]] * 2)
    path = tmp_path / "bad.html"
    path.write_text(run_page(open_run(writer.folder)), "utf-8")
    page.goto(path.as_uri())
    page.locator(".picture svg").first.wait_for()
    assert page.locator("img").count() == 0
    assert page.title() == bad


def test_a_run_without_anything_is_a_page(page: Any, tmp_path: Path) -> None:
    with started(tmp_path, "empty") as writer:
        pass
    path = tmp_path / "empty.html"
    path.write_text(run_page(open_run(writer.folder)), "utf-8")
    page.goto(path.as_uri())
    page.get_by_text("No metric was recorded.").wait_for()


def asked(*words: str) -> Any:
    return CliRunner().invoke(app, ["report", *words])


def test_the_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = asked(str(folder), "--html")
    assert done.exit_code == 0 and f"{folder.name}.html" in done.output
    assert (tmp_path / f"{folder.name}.html").read_text().startswith("<!doctype html>")
    assert asked(str(folder), "--html", "other.html").exit_code == 0
    assert (tmp_path / "other.html").exists()
    for words, said in (
        ((str(folder),), "there is no format"),
        (("nowhere", "--html"), "there is no 'nowhere'"),
        ((str(folder), "--html", "no/such/file.html"), "cannot be written"),
    ):
        assert said in str(asked(*words).exception)


def test_it_names_echarts_and_is_one_file(file: Path) -> None:
    text = file.read_text("utf-8")
    assert "Apache License 2.0" in text
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!data:)', markup)
    assert len(text) < 2_500_000
