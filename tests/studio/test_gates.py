"""The room of gates: what it shows is what circuits compute, whatever is typed or dragged."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gatescope.circuits.circuit import circuit

EXPRESSION = "sigmoid(w*x + b)"
VALUES = {"w": 2.0, "x": -1.0, "b": 3.0}


@pytest.fixture
def room(page: Any, studio_at: Callable[..., str], tmp_path_factory: Any) -> Any:
    """The room's first page."""
    page.goto(f"{studio_at(_folder(tmp_path_factory))}/")
    page.get_by_label("Expression").wait_for()
    page.locator(".gatescope-graph").first.wait_for()
    return page


def _folder(factory: Any) -> Path:
    return factory.getbasetemp() / "no-runs"


def drawn(page: Any) -> list[str]:
    """Texts of the drawing, values and gradients among them."""
    return page.locator(".gatescope-graph text").all_text_contents()


def expected(expression: str, values: dict[str, float]) -> list[str]:
    """Texts of the drawing that the library makes."""
    made = circuit(expression, **values)
    made.forward(**values)
    made.backward()
    return texts(made.to_svg())


def texts(drawing: str) -> list[str]:
    found = re.findall(r"<text[^>]*>(.*?)</text>", drawing, re.DOTALL)
    return [unescape(re.sub(r"<[^>]*>", "", one)) for one in found]


def settled(page: Any, wanted: Callable[[], bool]) -> None:
    for _ in range(300):
        if wanted():
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never came: {drawn(page)}")


def number_of(page: Any, name: str) -> Any:
    return page.locator(f"input[type=number][aria-label='{name}']")


def test_the_first_page_shows_a_neuron(room: Any) -> None:
    assert drawn(room) == expected(EXPRESSION, VALUES)


def test_an_expression_is_drawn_as_it_is_typed(room: Any) -> None:
    room.get_by_label("Expression").fill("a*x + 3")
    settled(room, lambda: drawn(room) == expected("a*x + 3", {"a": 1, "x": -1}))
    assert "expression=a" in room.url


def test_values_and_gradients_follow_an_input(room: Any) -> None:
    number_of(room, "x").fill("0.5")
    settled(room, lambda: drawn(room) == expected(EXPRESSION, VALUES | {"x": 0.5}))


def test_values_and_gradients_follow_a_slider(room: Any) -> None:
    slider = room.locator(".q-slider[aria-label='w'] [tabindex]")
    slider.focus()
    room.keyboard.press("ArrowRight")
    settled(room, lambda: number_of(room, "w").input_value() == "2.01")
    settled(room, lambda: drawn(room) == expected(EXPRESSION, VALUES | {"w": 2.01}))


BAD = ["", "a*", "a +* b", "foo(x)", "import os", "__import__('os')", "a" * 500, "(((((", "1/0",
       "<img src=x onerror=alert(1)>", "log(0-1)", "a b", "x.y", "2**", "٣*x", "a;b"]  # fmt: skip


@pytest.mark.parametrize("typed", BAD, ids=range(len(BAD)))
def test_a_bad_expression_leaves_the_last_good_one(room: Any, typed: str) -> None:
    before = drawn(room)
    room.get_by_label("Expression").fill(typed)
    if typed == "a" * 500:  # a name, if a long one
        return
    problem = room.locator(".gs-problem")
    settled(room, lambda: problem.inner_text().strip() != "")
    assert "fix:" in problem.inner_text()
    assert problem.locator("img").count() == 0
    if typed not in ("1/0", "log(0-1)"):  # which are circuits, without a value
        assert drawn(room) == before
    room.get_by_label("Expression").fill("a*x")
    settled(room, lambda: problem.inner_text().strip() == "")


def test_steps_are_those_of_the_library(room: Any) -> None:
    made = circuit(EXPRESSION, train=("w", "b"), **VALUES)
    made.forward(**VALUES)
    taken = made.train(toward=[0.1], loss="squared", learning_rate=1.0, steps=3)
    for _ in range(3):
        room.get_by_role("button", name="Step", exact=True).click()
    settled(room, lambda: f"loss {taken[-1].loss:.6g}" in room.locator(".gs-card").all_inner_texts()
            .__str__())  # fmt: skip
    for name in ("w", "b"):
        shown = float(number_of(room, name).input_value())
        assert shown == pytest.approx(taken[-1].parameters[name], rel=1e-3)
    room.get_by_role("button", name="Reset").click()
    settled(room, lambda: number_of(room, "w").input_value() == "2")


def test_it_plays_and_pauses(room: Any) -> None:
    room.get_by_role("button", name="Play").click()
    room.get_by_text(re.compile(r"step [5-9]")).wait_for()
    room.get_by_role("button", name="Pause").click()
    room.get_by_role("button", name="Play").wait_for()


def test_copied_python_computes_the_same(room: Any) -> None:
    room.get_by_role("button", name="Copy as Python").click()
    room.get_by_text("Copied.").wait_for()
    code = room.evaluate("navigator.clipboard.readText()")
    held: dict[str, Any] = {}
    exec(compile(code, "copied", "exec"), held)  # noqa: S102
    assert texts(held["circuit"].to_svg()) == drawn(room)


def test_the_address_holds_all_and_can_be_reloaded(room: Any) -> None:
    number_of(room, "x").fill("0.5")
    settled(room, lambda: "v.x=0.5" in room.url)
    room.reload()
    settled(room, lambda: drawn(room) == expected(EXPRESSION, VALUES | {"x": 0.5}))
    assert parse_qs(urlsplit(room.url).query)["train"] == ["w,b"]


def test_examples_are_loaded(room: Any) -> None:
    for name in ("One gate", "Two gates", "XOR", "A neuron"):
        room.get_by_role("button", name=name).click()
        settled(room, lambda: room.locator(".gs-problem").inner_text() == "")
    settled(room, lambda: drawn(room) == expected(EXPRESSION, VALUES))


@pytest.mark.parametrize(
    "query",
    [{"expression": "<script>alert(1)</script>"}, {"expression": "a*x", "v.a": "nan"},
     {"expression": "a*x", "rate": "0"}, {"expression": "a*x", "rate": "inf"},
     {"expression": "a*x", "train": "<b>"}, {"expression": "a*x", "v.a": "1e999"},
     {"expression": "a*x", "loss": "<i>", "toward": "<u>"}],
)  # fmt: skip
def test_an_address_that_cannot_be_is_told(page: Any, studio_at: Callable[..., str],
                                           tmp_path_factory: Any, query: Any) -> None:  # fmt: skip
    page.goto(f"{studio_at(_folder(tmp_path_factory))}/?{urlencode(query)}")
    page.locator(".gatescope-graph").first.wait_for()
    assert page.locator(".gs-problem script").count() == 0


def test_looks(room: Any, accessible: Any, fits: Any) -> None:
    accessible(room)
    room.emulate_media(color_scheme="dark")
    room.wait_for_timeout(500)
    accessible(room)
    fits(room)
