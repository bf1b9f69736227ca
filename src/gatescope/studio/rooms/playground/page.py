"""The room of the playground: a network that trains for real while it is watched and steered."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast, final

from nicegui import background_tasks, ui
from nicegui.events import UploadEventArguments
from starlette.requests import Request

from gatescope.errors import DataError, GatescopeError, UsageError
from gatescope.studio import charts
from gatescope.studio.frame import Studio, card, room, said, set_text, text, whole_table
from gatescope.studio.rooms.playground.controls import Controls
from gatescope.studio.rooms.playground.settings import MOST_BYTES, Settings, settings_of

if TYPE_CHECKING:
    from gatescope.recipes.kinds.playground import Playground
    from gatescope.studio.rooms.playground.pictures import Pictures
    from gatescope.training.steering import SteeredTraining

_LEAD = "Press Play, and watch a network learn. Change whatever you like meanwhile."
_SECONDS = 0.25  # between two looks
_EXAMPLES: tuple[tuple[str, dict[str, str]], ...] = (
    ("Two circles", {}),
    ("Spirals", {"data": "spirals", "layers": "16:tanh,16:tanh", "pace": "0"}),
    ("Too few units", {"layers": "2:tanh"}),
    ("Dead units", {"layers": "12:relu,12:relu", "optimizer": "sgd", "rate": "3"}),
    ("Vanishing gradient", {"layers": ",".join(["8:sigmoid"] * 6), "initializer": "random_normal"}),
    ("Overfitting", {
        "data": "moons", "samples": "60", "noise": "0.4", "held_out": "0.5", "pace": "0",
        "layers": "16:relu,16:relu",
    }),
    ("Iris", {"data": "iris", "layers": "8:tanh"}),
    ("Digits", {"data": "digits", "layers": "16:relu,12:relu"}),
)  # fmt: skip


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """

    @ui.page("/playground")
    def playground(request: Request) -> None:
        with room("Playground", "Playground", _LEAD):
            try:
                settings, problem = settings_of(request.query_params), ""
            except GatescopeError as error:
                settings, problem = Settings(), f"{error.happened}: {error.expected}"
            view = PlaygroundView(settings, problem)
            ui.context.client.on_delete(view.close)


@dataclass(frozen=True)
class _Opened:
    """A training that stands ready, and what it was opened with."""

    settings: Settings
    playground: Playground
    training: SteeredTraining


def _open(settings: Settings, table: Path | None) -> _Opened:
    """Loads data and builds the network; slow, so not for the event loop."""
    playground = settings.playground(table)
    return _Opened(settings, playground, playground.open())


def _look(opened: _Opened) -> tuple[Pictures, int, float, bool, str]:
    from gatescope.studio.rooms.playground.pictures import pictures

    seen = opened.training.snapshot()
    drawn = pictures(opened.playground, opened.training.plane, seen)
    return drawn, seen.step, seen.epoch, seen.playing, seen.problem


def _script(settings: Settings, table: Path | None, name: str | None) -> str:
    from gatescope.recipes.kinds.keras_script import keras_script

    return keras_script(settings.playground(table), table=name)


