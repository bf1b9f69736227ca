"""The room of runs: all that a folder holds, live; curves side by side; renaming and deleting."""

from __future__ import annotations

from typing import Any, final

from nicegui import ui
from starlette.requests import Request

from gatescope.runs.compare import differences
from gatescope.runs.folder import Listing, delete_run, list_runs, rename_run
from gatescope.runs.open import Run
from gatescope.runs.view import COLUMNS, curves, difference_rows, listing_rows
from gatescope.studio import charts
from gatescope.studio.folders import address_of, run_named
from gatescope.studio.frame import Studio, card, empty, heading, room, said, text, whole_table

_SECONDS = 2.0
_LINK = (
    '<q-td :props="props"><a :href="props.row.address" class="gs-link">{{ props.value }}</a></q-td>'
)
_MOST_COMPARED = 6


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """

    @ui.page("/runs")
    def runs(request: Request) -> None:
        with room("Runs", "Runs", "Every training of this folder, as it goes on. Choose some to "
                  "compare them; open one to look inside."):  # fmt: skip
            chosen = [name for name in request.query_params.get("compare", "").split(",") if name]
            RunsView(studio, chosen)


@final
class RunsView:
    """The page of one visitor.

    Args:
        studio: What it shows.
        chosen: Runs to compare at first.
    """

    def __init__(self, studio: Studio, chosen: list[str]) -> None:
        self._studio = studio
        self._rows: list[dict[str, Any]] = []
        with ui.element("div") as self._none:
            empty(f"There is no run in {str(studio.folder)!r} yet.", "gatescope train hidden")
        with card("All runs") as self._all:
            with ui.element("div").classes("gs-row"):
                words = ui.input("Filter").props("dense clearable")
                self._rename = ui.button("Rename", on_click=self._ask_name).props("flat dense")
                self._delete = ui.button("Delete", on_click=self._ask).props(
                    "flat dense color=negative"
                )
            self._table = ui.table(
                rows=[], columns=_columns(), row_key="run", selection="multiple", pagination=20,
                on_select=lambda _: self._compare(),
            ).props("flat dense")  # fmt: skip
            self._table.add_slot("body-cell-run", _LINK)
            words.bind_value_to(self._table, "filter", forward=lambda value: value or "")
        self._compared = ui.element("div").classes("gs-stack")
        self._refresh()
        self._table.selected = [row for row in self._rows if row["run"] in chosen]
        self._compare()
        ui.timer(_SECONDS, self._refresh)

    def _refresh(self) -> None:
        root = self._studio.folder
        rows = _rows(list_runs(root)) if root.is_dir() else []
        if rows == self._rows and rows:
            return
        self._rows = rows
        self._none.set_visibility(not rows)
        self._all.set_visibility(bool(rows))
        self._table.rows = rows
        known = {row["run"] for row in rows}
        self._table.selected = [row for row in self._table.selected if row["run"] in known]

    @property
    def _chosen(self) -> list[str]:
        return [row["run"] for row in self._table.selected]

    def _compare(self) -> None:
        """Draws the curves of chosen runs over each other, and what their settings differ in."""
        chosen = self._chosen[:_MOST_COMPARED]
        self._rename.set_enabled(len(chosen) == 1)
        self._delete.set_enabled(bool(chosen))
        self._compared.clear()
        asked = f"?compare={','.join(chosen)}" if chosen else ""
        ui.navigate.history.replace(f"/runs{asked}")
        if not chosen:
            return
        with self._compared, said():
            found = {name: run_named(name, self._studio.folder) for name in chosen}
            _draw_curves(found)
            _draw_differences(found)

    def _ask_name(self) -> None:
        (name,) = self._chosen
        with ui.dialog() as dialog, ui.card():
            heading(f"Rename {name}")
            typed = ui.input("New name", value=name.rpartition("/")[2])
            with ui.element("div").classes("gs-row"):
                ui.button("Rename", on_click=lambda: self._renamed(dialog, name, typed.value))
                ui.button("Cancel", on_click=dialog.close).props("flat")
        dialog.open()

    def _renamed(self, dialog: ui.dialog, name: str, new: str) -> None:
        dialog.close()
        root = self._studio.folder
        with said():
            rename_run(run_named(name, root).folder, root, new)
        self._refresh()

    def _ask(self) -> None:
        """Asks twice, for there is no way back."""
        chosen = self._chosen
        with ui.dialog() as dialog, ui.card():
            heading(f"Delete {len(chosen)} run{'s' * (len(chosen) > 1)}?")
            text(f"{', '.join(chosen)}, with all that their folders hold.")
            sure = ui.checkbox("They cannot be brought back: I am sure")
            with ui.element("div").classes("gs-row"):
                delete = ui.button("Delete", on_click=lambda: self._deleted(dialog, chosen))
                delete.props("color=negative").bind_enabled_from(sure, "value")
                ui.button("Cancel", on_click=dialog.close).props("flat")
        dialog.open()

    def _deleted(self, dialog: ui.dialog, chosen: list[str]) -> None:
        dialog.close()
        root = self._studio.folder
        for name in chosen:
            with said():
                delete_run(run_named(name, root).folder, root)
        self._refresh()
        self._compare()


def _columns() -> list[dict[str, Any]]:
    right = ("step", "loss", "findings")
    return [
        {"name": name, "label": name, "field": name, "sortable": True,
         "align": "right" if name in right else "left"}
        for name in COLUMNS
    ]  # fmt: skip


def _rows(listing: Listing) -> list[dict[str, Any]]:
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in listing_rows(listing)]
    return [row | {"address": address_of(str(row["run"]))} for row in rows]


def _draw_curves(found: dict[str, Run]) -> None:
    drawn: dict[str, list[Any]] = {}
    for name, run in found.items():
        for one in curves(run):
            drawn.setdefault(one.label, []).append(type(one)(name, one.x, one.y))
    with ui.element("div").classes("gs-columns even"):
        for metric, series in drawn.items():
            with card(metric):
                options = charts.lines(series, x_label="step", y_label=metric)
                charts.chart(options, f"{metric} of {', '.join(found)}")


def _draw_differences(found: dict[str, Run]) -> None:
    first, *others = found.items()
    for name, run in others:
        rows = difference_rows(differences(first[1].configuration, run.configuration))
        with card(f"Settings of {first[0]} and {name}"):
            if not rows:
                text("They are equal.")
                continue
            heads = ("setting", first[0], name)
            whole_table([dict(zip(heads, row, strict=True)) for row in rows], heads)
