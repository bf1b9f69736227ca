"""An open unit: its circuit with the numbers that there were, and the way down to the inputs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import final

import numpy as np
from nicegui import ui

from gatescope.report.html import element, escape, join
from gatescope.report.shades import shades
from gatescope.scope import words
from gatescope.studio.engine import Engine
from gatescope.studio.frame import card, heading, text, whole_table
from gatescope.studio.rooms.network import asking
from gatescope.studio.rooms.network.looks import (
    Asked,
    FieldLook,
    InputLook,
    Link,
    SampleLook,
    UnitLook,
    Where,
    Written,
)
from gatescope.studio.rooms.network.pictures import (
    Spot,
    drawn,
    is_image,
    legend,
    note,
    photo,
    picture,
    scrolls,
)

_TERMS = {0: "as many as can be looked over"} | {
    one: f"{one} largest of each sum" for one in (2, 4, 8, 16, 32)
}
_MOST_ROWS, _MOST_NUMBERS = 200, 100
_DIGITS = 4
_WRITTEN_OUT = 6  # terms of a sum that stand in the line
_AFTER = {"Relu": "ReLU", "BiasAdd": "bias", "AddV2": "plus", "Mul": "times", "Sub": "minus"}

Follow = Callable[[Where], Awaitable[None]]


@final
class UnitView:
    """The part of a page that shows one unit.

    Args:
        engine: Where networks run.
        follow: Told which number is to be opened next.
    """

    def __init__(self, engine: Engine, follow: Follow) -> None:
        self._engine, self._follow = engine, follow
        self.sample: SampleLook | None = None
        self._terms = 0
        self._box = ui.element("div").classes("gs-stack").props("id=unit")

    def hide(self) -> None:
        """Shows none."""
        self._box.clear()

    async def show(self, asked: Asked, where: Where, is_wanted: Callable[[], bool]) -> None:
        """Opens a unit.

        Args:
            asked: The network and the sample.
            where: The unit.
            is_wanted: Whether it still is, when it is there.

        Raises:
            GatescopeError: It cannot be opened.
        """
        look = await self._engine.ask(asking.unit, asked, where, self._terms or None)
        if not is_wanted():
            return
        self._box.clear()
        with self._box:
            heading(f"{look.label} = {_number(look.number)}")
            self._draw_path(look.path)
            with ui.element("div").classes("gs-columns even"):
                if look.written is not None:
                    _draw_written(look.written)
                seen = ui.element("div").classes("gs-stack")
            self._draw_circuit(look, asked, where)
        found = await self._engine.ask(asking.fields, asked, where)
        if not is_wanted() or seen.is_deleted:
            return
        with seen:
            for one in found:
                _draw_field(one, self._input(one.input))

    def _input(self, name: str) -> InputLook | None:
        inputs = self.sample.inputs if self.sample else ()
        return next((one for one in inputs if one.name == name), None)

    def _draw_path(self, path: Sequence[Link]) -> None:
        """From the unit to the input, along the largest contributions."""
        if len(path) < 2:
            return
        with ui.element("nav").classes("gs-path").props('aria-label="Down to the inputs"'):
            for place, one in enumerate(path):
                if place:
                    text("←", tag="span").classes("note")
                self._link(one, current=place == 0)
        note("The largest contribution, what contributed most to that, and on to the input. Click "
             "one to go there.")  # fmt: skip

    def _link(self, one: Link, *, current: bool = False) -> None:
        told = f"{one.label} = {_number(one.number)}"
        where = one.where
        if where is None or current:
            text(told, tag="span").classes("value")
            return

        async def go() -> None:
            await self._follow(where)

        ui.button(told, on_click=go, color=None).props("flat dense no-caps align=left").classes(
            "gs-go"
        )

    def _draw_circuit(self, look: UnitLook, asked: Asked, where: Where) -> None:
        with card("Circuit", level=3):

            async def draw_more() -> None:
                self._terms = int(terms.value)
                await self.show(asked, where, lambda: True)

            terms = ui.select(
                dict(_TERMS), value=self._terms, label="Terms drawn", on_change=draw_more,
            ).classes("gs-short wide")  # fmt: skip
            text("Above each wire its value, below it the gradient of this number.").classes("note")
            drawing = ui.html(look.svg, sanitize=False).classes("gs-drawing tall")
            drawing.props["tabindex"], drawing.props["role"] = 0, "region"
            drawing.props["aria-label"] = f"Circuit of {look.label}"
            with ui.expansion("In words"), ui.element("ul"):
                for sentence in look.words:
                    text(sentence, tag="li")
        self._draw_behind(look.behind)

    def _draw_behind(self, behind: Sequence[Link]) -> None:
        if not behind:
            return
        with card("What contributes most", level=3):
            text("Number times slope; click one to open it.").classes("note")
            most = max(abs(one.share) for one in behind) or 1.0
            with ui.element("div").classes("gs-contributions"):
                for one in behind:
                    self._link(one)
                    kind = "bar negative" if one.share < 0 else "bar positive"
                    with ui.element("span").classes(kind) as bar:
                        bar.style(f"--share: {abs(one.share) / most:.4f}")
                    text(f"{one.share:+.4g}".replace("-", "−"), tag="span").classes("value")


def _draw_written(written: Written) -> None:
    """The multiply-adds of one number: in a line, and each in a table."""
    with card("Written out", level=3):
        text(in_a_line(written)).classes("gs-sum value")
        rows = [
            {"what comes in": source, "number": _number(number), "weight": named or "–",
             "its number": _number(weight), "product": _number(number * weight)}
            for source, number, named, weight in sorted(
                written.terms, key=lambda term: -abs(term[1] * term[3])
            )
        ]  # fmt: skip
        heads = ("what comes in", "number", "weight", "its number", "product")
        with scrolls("Products"):
            whole_table(rows[:_MOST_ROWS], heads, numbers=("number", "its number", "product"))
        more = f" The {_MOST_ROWS} largest are listed." if len(rows) > _MOST_ROWS else ""
        note(f"{written.op}: {len(rows):,} products, which add up to {_number(written.sum)}."
             f"{more}")  # fmt: skip


def in_a_line(written: Written) -> str:
    """A sum with its largest terms, its bias and what follows.

    Args:
        written: The sum.

    Example:
        >>> in_a_line(Written("MatMul", (("x", 2.0, "w", 3.0),), 6.0, (("Relu", "", None, 6.0),)))
        '2·3 = 6 → ReLU 6'
    """
    terms = sorted(written.terms, key=lambda term: -abs(term[1] * term[3]))
    shown = [
        f"{_number(number)}·{_factor(weight)}" for _, number, _, weight in terms[:_WRITTEN_OUT]
    ]
    rest = terms[_WRITTEN_OUT:]
    if rest:
        total = sum(number * weight for _, number, _, weight in rest)
        shown.append(f"{len(rest):,} others, {_factor(total)}")
    line = f"{' + '.join(shown) or '0'} = {_number(written.sum)}"
    for op, _, number, result in written.steps:
        with_ = "" if number is None else f" {_number(number)} ="
        line += f" → {_AFTER.get(op, op)}{with_} {_number(result)}"
    return line


def _number(value: float) -> str:
    return words.number(value, _DIGITS)


def _factor(number: float) -> str:
    return f"({_number(number)})" if number < 0 else _number(number)


def _draw_field(one: FieldLook, given: InputLook | None) -> None:
    """What the unit sees of an input, on the input."""
    title = "What it sees of the input" if given is None else f"What it sees of {one.input}"
    with card(title, level=3):
        if not one.seen.any():
            text("Nothing.")
        elif given is not None and is_image(given.array):
            _draw_window(one, given)
        elif given is not None and given.words:
            _draw_words(one, given)
        elif one.seen.ndim == 2:
            _draw_steps(one)
        elif one.seen.ndim == 1:
            _draw_numbers(one, given)
        else:
            text(f"{int(one.seen.sum()):,} of {one.seen.size:,} numbers.")


def _draw_window(one: FieldLook, given: InputLook) -> None:
    rows, columns = (np.nonzero(one.seen.any((axis, 2)))[0] for axis in (1, 0))
    spot = Spot(int(rows[0]), int(columns[0]), int(rows[-1] - rows[0] + 1),
                int(columns[-1] - columns[0] + 1))  # fmt: skip
    gradient = one.gradient.sum(-1)
    with ui.element("div").classes("gs-pair"):
        with ui.element("div"):
            told = f"{given.name}, framed where the unit can see: rows {spot.row} to " \
                   f"{spot.row + spot.height - 1}, columns {spot.column} to " \
                   f"{spot.column + spot.width - 1}"  # fmt: skip
            picture(drawn(photo(given.array, given.span), told, spots=[spot]))
            note(f"Receptive field: {spot.height} × {spot.width} pixels, rows {spot.row} to "
                 f"{spot.row + spot.height - 1}, columns {spot.column} to "
                 f"{spot.column + spot.width - 1}.")  # fmt: skip
        with ui.element("div"):
            picture(drawn(shades(gradient, signed=True), f"Gradient of the unit by {given.name}",
                          spots=[spot]))  # fmt: skip
            note("What each pixel does to the unit, here and now: its gradient.")
            legend(gradient, signed=True)


def _draw_numbers(one: FieldLook, given: InputLook | None) -> None:
    columns = given.columns if given and len(given.columns) == one.seen.size else ()
    order = np.argsort(-np.abs(one.gradient), kind="stable")[:_MOST_NUMBERS]
    rows = [
        {"number": columns[place] if columns else str(place),
         "gradient": _number(float(one.gradient[place]))}
        for place in order
    ]  # fmt: skip
    with scrolls("Gradients"):
        whole_table(rows, ("number", "gradient"), numbers=("gradient",))
    note(f"It sees {int(one.seen.sum()):,} of {one.seen.size:,} numbers. The gradient is what a "
         "small change of each does to the unit.")  # fmt: skip


def _draw_words(one: FieldLook, given: InputLook) -> None:
    sizes = one.gradient / (one.gradient.max() or 1.0)
    parts = [
        element(
            "span", escape(word or "·"), title=f"gradient {float(size):.3g}",
            style=f"--share: {float(share):.3f}", class_="gs-word" if seen else "gs-word unseen",
        )
        for word, share, size, seen in zip(
            given.words, sizes, one.gradient, one.seen, strict=True
        )
        if word
    ]  # fmt: skip
    ui.html(join(*parts), sanitize=False).classes("gs-words")
    note("The darker, the more a change of the word's numbers does to the unit.")


def _draw_steps(one: FieldLook) -> None:
    steps = np.nonzero(one.seen.any(1))[0]
    alt = f"Gradient of the unit by each step and feature; it sees {len(steps)} steps"
    spot = Spot(0, int(steps[0]), one.seen.shape[1], int(steps[-1] - steps[0] + 1))
    picture(drawn(shades(one.gradient.T, signed=True), alt, spots=[spot])).classes("wide")
    note(f"Steps → · features ↓. It sees steps {steps[0]} to {steps[-1]}; colours are its gradient."
         )  # fmt: skip
    legend(one.gradient, signed=True)
