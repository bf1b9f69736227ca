"""The room of mechanisms: what Keras offers, as curves and derivatives whose settings move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any, final
from urllib.parse import urlencode

from nicegui import ui
from starlette.requests import Request

from gatescope.catalog.curves import Curve, at_target, curve
from gatescope.catalog.lookup import CATALOG, find
from gatescope.catalog.rows import Entry, Setting
from gatescope.catalog.view import facts
from gatescope.errors import GatescopeError
from gatescope.report.series import Series
from gatescope.studio import charts
from gatescope.studio.frame import Studio, card, room, set_text, text

_LEAD = (
    "Losses, activations, initializers, schedules, optimizers and regularizers of Keras: choose "
    "some, compare their curves and slopes, and move what can be set."
)
_FIRST: Mapping[str, tuple[str, ...]] = {
    "losses": ("mean_squared_error", "mean_absolute_error", "huber"),
    "activations": ("relu", "sigmoid", "tanh"),
    "initializers": ("glorot_uniform", "he_normal"),
    "schedules": ("cosine_decay", "exponential_decay"),
    "optimizers": ("sgd", "adam"),
    "regularizers": ("l1", "l2"),
}
_MOST = 6
_DEFAULT_KIND = "activations"


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """

    @ui.page("/mechanisms")
    def mechanisms(request: Request) -> None:
        with room("Mechanisms", "Mechanisms", _LEAD):
            MechanismsView(dict(request.query_params))


def drawable(many: str) -> list[str]:
    """Names of a kind that have a curve.

    Args:
        many: The kind, as the catalog calls it.
    """
    return [entry.name for entry in CATALOG[many].values() if curve(entry) is not None]


def set_to(entry: Entry, settings: Mapping[str, float]) -> Entry:
    """A row with other values of its settings.

    Args:
        entry: The row.
        settings: Values by name; a target of a loss among them.

    Raises:
        UsageError: A target is none that the loss takes.
    """
    known = dict(settings)
    if "target" in known and "target" in dict(entry.given):
        entry = at_target(entry, known.pop("target"))
    shown = tuple(
        one._replace(shown=known[one.name]) if one.name in known else one for one in entry.settings
    )
    return replace(entry, settings=shown)