@final
class PlaygroundView:
    """The page of one visitor, who has a training of their own.

    Args:
        settings: What it begins with.
        problem: What to say at first.
    """

    def __init__(self, settings: Settings, problem: str) -> None:
        self._refused = problem
        self._wanted: Settings | None = settings
        self._opened: _Opened | None = None
        self._play_on = self._gone = self._shows_playing = False
        self._table: Path | None = None
        self._file_name = ""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._looking = asyncio.Lock()
        self._draw_bar()
        with ui.element("div").classes("gs-playground"):
            self._controls = Controls(settings, self._changed, self._refuse, self._take_file)
            self._draw_network()
            self._draw_output()
        self._say(problem or "Starting TensorFlow …", wrong=bool(problem))
        self._timer = ui.timer(_SECONDS, self._tick)

    def close(self) -> None:
        """Ends the training when the visitor has gone."""
        self._gone = True
        self._timer.deactivate()
        if self._opened:
            background_tasks.create(_closed(self._opened), name="close a training")
            self._opened = None
        if self._folder:
            self._folder.cleanup()

    # What is on the page.

    def _draw_bar(self) -> None:
        with ui.element("div").classes("gs-card gs-bar"):
            with ui.element("div").classes("gs-row").props('role="group" aria-label="Training"'):
                self._play = ui.button("Play", icon="play_arrow", on_click=self._toggle)
                self._play.props("unelevated no-caps")
                ui.button("Step", icon="skip_next", on_click=self._step).props("outline no-caps")
                ui.button("Reset", icon="replay", on_click=self._reset).props("flat no-caps")
                self._time = text("step 0", tag="span").classes("value gs-count")
            with ui.element("div").classes("gs-row").props('role="group" aria-label="Copy"'):
                ui.button("Copy as Keras code", on_click=self._copy_code).props(
                    "flat dense no-caps"
                )
                ui.button("Copy link", on_click=self._copy_link).props("flat dense no-caps")
            self._said = text("").classes("gs-said").props('role="status"')
        with ui.element("div").classes("gs-row").props('role="group" aria-label="Examples"'):
            for name, asked in _EXAMPLES:
                ui.button(name, on_click=partial(self._take, asked)).props(
                    "outline dense no-caps padding='xs sm'"
                )

    def _draw_network(self) -> None:
        with ui.element("div").classes("gs-stack gs-middle"):
            with card("Network"):
                self._network = ui.html("", sanitize=False).classes("gs-units")
                text("In each square what a unit puts out over the plane, and on each line a "
                     "weight: red above 0, blue below. Dashed: dead. Brown: saturated.").classes(
                    "note")  # fmt: skip
                self._controls.draw_layers()
            with card("Layers"):
                columns = ("layer", "gradient", "dead", "saturated")
                self._layers = whole_table([], columns, numbers=columns[1:])
                text("Gradient: norm over the layer's weights in the last step. Dead: units that "
                     "are 0 for every sample learned from. Saturated: share of outputs where the "
                     "activation is flat on both sides.").classes("note")  # fmt: skip

    def _draw_output(self) -> None:
        with ui.element("div").classes("gs-stack gs-output"):
            with card("What the network says"):
                with ui.element("div").classes("gs-surface"):
                    self._surface = ui.element("img").props('alt=""')
                    self._samples = ui.html("", sanitize=False)
                self._legend = ui.element("div").classes("gs-classes")
                self._about = text("").classes("note gs-note")
            with card("Loss"):
                self._losses = charts.chart({}, "Loss of both parts", height="11rem")
                self._scores = ui.element("div")
                self._score_table: ui.table | None = None

    # What the visitor does.

    def _changed(self, settings: Settings) -> None:
        if self._refused:
            self._say("")
        self._refused, self._wanted = "", settings
        ui.navigate.history.replace(settings.address)

    def _take(self, asked: dict[str, str]) -> None:
        self._controls.take(settings_of(asked))

    def _refuse(self, error: GatescopeError) -> None:
        self._refused = f"{error.happened}: {error.expected}"
        self._say(self._refused, wrong=True)

    async def _take_file(self, event: UploadEventArguments) -> None:
        """Keeps an uploaded table under a name of ours, if it is one that can be learned from."""
        if event.file.size() > MOST_BYTES:  # what the browser was told, and need not heed
            ui.notify("The file is larger than 1 MB.", type="negative")
            return
        content = await event.file.read()
        cast(ui.upload, event.sender).reset()
        with said():
            columns, target = await asyncio.to_thread(self._keep, content)
            self._file_name = Path(event.file.name).name
            await self._close_opened()
            self._controls.offer_columns(columns, target)

    def _keep(self, content: bytes) -> tuple[tuple[str, ...], str]:
        """Writes a table, and reads its columns and which to predict; one before stays if not."""
        from gatescope.data.table import open_cells
        from gatescope.recipes.kinds.playground import own_table

        settings = self._controls.settings
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="gatescope-")
        new = Path(self._folder.name) / "new.csv"
        new.write_bytes(content)
        try:
            columns = open_cells(new).columns
            source = own_table(new, "", settings.held_out, settings.seed)
            source.load()
        except DataError as error:  # which names a file of ours
            happened = error.happened.replace(repr(str(new)), "the file")
            raise DataError(happened, error.expected, error.fix) from None
        self._table = new.replace(new.with_name("table.csv"))
        return columns, source.table.target

    async def _toggle(self) -> None:
        opened = self._opened
        self._play_on = not (opened.training.playing if opened else self._play_on)
        self._mark_playing(self._play_on)
        if self._play_on:
            await self._steer(lambda training: training.play(self._controls.settings.pace))
        else:
            await self._steer(lambda training: training.pause())
        await self._show()

    async def _step(self) -> None:
        self._play_on = False
        await self._steer(lambda training: training.step())
        await self._show()

    async def _reset(self) -> None:
        self._play_on = False
        rate = self._controls.settings.rate

        def anew(training: SteeredTraining) -> None:
            training.reset()
            training.set_learning_rate(rate)

        await self._steer(anew)
        await self._show()

    async def _steer(self, what: Callable[[SteeredTraining], None]) -> None:
        if self._opened is not None:
            with said():
                await asyncio.to_thread(what, self._opened.training)

    async def _copy_code(self) -> None:
        with said():
            settings, table = self._controls.settings, self._table
            script = await asyncio.to_thread(_script, settings, table, self._file_name or None)
            ui.clipboard.write(script)
            ui.notify("Copied: a script that takes these steps, with the present rate throughout.")

    def _copy_link(self) -> None:
        ui.run_javascript("navigator.clipboard.writeText(window.location.href)")
        ui.notify("Copied.")

    # What happens by itself.

    async def _tick(self) -> None:
        """Brings what is trained in line with what is set, and shows how far it is."""
        wanted = self._wanted
        if wanted is not None:
            self._wanted = None
            await self._follow(wanted)
        elif self._opened is not None and (self._opened.training.playing or self._shows_playing):
            await self._show()  # once more where it has ended by itself

    async def _follow(self, wanted: Settings) -> None:
        opened = self._opened
        if opened is not None and opened.settings.structure == wanted.structure:
            await asyncio.to_thread(opened.training.set_learning_rate, wanted.rate)
            if opened.training.playing:
                await self._steer(lambda training: training.play(wanted.pace))
            await self._show()
            return
        self._play_on = self._play_on or bool(opened and opened.training.playing)
        await self._close_opened()
        self._say("Building the network …")
        try:
            self._opened = await asyncio.to_thread(_open, wanted, self._table)
        except GatescopeError as error:
            self._say(f"{error.happened}: {error.expected}. {error.fix}", wrong=True)
            return
        except Exception:
            self._say("The network could not be built; the studio's terminal says why.", wrong=True)
            raise
        if self._gone:  # while it was built
            await self._close_opened()
            return
        await self._begin()

    async def _close_opened(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await _closed(opened)

    async def _begin(self) -> None:
        """Shows a training that has just been opened."""
        from gatescope.studio.rooms.playground.pictures import about_plane, samples_on_plane

        opened = self._opened
        if opened is None:
            return
        given = opened.playground, opened.training.plane
        self._samples.set_content(await asyncio.to_thread(samples_on_plane, *given))
        set_text(self._about, await asyncio.to_thread(about_plane, *given))
        self._draw_legend(opened.playground)
        self._controls.know_kind(opened.playground.network.outputs[0].kind)
        self._say(self._refused, wrong=True)
        if self._play_on:
            await self._steer(lambda training: training.play(opened.settings.pace))
        await self._show()

    def _draw_legend(self, playground: Playground) -> None:
        """Which colour is which class, and what dots and rings are."""
        from gatescope.studio.rooms.playground.pictures import legend

        self._legend.clear()
        with self._legend:
            for colour, name in legend(playground):
                with ui.element("span"):
                    ui.element("i").style(f"background: {colour}")
                    text(name, tag="span")
            text("dots: learned from, rings: held out", tag="span")

    async def _show(self) -> None:
        """Draws the moment, unless one is being drawn."""
        opened = self._opened
        if opened is None or self._looking.locked():
            return
        async with self._looking:
            try:
                drawn, step, epoch, playing, problem = await asyncio.to_thread(_look, opened)
            except UsageError:  # closed meanwhile, for another one
                return
        if opened is not self._opened:
            return
        self._network.set_content(drawn.network)
        self._surface.props["src"] = drawn.surface
        self._surface.update()
        options = charts.lines(drawn.losses, x_label="step", y_label="loss")
        charts.redraw(self._losses, options)
        self._layers.rows = drawn.layers
        self._show_scores(drawn.scores)
        set_text(self._time, f"step {step:,} · epoch {epoch:.1f}")
        self._mark_playing(playing)
        if problem:
            self._play_on = False
            self._say(problem, wrong=True)
        elif step == 0 and not self._refused:
            self._say("")

    def _mark_playing(self, playing: bool) -> None:
        self._shows_playing = playing
        self._play.set_text("Pause" if playing else "Play")
        self._play.set_icon("pause" if playing else "play_arrow")

    def _show_scores(self, rows: list[dict[str, object]]) -> None:
        columns = list(rows[0])
        if self._score_table is None or self._score_table.rows[0].keys() != rows[0].keys():
            self._scores.clear()
            with self._scores:
                self._score_table = whole_table(rows, columns, numbers=columns[1:])
        self._score_table.rows = rows

    def _say(self, words: str, *, wrong: bool = False) -> None:
        set_text(self._said, words)
        self._said.classes(add="gs-problem" if wrong else "note",
                           remove="note" if wrong else "gs-problem")  # fmt: skip


async def _closed(opened: _Opened) -> None:
    await asyncio.to_thread(opened.training.close)
