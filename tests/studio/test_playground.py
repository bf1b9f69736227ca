"""The playground as visitors use it: played, stepped, steered, shared, given what is no table."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from gatescope.errors import UsageError
from gatescope.recipes.kinds.keras_script import keras_script
from gatescope.studio.rooms.playground.pictures import pictures
from gatescope.studio.rooms.playground.settings import Settings, settings_of

SMALL = "samples=80&pace=0"


@pytest.fixture
def opened(page, studio):
    """Opens the room and waits until a network is drawn, which at first takes some seconds."""

    def at(asked="", on=None):
        tab = on or page
        tab.goto(f"{studio.address}/playground?{asked}".rstrip("?"))
        tab.locator(".gs-units svg").wait_for(timeout=180_000)
        return tab

    return at


def press(tab, name):
    tab.get_by_role("button", name=name, exact=True).click()


def step_of(tab):
    return int(
        re.search(r"step ([\d,]+)", tab.locator(".gs-count").inner_text())[1].replace(",", "")
    )


def wait_for_step(tab, least):
    tab.wait_for_function(
        "least => +document.querySelector('.gs-count').innerText.match(/step ([\\d,]+)/)[1]"
        ".replaceAll(',', '') >= least",
        arg=least, timeout=120_000,
    )  # fmt: skip


def cells(tab, number):
    rows = tab.locator("table").nth(number).locator("tbody tr")
    return [row.locator("td").all_inner_texts() for row in rows.all()]


def test_what_is_shown_is_what_the_library_says(opened):
    tab = opened()
    assert tab.locator(".gs-units image").count() == 2 + 8 + 6 + 1
    for step in (1, 2, 3):
        press(tab, "Step")
        wait_for_step(tab, step)
    assert step_of(tab) == 3
    playground = Settings().playground()
    with playground.open() as training:
        training.step(3)
        expected = pictures(playground, training.plane, training.snapshot())
    shown = {tuple(row) for number in (0, 1) for row in cells(tab, number)}
    rows = [*expected.layers, *expected.scores]
    assert shown == {tuple(map(str, row.values())) for row in rows}
    assert tab.locator(".gs-surface img").get_attribute("src") == expected.surface


def test_it_plays_is_told_another_rate_and_is_reset(opened, looks_well):
    """And the page looks well."""
    tab = opened(SMALL)
    press(tab, "Play")
    wait_for_step(tab, 30)
    tab.get_by_label("Learning rate", exact=True).fill("0.05")
    tab.wait_for_url("**rate=0.05**")
    later = step_of(tab) + 20
    wait_for_step(tab, later)
    press(tab, "Pause")
    tab.get_by_role("button", name="Play", exact=True).wait_for()
    assert step_of(tab) >= later  # it went on from where it was
    press(tab, "Reset")
    tab.get_by_text("step 0 ·").wait_for()
    looks_well(tab)


def test_what_is_set_stands_in_the_address_and_comes_back(opened):
    """As does the library's code of it, which is copied."""
    tab = opened(f"data=xor&{SMALL}&layers=5:relu,3:tanh&optimizer=sgd&optimizer.momentum=0.9")
    assert tab.locator(".gs-units image").count() == 2 + 5 + 3 + 1
    assert tab.get_by_label("Learn", exact=True).input_value() == "XOR"
    assert tab.get_by_label("momentum").input_value() == "0.9"
    press(tab, "Add a layer")
    tab.get_by_label("Units of layer 3").fill("4")
    tab.wait_for_url("**layers=5:relu,3:tanh,4:tanh**")
    address = tab.url
    tab.reload()
    tab.locator(".gs-units svg").wait_for()
    assert tab.url == address
    assert tab.get_by_label("Units of layer 3").input_value() == "4"
    press(tab, "Copy as Keras code")
    tab.get_by_text("Copied").first.wait_for()
    settings = settings_of(dict(parse_qsl(urlsplit(address).query)))
    assert tab.evaluate("navigator.clipboard.readText()") == keras_script(settings.playground())


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"layers": "99:relu"}, "99"), ({"data": "cats"}, "cats"), ({"optimizer": "adma"}, "adma"),
     ({"x": "1"}, "'x'"), ({"rate": "nan"}, "rate")],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(asked, said):
    with pytest.raises(UsageError, match=said):
        settings_of(asked)


def test_an_address_that_cannot_be_is_said(page, studio):
    page.goto(f"{studio.address}/playground?layers=3:<b>")
    page.get_by_role("status").filter(has_text="<b>").wait_for()


def test_each_tab_trains_a_network_of_its_own(opened, page):
    first, second = opened(SMALL), opened(SMALL, page.context.new_page())
    press(first, "Step")
    wait_for_step(first, 1)
    press(first, "Step")
    wait_for_step(first, 2)
    assert step_of(second) == 0
    press(second, "Step")
    wait_for_step(second, 1)
    assert (step_of(first), step_of(second)) == (2, 1)
    assert cells(first, 1) != cells(second, 1)


def test_one_that_ends_while_it_is_watched_says_why(opened):
    tab = opened(f"{SMALL}&layers=8:linear&loss=squared_hinge&optimizer=sgd&rate=10")
    press(tab, "Play")
    tab.get_by_role("status").filter(has_text="the loss of step").wait_for(timeout=120_000)
    tab.get_by_role("button", name="Play", exact=True).wait_for()
    press(tab, "Reset")
    tab.get_by_text("step 0 ·").wait_for()
    press(tab, "Step")
    wait_for_step(tab, 1)


def table(rows=60):
    points = np.random.default_rng(0).normal(size=(rows, 3))
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{'in' if a * b > 0 else 'out'}" for a, b, c in points]
    return "\n".join(["a,b,c,side", *lines]).encode()


def upload(tab, name, content):
    tab.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )


def test_a_table_of_ones_own_is_learned_and_what_is_none_is_said(page, studio):
    page.goto(f"{studio.address}/playground?data=csv")
    page.get_by_role("status").filter(has_text="no CSV file was chosen").wait_for()
    for name, content, said in (
        ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not UTF-8"),
        ("words.csv", b"a,b\n" + b"x,yes\ny,no\n" * 20, "numbers"),
        ("large.csv", b"1,2\n" * 300_000, "larger than 1 MB"),
    ):
        upload(page, name, content)
        page.get_by_text(said).first.wait_for()
    upload(page, "../../etc/mine.csv", table())
    page.locator(".gs-units svg").wait_for(timeout=180_000)
    assert page.get_by_label("Column to predict").input_value() == "side"
    assert "42 learned from" in page.locator("table").nth(1).inner_text()
    page.get_by_text("3 inputs have no one plane").wait_for()
    press(page, "Copy as Keras code")
    page.get_by_text("Copied").first.wait_for()
    assert 'Path("mine.csv")' in page.evaluate("navigator.clipboard.readText()")


def test_settings_survive_their_address():
    asked = {
        "data": "moons", "layers": "4:relu,2:sigmoid", "optimizer": "rmsprop",
        "optimizer.rho": "0.8", "schedule": "step", "schedule.epochs": "5", "l2": "0.001",
        "normalization": "batch", "loss": "hinge", "rate": "0.1", "seed": "7", "target": "a b&c",
    }  # fmt: skip
    settings = settings_of(asked)
    query = urlsplit(settings.address).query
    assert settings_of(dict(parse_qsl(query))) == settings
    assert Settings().address == "/playground"
