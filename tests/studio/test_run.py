"""The room of one run: what it shows is what the record holds, at every step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studio_runs import FINDING, LAYERS, record, started, written

from gatescope.runs.open import open_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folder") / "runs"


@pytest.fixture(scope="module")
def name(folder: Path) -> str:
    return written(folder)


@pytest.fixture(scope="module")
def address(studio_at: Callable[..., str], folder: Path, name: str) -> str:
    return f"{studio_at(folder)}/runs/{name}"


@pytest.fixture
def room(page: Any, address: str) -> Any:
    page.goto(address)
    page.locator(".nicegui-echart svg").first.wait_for()
    return page


def settled(page: Any, wanted: Callable[[], bool]) -> None:
    for _ in range(300):
        if wanted():
            return
        page.wait_for_timeout(100)
    pytest.fail("it never came")


def layers_shown(page: Any) -> dict[str, list[str]]:
    """Rows of the table of layers by the layer."""
    card = page.locator(".gs-card", has_text="Layers at this step")
    rows = [row.inner_text().split("\t") for row in card.locator("tbody tr").all()]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_curves_are_the_metrics(room: Any, folder: Path, name: str, options_of: Any) -> None:
    run = open_run(folder / name)
    for metric in ("batch_loss", "learning_rate", "loss"):
        drawn = options_of(room, f"{metric} at each step")["series"]
        for line in drawn:
            held = run.metric(line["name"])
            assert [x for x, _ in line["data"]] == held["step"].tolist()
            assert [y for _, y in line["data"]] == pytest.approx(held["value"].tolist())
    assert [line["name"] for line in drawn] == ["loss", "val_loss"]


def test_the_heat_map_is_the_probes(room: Any, folder: Path, name: str, options_of: Any) -> None:
    run = open_run(folder / name)
    drawn = options_of(room, "A statistic of each layer at each step")
    layers, steps = drawn["yAxis"]["data"], drawn["xAxis"]["data"]
    assert layers == LAYERS[::-1]
    cells = {(layers[y], steps[x]): value for x, y, value, _ in drawn["series"][0]["data"]}
    for layer in layers:
        held = run.probe(layer, "deviation")
        for step, value in zip(held["step"].tolist(), held["mean"], strict=True):
            assert cells[layer, step] == pytest.approx(np.log10(value), rel=1e-5)


def test_the_slider_moves_every_picture(
    page: Any, address: str, folder: Path, name: str, options_of: Any
) -> None:
    page.goto(f"{address}?step=17")
    page.locator(".nicegui-echart svg").first.wait_for()
    page.locator("[aria-label='Step of training'] [tabindex]").focus()
    page.keyboard.press("PageDown")
    settled(page, lambda: page.url.endswith("step=7"))
    settled(page, lambda: page.locator(".gs-moment .value").first.inner_text() == "7")
    probed = open_run(folder / name).probed_at(7)
    assert set(probed["step"]) == {5}
    wanted = {
        layer: [f"{probed[statistic][row]:.4g}" for statistic in
                ("deviation", "gradient", "update_ratio", "dead", "saturated", "zeros")]
        for row, layer in enumerate(probed["layer"])
    }  # fmt: skip
    settled(page, lambda: layers_shown(page) == wanted)
    settled(page, lambda: page.evaluate(_MARKS) == [[7], [7], [7], ["5"], [7]])


_MARKS = """() => [...document.querySelectorAll('.nicegui-echart')].map(each =>
  getElement(Number(each.id.slice(1))).chart.getOption().series[0].markLine.data.map(
    one => one.xAxis))"""


def test_the_address_holds_what_is_looked_at(
    page: Any, address: str, folder: Path, options_of: Any
) -> None:
    page.goto(f"{address}?step=7&statistic=dead&layer=logits&from=50&to=99")
    page.locator(".nicegui-echart svg").first.wait_for()
    drawn = options_of(page, "A statistic of each layer at each step")
    assert drawn["xAxis"]["data"] == list(range(50, 100, 5))
    steps = [x for x, _ in options_of(page, "batch_loss at each step")["series"][0]["data"]]
    assert steps == list(range(50, 100))
    assert page.locator(".gs-moment .value").first.inner_text() == "7"
    assert "50 – 99" in page.locator(".gs-moment").inner_text()


@pytest.mark.parametrize(
    "query", ["step=-1", "step=99999999999999999999", "step=²", "from=9&to=3", "from=1",
              "statistic=<b>&layer=<b>", "step=1e5", "from=900&to=1000"],
)  # fmt: skip
def test_an_address_that_cannot_be_shows_what_can(page: Any, address: str, query: str) -> None:
    page.goto(f"{address}?{query}")
    page.get_by_text("Configuration").wait_for()


def test_a_finding_is_shown_with_evidence_and_diff(room: Any) -> None:
    shown = room.locator(".gs-card", has_text=FINDING["cause"])
    told = shown.inner_text()
    for part in ("symptom", "remedy", "proof", "diff"):
        assert FINDING[part] in told
    assert FINDING["evidence"][0] in told and "train.py:8" in told
    assert shown.locator("figure > svg, figure .chart svg").count() == 1


def test_a_statistic_and_a_layer_are_chosen(room: Any) -> None:
    room.get_by_label("Shown", exact=True).click()
    room.get_by_role("option", name="share of dead units").click()
    settled(room, lambda: "statistic=dead" in room.url)
    room.get_by_label("Layer", exact=True).click()
    room.get_by_role("option", name="logits").click()
    settled(room, lambda: "layer=logits" in room.url)
    assert "statistic=dead" in room.url


def test_a_run_is_followed_until_it_ends(
    page: Any, studio_at: Callable[..., str], folder: Path, options_of: Any
) -> None:
    with started(folder, "growing") as writer:
        writer.flush()
        page.goto(f"{studio_at(folder)}/runs/{writer.folder.name}")
        page.get_by_text("Nothing has been recorded yet.").wait_for()
        record(writer, 0, 60)
        writer.flush()
        page.get_by_label("batch_loss at each step").wait_for()
        page.get_by_text("running").wait_for()
        record(writer, 60, 120)
        writer.flush()
        settled(page, lambda: page.locator(".gs-moment .value").first.inner_text() == "119")
    page.get_by_text("finished").wait_for()
    assert len(options_of(page, "batch_loss at each step")["series"][0]["data"]) == 120


def test_a_run_that_is_deleted_while_open_is_told(
    page: Any, studio_at: Callable[..., str], folder: Path
) -> None:
    name = written(folder, "short-lived", 20)
    page.goto(f"{studio_at(folder)}/runs/{name}")
    page.locator(".nicegui-echart svg").first.wait_for()
    shutil.rmtree(folder / name)
    page.get_by_text(f"There is no run '{name}'").wait_for()
    page.get_by_role("link", name="All runs").click()
    page.wait_for_url("**/runs")


def test_a_damaged_run_is_told(page: Any, studio_at: Callable[..., str], folder: Path) -> None:
    name = written(folder, "damaged", 20)
    (folder / name / "run.sqlite").write_bytes(b"<script>alert(1)</script>" * 100)
    page.goto(f"{studio_at(folder)}/runs/{name}")
    page.get_by_role("link", name="All runs").wait_for()


def test_looks(room: Any, accessible: Any, fits: Any) -> None:
    accessible(room)
    room.emulate_media(color_scheme="dark")
    room.wait_for_timeout(500)
    accessible(room)
    fits(room)
