"""The room of runs: all that a folder holds, live; curves side by side; renaming and deleting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, final
from urllib.parse import urlencode

from nicegui import run as threads
from nicegui import ui
from starlette.requests import Request

from gatescope.report.series import Series
from gatescope.runs.compare import differences
from gatescope.runs.folder import Listing, delete_run, list_runs, rename_run
from gatescope.runs.view import COLUMNS, curves, difference_rows, listing_rows
from gatescope.studio import charts, pictures
from gatescope.studio.folders import address_of, is_inside, run_named
from gatescope.studio.frame import (
    PATIENCE,
    Studio,
    card,
    empty,
    heading,
    room,
    said,
    text,
    whole_table,
)

_SECONDS = 2.0
_LINK = (
    '<q-td :props="props"><a :href="props.row.address" class="gs-link">{{ props.value }}</a></q-td>'
)
_CHOOSE = (
    """<q-checkbox dense v-model="props.selected" :aria-label="'Choose ' + props.row.run" />"""
)
_CHOOSE_ALL = '<q-checkbox dense v-model="props.selected" aria-label="Choose all" />'
_MOST_COMPARED = 6
_SETTLED_AFTER = 0.2  # seconds: who chooses several does so one after the other


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """
    listed = Listed(studio.folder)

    @ui.page("/runs", response_timeout=PATIENCE)
    async def runs(request: Request) -> None:
        with room("Runs", "Runs", "Every training of this folder, as it goes on. Choose some to "
                  "compare them; open one to look inside."):  # fmt: skip
            chosen = [name for name in request.query_params.get("compare", "").split(",") if name]
            await RunsView(studio, listed).open(chosen)


@final
class Listed:
    """Rows of all runs, read once for all who look at the same time.

    Args:
        root: The folder of runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read_at = -_SECONDS
        self._rows: list[dict[str, Any]] = []
        self._lock = Lock()

    def rows(self, *, fresh: bool = False) -> list[dict[str, Any]]:
        """Cells by column, and where the run is shown.

        Args:
            fresh: Whether what was read a moment ago is too old, as after a deletion.
        """
        with self._lock:
            if fresh or time.monotonic() - self._read_at > _SECONDS / 2:
                found = list_runs(self._root) if self._root.is_dir() else Listing([], {}, [])
                self._rows = [
                    row for row in _rows(found) if is_inside(self._root / row["run"], self._root)
                ]
                self._read_at = time.monotonic()
            return self._rows


@final
class RunsView:
    """The page of one visitor.

    Args:
        studio: What it shows.
        listed: The runs.
    """

    def __init__(self, studio: Studio, listed: Listed) -> None:
        self._studio, self._listed = studio, listed
        self._rows: list[dict[str, Any]] = []
        self._drawn: list[str] = []
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
            self._table.add_slot("header-selection", _CHOOSE_ALL)
            self._table.add_slot("body-selection", _CHOOSE)
            words.bind_value_to(self._table, "filter", forward=lambda value: value or "")
        self._compared = ui.element("div").classes("gs-stack")
        ui.timer(_SECONDS, self._refresh, immediate=False)

    async def open(self, chosen: Sequence[str]) -> None:
        """Draws the page.

        Args:
            chosen: Runs to compare at first.
        """
        await self._refresh()
        rows = {row["run"]: row for row in self._rows}
        self._table.selected = [rows[name] for name in chosen if name in rows]
        await self._compare()

    async def _refresh(self, *, fresh: bool = False) -> None:
        try:
            rows = await threads.io_bound(self._listed.rows, fresh=fresh)
        except OSError:  # the folder is being moved, say; the next time it is known where to
            return
        if rows is None or (rows == self._rows and rows):
            return
        self._rows = rows
        self._none.set_visibility(not rows)
        self._all.set_visibility(bool(rows))
        self._table.rows = list(rows)
        known = {row["run"] for row in rows}
        self._table.selected = [row for row in self._table.selected if row["run"] in known]

    @property
    def _chosen(self) -> list[str]:
        return [row["run"] for row in self._table.selected]

    async def _compare(self) -> None:
        """Draws the curves of chosen runs over each other, and what their settings differ in."""
        chosen = self._chosen[:_MOST_COMPARED]
        self._rename.set_enabled(len(chosen) == 1)
        self._delete.set_enabled(bool(chosen))
        asked = f"?{urlencode({'compare': ','.join(chosen)})}" if chosen else ""
        ui.navigate.history.replace(f"/runs{asked}")
        await asyncio.sleep(_SETTLED_AFTER)
        if chosen != self._chosen[:_MOST_COMPARED] or chosen == self._drawn:
            return
        self._drawn = chosen
        with self._compared, said():
            drawn = await threads.io_bound(_comparison, chosen, self._studio.folder)
            if drawn is not None and chosen == self._drawn:
                self._compared.clear()
                _draw(drawn, chosen)

    def _ask_name(self) -> None:
        (name,) = self._chosen
        with ui.dialog() as dialog, ui.card():
            heading(f"Rename {name}")
            typed = ui.input("New name", value=name.rpartition("/")[2])
            with ui.element("div").classes("gs-row"):
                ui.button("Rename", on_click=lambda: self._renamed(dialog, name, typed.value))
                ui.button("Cancel", on_click=dialog.close).props("flat")
        dialog.open()

    async def _renamed(self, dialog: ui.dialog, name: str, new: str) -> None:
        dialog.close()
        root = self._studio.folder
        with said():
            rename_run(run_named(name, root).folder, root, new)
        await self._refresh(fresh=True)
        await self._compare()

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

    async def _deleted(self, dialog: ui.dialog, chosen: list[str]) -> None:
        dialog.close()
        root = self._studio.folder
        for name in chosen:
            with said():
                await threads.io_bound(delete_run, run_named(name, root).folder, root)
        await self._refresh(fresh=True)
        await self._compare()


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


class Comparison(NamedTuple):
    """What chosen runs have in common, and what not."""

    curves: dict[str, charts.Options]
    differences: dict[str, list[tuple[str, str, str]]]


def _comparison(chosen: Sequence[str], root: Path) -> Comparison:
    """Curves by metric, and how settings of the first differ from each of the others'.

    Raises:
        RunError: One of the runs is gone, or damaged.
    """
    found = {name: run_named(name, root) for name in chosen}
    grouped: dict[str, list[Series]] = {}
    for name, run in found.items():
        for one in curves(run):
            grouped.setdefault(one.label, []).append(Series(name, one.x, one.y))
    drawn = {
        metric: charts.lines(series, x_label="step", y_label="")
        for metric, series in sorted(grouped.items(), key=lambda item: pictures.rank(item[0]))
    }
    configured = {name: run.configuration for name, run in found.items()}
    differing = {
        name: difference_rows(differences(configured[chosen[0]], configured[name]))
        for name in chosen[1:]
    }
    return Comparison(drawn, differing)


def _draw(drawn: Comparison, chosen: Sequence[str]) -> None:
    for name, rows in drawn.differences.items():
        with card(f"Settings of {chosen[0]} and {name}"):
            if not rows:
                text("They are equal.")
                continue
            heads = ("setting", chosen[0], name)
            whole_table([dict(zip(heads, row, strict=True)) for row in rows], heads)
    with ui.element("div").classes("gs-columns even"):
        for metric, options in drawn.curves.items():
            with card(metric.replace("_", " ")):
                charts.chart(options, f"{metric} of {', '.join(chosen)}")
