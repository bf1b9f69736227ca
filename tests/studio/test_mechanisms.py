"""The room of mechanisms: its curves are the catalog's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gatescope.catalog.curves import curve
from gatescope.catalog.lookup import find
from gatescope.studio.rooms.mechanisms import drawable, set_to


@pytest.fixture(scope="module")
def address(studio_at: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return studio_at(tmp_path_factory.mktemp("none") / "runs")


@pytest.fixture
def points(options_of: Any) -> Callable[[Any, str], dict[str, list[list[float]]]]:
    """Points of the lines of a chart by their names."""
    return lambda page, label: {
        line["name"]: line["data"] for line in options_of(page, label)["series"]
    }


def values(points: list[list[float]]) -> list[float]:
    """What a line is drawn through; where it has a gap, there is no number."""
    return [math.nan if y is None else y for _, y in points]


@pytest.mark.parametrize(
    ("kind", "names"),
    [("activations", ["relu", "gelu"]), ("losses", ["huber"]), ("schedules", ["cosine_decay"]),
     ("optimizers", ["adam"]), ("regularizers", ["l2"]), ("initializers", ["he_normal"])],
)  # fmt: skip
def test_curves_and_slopes_are_those_of_the_catalog(
    page: Any, address: str, kind: str, names: list[str], points: Any
) -> None:
    page.goto(f"{address}/mechanisms?kind={kind}&names={','.join(names)}")
    page.locator(".nicegui-echart svg").first.wait_for()
    shown = points(page, "Curves of what is chosen")
    for name in names:
        made = curve(find(kind, name))
        assert [x for x, _ in shown[name]] == pytest.approx(list(made.x))
        assert values(shown[name]) == pytest.approx(list(made.y), nan_ok=True)
        if made.slope:
            slopes = points(page, "Derivatives of what is chosen")[name]
            assert values(slopes) == pytest.approx(list(made.slope), nan_ok=True)


def test_a_setting_moves_its_curve(page: Any, address: str, points: Any) -> None:
    page.goto(f"{address}/mechanisms?kind=losses&names=huber")
    slider = page.locator("[aria-label='delta of huber'] [tabindex]")
    slider.wait_for()
    before = points(page, "Curves of what is chosen")["huber"]
    slider.focus()
    page.keyboard.press("PageUp")
    for _ in range(300):
        after = points(page, "Curves of what is chosen")["huber"]
        if after != before and "huber.delta=" in page.url:
            break
        page.wait_for_timeout(100)
    delta = float(parse_qs(urlsplit(page.url).query)["huber.delta"][0])
    made = curve(set_to(find("losses", "huber"), {"delta": delta}))
    assert [y for _, y in after] == pytest.approx(list(made.y), rel=1e-4)


def test_an_address_that_cannot_be_shows_the_first_page(page: Any, address: str) -> None:
    page.goto(f"{address}/mechanisms?kind=<b>&names=<img src=x onerror=alert(1)>&a.b=nan")
    page.locator(".nicegui-echart svg").first.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_every_kind_can_be_chosen(page: Any, address: str) -> None:
    page.goto(f"{address}/mechanisms")
    for kind in ("losses", "initializers", "schedules", "optimizers", "regularizers"):
        page.get_by_role("button", name=kind).click()
        page.wait_for_url(f"**kind={kind}*")
        assert drawable(kind)


def test_looks(page: Any, address: str, accessible: Any, fits: Any) -> None:
    page.goto(f"{address}/mechanisms")
    page.locator(".nicegui-echart svg").first.wait_for()
    accessible(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(500)
    accessible(page)
    fits(page)
