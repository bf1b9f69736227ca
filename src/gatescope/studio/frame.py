"""What all rooms share: the header, one look, and how errors are said."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from nicegui import app, ui

from gatescope.errors import GatescopeError

# NiceGUI 3.18's chart draws itself a moment after it is there; taken away before, it fails.
_CHARTS_MAY_GO = """
  app.mixin({ beforeUnmount() {
    if ("enable3d" in this.$props && !this.chart) this.chart = { dispose() {} };
  } });
"""
PATIENCE = 60.0
"""Seconds for a page that reads from disk before it is sent; NiceGUI's own 3 are soon over where
much else goes on."""
_LOG = logging.getLogger("gatescope.studio")


@dataclass(frozen=True)
class Studio:
    """What the rooms show.

    Args:
        folder: Where runs are.
    """

    folder: Path


class Room(NamedTuple):
    """A page that the header leads to."""

    name: str
    address: str


ROOMS = (
    Room("Gates", "/"),
    Room("Mechanisms", "/mechanisms"),
    Room("Playground", "/playground"),
    Room("Runs", "/runs"),
    Room("Network", "/network"),
    Room("Captions", "/captions"),
)


def prepare(studio: Studio) -> None:
    """Gives all pages one look, and says errors that nothing else has said.

    Args:
        studio: What the rooms show.
    """
    look = files("gatescope.report").joinpath("style.css").read_text("utf-8")
    own = files("gatescope.studio").joinpath("style.css").read_text("utf-8")
    ui.add_head_html(f"<style>{look}{own}</style>", shared=True)
    app.on_exception(_unexpected)
    app.on_page_exception(_sorry)
    # No bar that shows that something is loaded: it has no name for those who do not see it.
    app.config.quasar_config["loadingBar"] = {"skipHijack": True}
    app.config.vue_config_script += _CHARTS_MAY_GO
    app.colors(primary="#0b62a8", negative="#b3261e", positive="#00705a")


def _unexpected(error: Exception) -> None:
    _LOG.error("a page of the studio failed", exc_info=error)


def _sorry() -> None:
    """The page in place of one that failed; what happened stands in the log alone."""
    with room("", "This page failed", "It is a fault of Gatescope's own; the terminal that the "
              "studio was started in says what happened."):  # fmt: skip
        ui.link("To the first page", "/").classes("gs-link")


@contextmanager
def room(name: str, title: str, lead: str) -> Iterator[None]:
    """A page of the studio.

    Args:
        name: The room that the header marks.
        title: The page's heading.
        lead: What can be done here, in a sentence.
    """
    ui.page_title(f"{title} · Gatescope")
    with ui.header().classes("studio-header"):
        ui.link("Skip to content", "#content").classes("skip")
        ui.link("Gatescope", "/").classes("brand")
        with ui.element("nav").props('aria-label="Rooms"'):
            for each in ROOMS:
                link = ui.link(each.name, each.address)
                if each.name == name:
                    link.props('aria-current="page"')
    # The second class holds what style.css says of this room alone.
    classes = f"gs-room gs-in-{name.lower()}" if name else "gs-room"
    with ui.element("div").classes(classes).props("id=content tabindex=-1"):
        with ui.element("div").classes("gs-opening"):
            heading(title, 1)
            text(lead).classes("lead")
        yield


def heading(words: str, level: int = 2) -> ui.html:
    """A heading.

    Args:
        words: Its text.
        level: From 1.
    """
    return text(words, tag=f"h{level}")


def text(words: str, *, tag: str = "p") -> ui.html:
    """Text, whatever letters are in it.

    Args:
        words: The text.
        tag: The element that holds it.
    """
    from gatescope.report.html import escape

    return ui.html(escape(words), tag=tag, sanitize=False)


def set_text(shown: ui.html, words: str) -> None:
    """Puts other words into what `text` made, whatever letters are in them.

    Args:
        shown: What it made.
        words: The text.
    """
    from gatescope.report.html import escape

    shown.set_content(escape(words))


@contextmanager
def card(title: str, *, level: int = 2) -> Iterator[ui.element]:
    """A box with a heading.

    Args:
        title: The heading.
        level: Of the heading.
    """
    with ui.element("section").classes("gs-card") as box:
        heading(title, level)
        yield box


@contextmanager
def said() -> Iterator[None]:
    """Shows an error of the user's to solve in a sentence, for what happens on a click."""
    try:
        yield
    except GatescopeError as error:
        ui.notify(f"{error.happened}. {error.fix}", type="negative", multi_line=True, timeout=8000)


def whole_table(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, numbers: Sequence[str] = ()
) -> ui.table:
    """A table that shows all of its rows.

    Args:
        rows: Cells by column.
        columns: Their names.
        numbers: Those whose cells are flushed right.
    """
    heads = [
        {
            "name": name, "label": name.replace("_", " "), "field": name,
            "align": "right" if name in numbers else "left",
        }
        for name in columns
    ]  # fmt: skip
    shown = ui.table(rows=[dict(row) for row in rows], columns=heads, pagination=0)
    return shown.props("flat dense hide-pagination")


def empty(words: str, command: str) -> None:
    """What stands where there is nothing to show yet.

    Args:
        words: What is missing.
        command: What is typed to have it.
    """
    with ui.element("div").classes("gs-empty"):
        text(words)
        text(command, tag="code")
