"""A region of the visitor's own, and what it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

from nicegui import ui

from gatescope.studio.frame import card, set_text, text, whole_table
from gatescope.studio.rooms.captions.captioned_photo import Box, box_of

if TYPE_CHECKING:
    from gatescope.caption.inspection import Inspection

_SIDES = ("top", "left", "bottom", "right")
_FIRST: Box = (0.25, 0.25, 0.75, 0.75)
_COLUMNS = ("word", "probability", "with yours", "attention on yours", "bits", "bits with yours")


@final
class RegionView:
    """The card that a region is drawn with; `draw_changes` draws that of what it changed.

    Args:
        on_box: Gets a region to caption with, and whether it stands alone, in place of those that
            the captioner found; None to do without it.
        on_drawing: Gets whether the next touch on the photo draws.
    """

    def __init__(
        self, on_box: Callable[[Box | None, bool], Any], on_drawing: Callable[[bool], Any]
    ) -> None:
        self._on_box, self._on_drawing = on_box, on_drawing
        with card("A region of your own"):
            text("Drag a box on the photo, or type its sides, and see what changes.").classes(
                "note"
            )
            self._draw_controls()
            self._problem = text("").classes("gs-problem").props('role="alert"')

    def draw_changes(self) -> None:
        """Draws the card that tells what a region changed, which is empty at first."""
        with card("What your region changes") as self._changed:
            self._told = ui.element("div").classes("gs-stack")
        self._changed.set_visibility(False)

    def _draw_controls(self) -> None:
        with ui.element("div").classes("gs-sides"):
            self._sides = [
                ui.number(f"{side} %", min=0, max=100, step=1, value=100 * first).props("dense")
                for side, first in zip(_SIDES, _FIRST, strict=True)
            ]
        self._alone = ui.checkbox("in place of the regions that were found")
        with ui.element("div").classes("gs-row"):
            ui.button("Caption with it", on_click=self._use).props("no-caps unelevated")
            self._draw = ui.button("Draw on the photo", on_click=self._toggle)
            self._draw.props("no-caps outline")
            self._remove = ui.button("Remove", on_click=lambda: self._on_box(None, False))
            self._remove.props("no-caps flat")
        self._drawing = False
        self._remove.set_enabled(False)

    def drawn(self, box: Box) -> Any:
        """Takes a region that was drawn on the photo.

        Args:
            box: Its sides.
        """
        self.set(box, alone=bool(self._alone.value))
        return self._on_box(box, bool(self._alone.value))

    def set(self, box: Box | None, *, alone: bool) -> None:
        """Shows a region's sides.

        Args:
            box: The sides; None where there is none.
            alone: Whether it stands in place of those that were found.
        """
        for field, side in zip(self._sides, box or _FIRST, strict=True):
            field.set_value(round(100 * side, 1))
        self._alone.set_value(alone)
        self._remove.set_enabled(box is not None)
        set_text(self._problem, "")
        self._draw_or_not(False)

    def clear(self) -> None:
        """Tells of no change."""
        self._changed.set_visibility(False)

    def tell(self, before: Inspection, after: Inspection) -> None:
        """Tells what the region changed.

        Args:
            before: The caption without it.
            after: The caption with it, as the first of the regions.
        """
        self._told.clear()
        self._changed.set_visibility(True)
        rows = [
            dict(zip(_COLUMNS, row, strict=True))
            for row in (
                (
                    one.text, _percent(one.probability[0]), _percent(one.probability[1]),
                    _percent(one.weight), f"{one.entropy[0]:.2f}", f"{one.entropy[1]:.2f}",
                )
                for one in before.changes(after)
            )
        ]  # fmt: skip
        same = before.caption.text == after.caption.text
        with self._told:
            text(f"Without it: {before.caption.text}")
            text(f"With it: {after.caption.text}" + " (the same words)" * same)
            whole_table(rows, _COLUMNS, numbers=_COLUMNS[1:])
            text(
                "Probabilities are those of the words that were said without your region. "
                f"Flat attention has {before.most_entropy:.2f} bits without it, "
                f"{after.most_entropy:.2f} with it."
            ).classes("note")

    def _use(self) -> Any:
        sides = [field.value for field in self._sides]
        box = box_of([None if side is None else side / 100 for side in sides])
        if box is None:
            set_text(
                self._problem,
                "That is no box inside the photo: sides go from 0 to 100 %, top is above bottom, "
                "and left is left of right.",
            )
            return None
        return self.drawn(box)

    def _toggle(self) -> None:
        self._draw_or_not(not self._drawing)

    def _draw_or_not(self, drawing: bool) -> None:
        self._drawing = drawing
        self._draw.set_text("Do not draw" if drawing else "Draw on the photo")
        self._draw.props["aria-pressed"] = str(drawing).lower()
        self._on_drawing(drawing)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
