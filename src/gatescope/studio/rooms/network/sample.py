"""The sample that a network is looked at with, and what the network says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
from nicegui import ui

from gatescope.report.shades import shades
from gatescope.studio.frame import text, whole_table
from gatescope.studio.rooms.network.looks import Asked, InputLook, Overview, SampleLook
from gatescope.studio.rooms.network.pictures import (
    drawn,
    is_image,
    is_signed,
    legend,
    note,
    photo,
    picture,
    scrolls,
)

_ANSWERS = 3
_NUMBERS = 40

Choose = Callable[[int, str], Awaitable[None]]


def draw_sample(look: SampleLook, found: Overview, asked: Asked, choose: Choose) -> None:
    """Draws it, and what another one is chosen with.

    Args:
        look: The sample.
        found: The network.
        asked: Which sample it is.
        choose: Told another one, and a text if there is one.
    """
    _draw_choice(found, asked, choose)
    if look.told and len(look.told) < 400 and not look.told.startswith("sample "):
        text(look.told).classes("gs-told")
    for one in look.inputs:
        draw_input(one, len(look.inputs) > 1)
    _draw_answers(look)
    note(found.source)


def _draw_choice(found: Overview, asked: Asked, choose: Choose) -> None:
    last = found.count - 1

    async def typed() -> None:
        if number.value is not None:
            await choose(int(min(max(number.value, 0), last)), "")

    async def moved(by: int) -> None:
        await choose(min(max(asked.sample + by, 0), last), "")

    with ui.element("div").classes("gs-row"):
        previous = ui.button("‹", on_click=lambda: moved(-1), color=None).props("flat dense")
        number = ui.number(f"Sample, 0 to {last}", value=asked.sample, min=0, max=last, step=1,
                           format="%d").props("dense")  # fmt: skip
        following = ui.button("›", on_click=lambda: moved(1), color=None).props("flat dense")
    number.classes("gs-short")
    number.on("change", typed)
    for button, label in ((previous, "Previous sample"), (following, "Next sample")):
        button.props["aria-label"] = label
        button.classes("gs-go")
    if found.takes_text:
        written = ui.input("Or a text of your own", value=asked.text).props("dense maxlength=2000")
        written.on("change", lambda: choose(asked.sample, (written.value or "").strip()))


def draw_input(one: InputLook, named: bool) -> None:
    """Draws an input of the sample.

    Args:
        one: The input.
        named: Whether its name is told.
    """
    if named:
        text(one.name, tag="h3")
    array = one.array
    if is_image(array):
        height, width = array.shape[:2]
        picture(drawn(photo(array, one.span), f"{one.name}, {height} by {width} pixels"))
    elif one.words:
        return  # they stand there in a sentence
    elif array.ndim == 2:
        signed = is_signed(array)
        alt = f"{one.name}: {array.shape[0]} steps from left to right, {array.shape[1]} features"
        picture(drawn(shades(array.T, signed=signed), alt)).classes("wide")
        note("steps → · features ↓")
        legend(array, signed=signed)
    elif array.ndim <= 1:
        _draw_numbers(one)


def _draw_numbers(one: InputLook) -> None:
    numbers = np.atleast_1d(one.array).tolist()
    names = one.columns if len(one.columns) == len(numbers) else range(len(numbers))
    rows = [
        {"goes in": str(name), "number": f"{number:.4g}"}
        for name, number in zip(names, numbers, strict=True)
    ]
    with ui.expansion("As the network gets it").props("dense"):
        with scrolls("Numbers that go in"):
            whole_table(rows[:_NUMBERS], ("goes in", "number"), numbers=("number",))
        if len(rows) > _NUMBERS:
            note(f"and {len(rows) - _NUMBERS:,} more")


def _draw_answers(look: SampleLook) -> None:
    for name, said in look.answers.items():
        text(f"The network says of {name}", tag="h3")
        surest = sorted(said, key=lambda pair: -pair[1])[:_ANSWERS]
        with ui.element("div").classes("bars"):
            for label, share in surest:
                text(label or name, tag="span")
                with ui.element("span").classes("bar") as bar:
                    bar.style(f"--share: {min(max(share, 0.0), 1.0):.4f}")
                text(f"{share:.4g}", tag="span")
        if name in look.truth:
            text(f"It is: {look.truth[name]}").classes("note")
