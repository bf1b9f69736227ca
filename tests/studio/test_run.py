"""The room of one run: what it shows is what the record holds, at every step."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from polling import settled
from studio_runs import FINDING, LAYERS, record, started, written

from gatescope.runs.open import open_run
from gatescope.studio.rooms.run import Asked, asked_in

HEAT = "A statistic of each layer at each step"


@pytest.fixture(scope="module")
def folder(studio: Any) -> Path:
    return studio.folder


@pytest.fixture(scope="module")
def name(folder: Path) -> str:
    return written(folder)


@pytest.fixture(scope="module")
def address(studio: Any, name: str) -> str:
    return f"{studio.address}/runs/{name}"


def opened(page: Any, address: str) -> None:
    page.goto(address)
    page.locator(".nicegui-echart svg").first.wait_for()


def layers_shown(page: Any) -> dict[str, list[str]]:
    """Rows of the table of layers by the layer."""
    card = page.locator(".gs-card", has_text="Layers at this step")
    rows = [row.inner_text().split("\t") for row in card.locator("tbody tr").all()]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_what_is_shown_is_what_was_recorded(
    page: Any, address: str, folder: Path, name: str, options_of: Any
) -> None:
    """Curves, the heat map, a finding with its evidence; then another statistic and layer."""
    opened(page, address)
    run = open_run(folder / name)
    for metric in ("batch_loss", "learning_rate", "loss"):
        drawn = options_of(page, f"{metric} at each step")["series"]
        for line in drawn:
            held = run.metric(line["name"])
            assert [x for x, _ in line["data"]] == held["step"].tolist()
            assert [y for _, y in line["data"]] == pytest.approx(held["value"].tolist())
    assert [line["name"] for line in drawn] == ["loss", "val_loss"]
    expect_heat(options_of(page, HEAT), run, "deviation", np.log10)
    shown = page.locator(".gs-card", has_text=FINDING["cause"])
    told = shown.inner_text()
    for part in ("symptom", "remedy", "proof", "diff"):
        assert FINDING[part] in told
    assert FINDING["evidence"][0] in told and "train.py:8" in told
    assert shown.locator("figure > svg, figure .chart svg").count() == 1
    page.get_by_label("Shown", exact=True).click()
    page.get_by_role("option", name="share of dead units").click()
    page.wait_for_url("**statistic=dead**")
    page.get_by_label("Layer", exact=True).click()
    page.get_by_role("option", name="logits").click()
    page.wait_for_url("**statistic=dead&layer=logits")
    expect_heat(options_of(page, HEAT), run, "dead", np.asarray)


def expect_heat(drawn: Any, run: Any, statistic: str, colour: Any) -> None:
    layers, steps = drawn["yAxis"]["data"], drawn["xAxis"]["data"]
    assert layers == LAYERS[::-1]
    cells = {(layers[y], steps[x]): value for x, y, value, _ in drawn["series"][0]["data"]}
    for layer in layers:
        held = run.probe(layer, statistic)
        for step, value in zip(held["step"].tolist(), held["mean"], strict=True):
            assert cells[layer, step] == pytest.approx(colour(value), rel=1e-5)


def test_the_slider_moves_every_picture(page: Any, address: str, folder: Path, name: str) -> None:
    opened(page, f"{address}?step=17")
    page.locator("[aria-label='Step of training'] [tabindex]").focus()
    page.keyboard.press("PageDown")
    page.wait_for_url("**step=7")
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
    page: Any, address: str, options_of: Any, looks_well: Any
) -> None:
    """And the page looks well."""
    opened(page, f"{address}?step=7&statistic=dead&layer=logits&from=50&to=99")
    assert options_of(page, HEAT)["xAxis"]["data"] == list(range(50, 100, 5))
    steps = [x for x, _ in options_of(page, "batch_loss at each step")["series"][0]["data"]]
    assert steps == list(range(50, 100))
    assert page.locator(".gs-moment .value").first.inner_text() == "7"
    assert "50 – 99" in page.locator(".gs-moment").inner_text()
    looks_well(page)


@pytest.mark.parametrize(
    "query", [{"step": "-1"}, {"step": "9" * 20}, {"step": "²"}, {"step": "1e5"},
              {"from": "9", "to": "3"}, {"from": "1"}],
)  # fmt: skip
def test_what_an_address_cannot_mean_is_left_out(query: dict[str, str]) -> None:
    assert asked_in(query) == Asked(None, None, "", "")


def test_what_a_run_does_not_hold_is_left_out(page: Any, address: str, options_of: Any) -> None:
    opened(page, f"{address}?statistic=<b>&layer=<b>&from=900&to=1000&step=999")
    assert len(options_of(page, "batch_loss at each step")["series"][0]["data"]) == 200
    assert page.locator(".gs-moment .value").first.inner_text() == "199"
    assert urlsplit(page.url).query.partition("step")[1] == ""


def test_a_run_is_followed_until_it_ends_and_is_deleted(
    page: Any, studio: Any, folder: Path, options_of: Any
) -> None:
    with started(folder, "growing") as writer:
        writer.flush()
        page.goto(f"{studio.address}/runs/{writer.folder.name}")
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
    shutil.rmtree(writer.folder)
    page.get_by_text(f"There is no run '{writer.folder.name}'").wait_for()
    page.get_by_role("link", name="All runs").click()
    page.wait_for_url("**/runs")


def test_a_damaged_run_is_told(page: Any, studio: Any, folder: Path) -> None:
    name = written(folder, "damaged", 20)
    (folder / name / "run.sqlite").write_bytes(b"<script>alert(1)</script>" * 100)
    page.goto(f"{studio.address}/runs/{name}")
    page.get_by_role("link", name="All runs").wait_for()
    shutil.rmtree(folder / name)
