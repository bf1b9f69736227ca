"""What can be set in the playground: data, layers and training; each change is told at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import log10
from typing import Any, final

from nicegui import ui
from nicegui.events import UploadEventArguments

from gatescope.catalog.pairs import Target
from gatescope.errors import GatescopeError
from gatescope.models.heads import losses_for
from gatescope.studio.frame import heading, set_text, text
from gatescope.studio.rooms.playground.settings import (
    ACTIVATION_NAMES,
    DATA,
    INITIALIZER_NAMES,
    MOST_BYTES,
    MOST_LAYERS,
    MOST_UNITS,
    OF_SCHEDULES,
    OPTIMIZER_NAMES,
    SCHEDULES,
    SHAPES,
    Settings,
    optimizer_settings,
)

_PACES = {
    10: "10 steps a second", 100: "100 steps a second", 1000: "1,000 steps a second",
    0: "as fast as it can",
}  # fmt: skip
_NORMALIZATIONS = {"none": "none", "batch": "batch", "layer": "layer"}

Changed = Callable[[Settings], None]
Refused = Callable[[GatescopeError], None]


@final
class Controls:
    """The column of settings, and the rows of hidden layers. It holds what is set.

    Args:
        settings: At first.
        changed: Is told of other settings.
        refused: Is told what cannot be; what was set before stays.
        take_file: Is given an uploaded table.
    """

    def __init__(
        self,
        settings: Settings,
        changed: Changed,
        refused: Refused,
        take_file: Callable[[UploadEventArguments], Awaitable[None]],
    ) -> None:
        self.settings = settings
        self._changed, self._refused, self._take_file = changed, refused, take_file
        self._columns: Sequence[str] = ()
        self._kind: Target = "binary"
        self._column = ui.element("div").classes("gs-card gs-settings")
        self._layers: ui.element | None = None
        self._draw()

    def draw_layers(self) -> None:
        """Puts the rows of hidden layers where they are asked for."""
        self._layers = ui.element("div").classes("gs-hidden")
        self._draw_layers()

    def take(self, settings: Settings) -> None:
        """Sets everything, and shows it.

        Args:
            settings: All of it.
        """
        self.settings = settings
        self._changed(settings)
        self._draw()  # last, for it may take away what was clicked
        self._draw_layers()

    def offer_columns(self, columns: Sequence[str], target: str) -> None:
        """Lets one of a table's columns be chosen.

        Args:
            columns: Their names.
            target: The one that is predicted at first.
        """
        self._columns = columns
        self.take(self.settings.but(data="csv", target=target, loss=""))

    def know_kind(self, kind: Target) -> None:
        """Offers the losses for a kind of target.

        Args:
            kind: Such as `binary`.
        """
        if kind != self._kind:
            self._kind = kind
            self._draw_loss()

    def _set(self, **changed: Any) -> bool:
        try:
            self.settings = self.settings.but(**changed)
        except GatescopeError as error:
            self._refused(error)
            return False
        self._changed(self.settings)
        return True

    # The column.

    def _draw(self) -> None:
        self._column.clear()
        with self._column:
            heading("Data")
            self._select("data", "Learn", DATA, self._of_other_data)
            self._of_data = ui.element("div").classes("gs-group")
            self._draw_data()
            self._slider("held_out", "Held out", 0.1, 0.8, 0.05, "{:.0%}")
            self._slider("batch", "Samples a step", 1, 128, 1, "{:.0f}")
            heading("Training")
            self._draw_rate()
            self._select("optimizer", "Optimizer", list(OPTIMIZER_NAMES), self._of_other_optimizer)
            self._of_optimizer = ui.element("div").classes("gs-group")
            self._draw_optimizer()
            self._select("schedule", "Schedule", list(SCHEDULES), self._of_other_schedule)
            self._of_schedule = ui.element("div").classes("gs-group")
            self._draw_schedule()
            self._of_loss = ui.element("div").classes("gs-group")
            self._draw_loss()
            self._select("pace", "Pace", _PACES)
            with _more("Weights and regularization"):
                initializers = {"": "as the activation needs", **_same(INITIALIZER_NAMES)}
                self._select("initializer", "Initializer", initializers)
                self._select("normalization", "Normalization", _NORMALIZATIONS)
                self._slider("dropout", "Dropout", 0, 0.8, 0.05, "{:.0%}")
                self._select("l1", "L1", _penalties(self.settings.l1))
                self._select("l2", "L2", _penalties(self.settings.l2))
                self._number("seed", "Seed", 0, 9999)

    def _draw_data(self) -> None:
        self._of_data.clear()
        with self._of_data:
            if self.settings.data in SHAPES:
                self._slider("samples", "Points", 40, 2000, 20, "{:.0f}")
                self._slider("noise", "Noise", 0, 0.5, 0.01, "{:.2f}")
            elif self.settings.data == "csv":
                self._draw_upload()

    def _draw_upload(self) -> None:
        text("Columns of numbers, and one to predict; 1 MB at most. It stays in this tab.").classes(
            "note"
        )
        upload = ui.upload(
            label="CSV file", auto_upload=True, max_file_size=MOST_BYTES, on_upload=self._take_file,
            on_rejected=lambda: ui.notify(
                "No CSV file, or one larger than 1 MB.", type="negative"
            ),
        ).props('accept=".csv,.tsv,.txt" flat bordered')  # fmt: skip
        upload.classes("gs-csv")
        if self._columns:
            self._select("target", "Column to predict", _same(self._columns))

    def _of_other_data(self, _: Any) -> None:
        self._set(loss="")
        self._draw_data()

    def _of_other_optimizer(self, _: Any) -> None:
        self._draw_optimizer()

    def _of_other_schedule(self, _: Any) -> None:
        self._draw_schedule()

    def _draw_rate(self) -> None:
        rate = self.settings.rate
        number = ui.number("Learning rate", value=rate, min=1e-5, max=10, format="%.4g")
        number.props("dense debounce=300")
        slider = ui.slider(min=-4, max=1, step=0.05, value=log10(rate))
        slider.props('aria-label="Learning rate, as a power of ten"')
        number.on_value_change(lambda event: self._rate_to(event.value))
        slider.on("change", lambda event: number.set_value(_rounded(10 ** float(event.args))))
        text("The rate and the pace change at once; all else begins anew.").classes("note")

    def _rate_to(self, rate: float | None) -> None:
        if rate is not None and rate != self.settings.rate:
            self._set(rate=rate)

    def _draw_optimizer(self) -> None:
        self._of_optimizer.clear()
        with self._of_optimizer:
            for one in optimizer_settings(self.settings.optimizer):
                value = self.settings.optimizer_settings.get(one.name, one.default)
                self._of_many("optimizer_settings", one.name, value, one.default, one.meaning)

    def _draw_schedule(self) -> None:
        self._of_schedule.clear()
        asked = self.settings
        with self._of_schedule:
            if asked.schedule in ("cosine", "one_cycle"):
                self._number("epochs", "Epochs of the schedule", 1, 1000)
            for one in OF_SCHEDULES[asked.schedule]:
                value = asked.schedule_settings.get(one.name, one.default)
                told = f"{one.span.low:g} to {one.span.high:g}"
                self._of_many("schedule_settings", one.name, value, one.default, told)

    def _of_many(self, group: str, name: str, value: float, default: float, told: str) -> None:
        """A number among the settings of an optimizer or a schedule."""

        def to(event: Any) -> None:
            if event.value is None:
                return
            others = {k: v for k, v in getattr(self.settings, group).items() if k != name}
            kept = {} if event.value == default else {name: float(event.value)}
            self._set(**{group: others | kept})

        number = ui.number(name.replace("_", " "), value=value, format="%.6g", on_change=to)
        number.props("dense debounce=500").tooltip(told)

    def _draw_loss(self) -> None:
        self._of_loss.clear()
        with self._of_loss:
            usual, *others = losses_for(self._kind)
            known = {"": usual.replace("_", " "), **{one: one.replace("_", " ") for one in others}}
            if self.settings.loss not in known:
                known[self.settings.loss] = self.settings.loss
            self._select("loss", "Loss", known)

    # One setting.

    def _select(
        self,
        name: str,
        label: str,
        options: Any,
        then: Callable[[Any], None] | None = None,
    ) -> None:
        def to(event: Any) -> None:
            if event.value == getattr(self.settings, name):
                return
            changed = {name: event.value}
            if name in ("optimizer", "schedule"):
                changed[f"{name}_settings"] = {}
            if self._set(**changed) and then:
                then(event)

        value = getattr(self.settings, name)
        ui.select(options, label=label, value=value, on_change=to).props("dense options-dense")

    def _slider(
        self, name: str, label: str, low: float, high: float, step: float, form: str
    ) -> None:
        value = getattr(self.settings, name)
        with ui.element("div").classes("gs-slide"):
            text(label, tag="span")
            shown = text(form.format(value), tag="span").classes("value")
            slider = ui.slider(min=low, max=high, step=step, value=value)
        slider.props["aria-label"] = label
        slider.on_value_change(lambda event: set_text(shown, form.format(event.value)))
        # When it is let go: what it passes on the way would all be built.
        slider.on("change", lambda event: self._set(**{name: event.args}))

    def _number(self, name: str, label: str, low: int, high: int) -> None:
        def to(event: Any) -> None:
            if event.value is not None and event.value != getattr(self.settings, name):
                self._set(**{name: int(event.value)})

        value = getattr(self.settings, name)
        number = ui.number(label, value=value, min=low, max=high, precision=0, on_change=to)
        number.props("dense debounce=500")

    # Hidden layers.

    def _draw_layers(self) -> None:
        if self._layers is None:
            return
        self._layers.clear()
        with self._layers:
            for place, _ in enumerate(self.settings.layers):
                self._draw_layer(place)
            add = ui.button("Add a layer", icon="add", on_click=self._add_layer)
            add.props("flat dense no-caps").set_enabled(len(self.settings.layers) < MOST_LAYERS)

    def _draw_layer(self, place: int) -> None:
        layer = self.settings.layers[place]
        name = f"layer {place + 1}"
        with ui.element("div").classes("gs-layer"):
            text(name.capitalize(), tag="span").classes("gs-name")
            units = ui.number(
                value=layer.units, min=1, max=MOST_UNITS, precision=0, suffix="units",
                on_change=lambda event: self._change_layer(place, units=event.value),
            ).props("dense debounce=300")  # fmt: skip
            units.props["aria-label"] = f"Units of {name}"
            chosen = ui.select(
                list(ACTIVATION_NAMES), value=layer.activation,
                on_change=lambda event: self._change_layer(place, activation=event.value),
            ).props("dense options-dense")  # fmt: skip
            chosen.props["aria-label"] = f"Activation of {name}"
            remove = ui.button(icon="close", on_click=partial(self._remove_layer, place))
            remove.props("flat round dense size=sm").props["aria-label"] = f"Remove {name}"

    def _change_layer(self, place: int, **changed: Any) -> None:
        if None in changed.values():
            return
        layers = [one.model_dump() for one in self.settings.layers]
        layers[place] |= changed
        self._set(layers=layers)

    def _add_layer(self) -> None:
        layers = [one.model_dump() for one in self.settings.layers]
        last = layers[-1] if layers else {"units": 8, "activation": "tanh"}
        if self._set(layers=[*layers, last]):
            self._draw_layers()

    def _remove_layer(self, place: int) -> None:
        layers = [one for at, one in enumerate(self.settings.layers) if at != place]
        if self._set(layers=[one.model_dump() for one in layers]):
            self._draw_layers()


@contextmanager
def _more(title: str) -> Any:
    with ui.expansion(title).classes("gs-more"), ui.element("div").classes("gs-group"):
        yield


def _same(names: Sequence[str]) -> Mapping[str, str]:
    return {name: name for name in names}


def _penalties(present: float) -> Mapping[float, str]:
    strengths = sorted({0.0, 1e-5, 1e-4, 1e-3, 1e-2, present})
    return {one: f"{one:g}" if one else "none" for one in strengths}


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")
