"""The room of gates: what it shows is what circuits compute, whatever is typed or dragged."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from polling import settled

from gatescope.circuits.circuit import circuit
from gatescope.errors import GatescopeError
from gatescope.studio.rooms.gates import EXAMPLES, bench_of

EXPRESSION = "sigmoid(w*x + b)"
VALUES = {"w": 2.0, "x": -1.0, "b": 3.0}


@pytest.fixture
def room(page: Any, studio: Any) -> Any:
    """The studio's first page."""
    page.goto(f"{studio.address}/")
    page.locator(".gatescope-graph").wait_for()
    return page


def drawn(page: Any) -> list[str]:
    """Texts of the drawing, values and gradients among them."""
    return page.locator(".gatescope-graph text").all_text_contents()


def shows(page: Any, expression: str, values: dict[str, float]) -> None:
    """Waits for the drawing that the library makes."""
    made = circuit(expression, **values)
    made.forward(**values)
    made.backward()
    expected = texts(made.to_svg())
    settled(page, lambda: drawn(page) == expected)


def texts(drawing: str) -> list[str]:
    found = re.findall(r"<text[^>]*>(.*?)</text>", drawing, re.DOTALL)
    return [unescape(re.sub(r"<[^>]*>", "", one)) for one in found]


def number_of(page: Any, name: str) -> Any:
    return page.locator(f"input[type=number][aria-label='{name}']")


def test_values_and_gradients_are_the_librarys(room: Any) -> None:
    """Those of the neuron of the first page; after a slider, a number, the address, and typing."""
    shows(room, EXPRESSION, VALUES)
    room.locator(".q-slider[aria-label='w'] [tabindex]").focus()
    room.keyboard.press("ArrowRight")
    settled(room, lambda: number_of(room, "w").input_value() == "2.01")
    shows(room, EXPRESSION, VALUES | {"w": 2.01})
    number_of(room, "x").fill("0.5")
    shows(room, EXPRESSION, VALUES | {"w": 2.01, "x": 0.5})
    room.wait_for_url(re.compile(r"v\.x=0\.5"))
    room.reload()
    shows(room, EXPRESSION, VALUES | {"w": 2.01, "x": 0.5})
    assert parse_qs(urlsplit(room.url).query)["train"] == ["w,b"]
    room.get_by_label("Expression").fill("a*x + 3")
    shows(room, "a*x + 3", {"a": 1.0, "x": 0.5})
    room.wait_for_url(re.compile("expression=a"))
    room.get_by_label("Expression").fill("a" * 500)
    shows(room, "a" * 500, {"a" * 500: 1.0})


BAD = ["", "a*", "a +* b", "foo(x)", "import os", "__import__('os')", "(((((", "1/0",
       "<img src=x onerror=alert(1)>", "log(0-1)", "a b", "x.y", "2**", "٣*x", "a;b"]  # fmt: skip


def test_a_bad_expression_is_told_and_leaves_the_last_good_one(room: Any) -> None:
    problem = room.locator(".gs-problem")
    for typed in BAD:
        before = drawn(room)
        room.get_by_label("Expression").fill(typed)
        problem.wait_for()
        assert "fix:" in problem.inner_text(), typed
        assert problem.locator("img").count() == 0
        if typed not in ("1/0", "log(0-1)"):  # which are circuits, without a value
            assert drawn(room) == before, typed
        room.get_by_label("Expression").fill("a*x")
        problem.wait_for(state="hidden")


def test_steps_are_those_of_the_library(room: Any) -> None:
    """Step, Reset, Play, and Pause."""
    made = circuit(EXPRESSION, train=("w", "b"), **VALUES)
    made.forward(**VALUES)
    taken = made.train(toward=[0.1], loss="squared", learning_rate=1.0, steps=3)
    for _ in range(3):
        room.get_by_role("button", name="Step", exact=True).click()
    room.get_by_text(f"step 3, loss {taken[-1].loss:.6g}").wait_for()
    for name in ("w", "b"):
        shown = float(number_of(room, name).input_value())
        assert shown == pytest.approx(taken[-1].parameters[name], rel=1e-3)
    room.get_by_role("button", name="Reset").click()
    settled(room, lambda: number_of(room, "w").input_value() == "2")
    room.get_by_role("button", name="Play").click()
    room.get_by_text(re.compile(r"step (\d\d+|[5-9]), loss")).wait_for()
    room.get_by_role("button", name="Pause").click()
    room.get_by_role("button", name="Play").wait_for()


def test_examples_are_loaded_and_copied_python_computes_the_same(room: Any) -> None:
    for example in EXAMPLES:
        room.get_by_role("button", name=example.name).click()
        shows(room, example.expression, dict(example.values))
        assert room.locator(".gs-problem").inner_text() == ""
    room.get_by_role("button", name="Copy as Python").click()
    room.get_by_text("Copied.").wait_for()
    code = room.evaluate("navigator.clipboard.readText()")
    held: dict[str, Any] = {}
    exec(compile(code, "copied", "exec"), held)  # noqa: S102
    assert texts(held["circuit"].to_svg()) == drawn(room)


@pytest.mark.parametrize(
    "asked",
    [{"expression": "<script>alert(1)</script>"}, {"expression": "a*x", "v.a": "nan"},
     {"expression": "a*x", "rate": "inf"}, {"expression": "a*x", "v.a": "1e999"},
     {"expression": "a*x", "rate": "fast"}],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(GatescopeError):
        bench_of(asked)


def test_what_an_address_cannot_mean_is_left_out() -> None:
    bench = bench_of({"expression": "a*x", "train": "<b>,a", "loss": "<i>", "rate": "0"})
    assert (bench.train, bench.loss) == (("a",), "squared")
    assert bench.learning_rate > 0


def test_an_address_that_cannot_be_is_told(page: Any, studio: Any) -> None:
    for asked in (
        {"expression": "<script>alert(1)</script>"},
        {"expression": "a*x", "train": "a", "toward": "<script>alert(1)</script>"},
    ):
        page.goto(f"{studio.address}/?{urlencode(asked)}")
        page.locator(".gatescope-graph").wait_for()
        if "toward" in asked:
            page.get_by_role("button", name="Step", exact=True).click()
        page.locator(".gs-problem", has_text="<script>alert(1)</script>").wait_for()
        assert page.locator(".gs-problem script").count() == 0


def test_it_looks_well(room: Any, looks_well: Any) -> None:
    looks_well(room)