@final
class MechanismsView:
    """The page of one visitor.

    Args:
        asked: What the address asks for: `kind`, `names`, and settings as `name.setting`.
    """

    def __init__(self, asked: dict[str, str]) -> None:
        self._kind = asked.get("kind", _DEFAULT_KIND)
        if self._kind not in CATALOG:
            self._kind = _DEFAULT_KIND
        self._names = self._known(asked.get("names", "").split(","))
        self._settings: dict[str, dict[str, float]] = {}
        self._read(asked)
        with card("Choose"):
            with ui.element("div").classes("gs-row"):
                ui.toggle(list(CATALOG), value=self._kind, on_change=self._changed_kind).props(
                    'no-caps flat spread=false toggle-color=primary aria-label="Kind"'
                )
            self._chosen = ui.select(
                [], multiple=True, label=f"Up to {_MOST}", on_change=self._changed_names
            ).props("use-chips")  # fmt: skip
        with ui.element("div").classes("gs-columns even"):
            with card("Curve"):
                self._curves = charts.chart({}, "Curves of what is chosen", height="20rem")
            with card("Derivative") as self._slope_card:
                self._slopes = charts.chart({}, "Derivatives of what is chosen", height="20rem")
        self._problem = text("").classes("gs-problem").props('role="alert"')
        self._entries = ui.element("div").classes("gs-columns even")
        self._offer()

    def _known(self, names: list[str]) -> list[str]:
        found = [name for name in names if name in CATALOG[self._kind]]
        return found[:_MOST] or list(_FIRST[self._kind])

    def _read(self, asked: Mapping[str, str]) -> None:
        """Settings that the address holds."""
        for key, value in asked.items():
            name, dot, setting = key.partition(".")
            number = _number(value)
            if dot and number is not None and name in self._names:
                self._settings.setdefault(name, {})[setting] = number

    def _changed_kind(self, event: Any) -> None:
        self._kind, self._settings = str(event.value), {}
        self._names = list(_FIRST[self._kind])
        self._offer()

    def _offer(self) -> None:
        self._chosen.set_options(drawable(self._kind), value=list(self._names))
        self._explain()
        self._draw()

    def _changed_names(self, event: Any) -> None:
        names = list(event.value or [])[-_MOST:]
        if names == self._names:
            return
        self._names = names
        self._explain()
        self._draw()

    def _explain(self) -> None:
        """Each one's formula, advice, partners, and sliders."""
        self._entries.clear()
        with self._entries:
            for name in self._names:
                entry = find(self._kind, name)
                with card(name):
                    self._sliders(entry)
                    with ui.element("dl").classes("gs-facts"):
                        for label, told in facts(entry):
                            text(label, tag="dt")
                            text(told, tag="dd")
                    if entry.circuit:
                        ui.link("Open its circuit", _circuit_address(entry)).classes("gs-link")

    def _sliders(self, entry: Entry) -> None:
        chosen = self._settings.get(entry.name, {})
        for setting in movable(entry):
            span = setting.typical
            value = chosen.get(setting.name, setting.value)
            with ui.element("div").classes("gs-setting"):
                text(setting.name.replace("_", " "), tag="span")
                slider = ui.slider(min=span.low, max=span.high, value=value,
                                   step=(span.high - span.low) / 200)  # fmt: skip
                slider.props["aria-label"] = f"{setting.name} of {entry.name}"
                shown = text(f"{value:.4g}", tag="span").classes("value")
            slider.on_value_change(
                lambda event, setting=setting, shown=shown: self._moved(
                    entry.name, setting.name, float(event.value), shown
                )
            )

    def _moved(self, name: str, setting: str, value: float, shown: ui.html) -> None:
        self._settings.setdefault(name, {})[setting] = value
        set_text(shown, f"{value:.4g}")
        self._draw()

    def _draw(self) -> None:
        found, problem = {}, ""
        for name in self._names:
            try:
                drawn = curve(set_to(find(self._kind, name), self._settings.get(name, {})))
            except GatescopeError as error:
                problem = str(error)
                continue
            if drawn is not None:
                found[name] = drawn
        set_text(self._problem, problem)
        charts.redraw(self._curves, _options(found, slopes=False))
        sloped = {name: drawn for name, drawn in found.items() if drawn.slope}
        self._slope_card.set_visibility(bool(sloped))
        charts.redraw(self._slopes, _options(sloped, slopes=True))
        ui.navigate.history.replace(self._address)

    @property
    def _address(self) -> str:
        told = {"kind": self._kind, "names": ",".join(self._names)}
        for name, settings in self._settings.items():
            told |= {f"{name}.{setting}": f"{value:g}" for setting, value in settings.items()}
        return f"/mechanisms?{urlencode(told)}"


def movable(entry: Entry) -> list[Setting]:
    """Settings of a row that a slider can move, and the target of a loss.

    Args:
        entry: The row.
    """
    found = [
        one
        for one in entry.settings
        if one.value is not None
        and isfinite(one.typical.low)
        and isfinite(one.typical.high)
        and one.typical.low < one.typical.high
        and _matters(entry, one)
    ]
    return found


def _matters(entry: Entry, setting: Setting) -> bool:
    """Whether another value draws another curve."""
    span = setting.typical
    ends = [curve(set_to(entry, {setting.name: end})) for end in (span.low, span.high)]
    return None not in ends and repr(ends[0]) != repr(ends[1])


def _options(found: Mapping[str, Curve], *, slopes: bool) -> charts.Options:
    series = [Series(name, one.x, one.slope if slopes else one.y) for name, one in found.items()]
    first = next(iter(found.values()), None)
    x_label = first.x_label if first else ""
    return charts.lines(series, x_label=x_label, y_label="derivative" if slopes else
                        first.y_label if first else "")  # fmt: skip


def _circuit_address(entry: Entry) -> str:
    """The room of gates with the row's circuit."""
    from gatescope.circuits.circuit import circuit

    low, high = entry.window
    names = circuit(entry.circuit).inputs
    values = {
        f"v.{name}": f"{entry.values.get(name, 0.25 * low + 0.75 * high):g}" for name in names
    }
    return f"/?{urlencode({'expression': entry.circuit, **values})}"


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return number if isfinite(number) else None
