"""The room of mechanisms: its curves are the catalog's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from polling import settled

from gatescope.catalog.curves import curve
from gatescope.catalog.lookup import find
from gatescope.studio.rooms.mechanisms import set_to

KINDS = ("losses", "initializers", "schedules", "optimizers", "regularizers", "activations")
CURVES, SLOPES = "Curves of what is chosen", "Derivatives of what is chosen"


@pytest.fixture
def points(options_of: Any) -> Callable[[Any, str], dict[str, list[list[float]]]]:
    """Points of the lines of a chart by their names."""
    return lambda page, label: {
        line["name"]: line["data"] for line in options_of(page, label)["series"]
    }


def values(points: list[list[float]]) -> list[float]:
    """What a line is drawn through; where it has a gap, there is no number."""
    return [math.nan if y is None else y for _, y in points]


def opened(page: Any, address: str, **asked: str) -> None:
    page.goto(f"{address}/mechanisms?{urlencode(asked)}")
    page.locator(".nicegui-echart svg").first.wait_for()


def test_curves_and_slopes_of_every_kind_are_those_of_the_catalog(
    page: Any, studio: Any, points: Any, looks_well: Any
) -> None:
    """And the page looks well."""
    opened(page, studio.address, kind="activations", names="relu,gelu")
    for kind in KINDS:
        page.get_by_role("button", name=kind).click()
        page.wait_for_url(f"**kind={kind}*")
        names = parse_qs(urlsplit(page.url).query)["names"][0].split(",")
        settled(page, lambda names=names: list(points(page, CURVES)) == names)
        shown = points(page, CURVES)
        for name in names:
            made = curve(find(kind, name))
            assert [x for x, _ in shown[name]] == pytest.approx(list(made.x))
            assert values(shown[name]) == pytest.approx(list(made.y), nan_ok=True)
            if made.slope:
                slopes = points(page, SLOPES)[name]
                assert values(slopes) == pytest.approx(list(made.slope), nan_ok=True)
    looks_well(page)


def test_a_setting_moves_its_curve(page: Any, studio: Any, points: Any) -> None:
    opened(page, studio.address, kind="losses", names="huber")
    before = points(page, CURVES)["huber"]
    page.locator("[aria-label='delta of huber'] [tabindex]").focus()
    page.keyboard.press("PageUp")
    settled(page, lambda: points(page, CURVES)["huber"] != before and "huber.delta=" in page.url)
    delta = float(parse_qs(urlsplit(page.url).query)["huber.delta"][0])
    made = curve(set_to(find("losses", "huber"), {"delta": delta}))
    assert values(points(page, CURVES)["huber"]) == pytest.approx(list(made.y), rel=1e-4)


def test_an_address_that_cannot_be_shows_what_can(page: Any, studio: Any, points: Any) -> None:
    """Of a kind that is none, names of what is not there, and one that has no curve."""
    for kind, names, shown in (
        ("<b>", "<img src=x onerror=alert(1)>,gelu", "gelu"), ("losses", "ctc,huber", "huber")
    ):  # fmt: skip
        opened(page, studio.address, kind=kind, names=names, **{f"{shown}.delta": "nan"})
        settled(page, lambda shown=shown: list(points(page, CURVES)) == [shown])
        assert page.locator("img[src=x]").count() == 0
