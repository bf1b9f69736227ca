"""The room of gates: an expression as a circuit whose values and gradients follow every drag."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final
from urllib.parse import urlencode

import numpy as np
from nicegui import ui
from starlette.requests import Request

from gatescope.circuits.circuit import Circuit, circuit
from gatescope.circuits.code import to_python, to_tensorflow
from gatescope.circuits.compiled import compile_graph
from gatescope.circuits.losses import LOSSES
from gatescope.circuits.training import with_loss
from gatescope.errors import GatescopeError, UsageError
from gatescope.report.series import Series
from gatescope.studio import charts
from gatescope.studio.frame import Studio, card, room, said, set_text, text

_LEAD = (
    "Type an expression, drag what goes in, and watch values go forward and gradients come back. "
    "Then let descent find the target."
)
_REACH = 10.0  # sliders go from minus this to this
_FINE = 41  # points of a surface along each parameter
_MOST_SENTENCES = 12
_PLAY_SECONDS = 0.12
_MOST_STEPS = 400
_LEAST_RATE = 1e-9


class Example(NamedTuple):
    """A circuit to start from."""

    name: str
    expression: str
    values: Mapping[str, float]
    train: tuple[str, ...]
    toward: str
    learning_rate: float


EXAMPLES = (
    Example("One gate", "a*x", {"a": 4, "x": 5}, ("a",), "50", 0.01),
    Example("Two gates", "a*x + b", {"a": 1, "x": 3, "b": -2}, ("a", "b"), "10", 0.02),
    Example("A neuron", "sigmoid(w*x + b)", {"w": 2, "x": -1, "b": 3}, ("w", "b"), "0.1", 1.0),
    Example(
        "XOR", "v*relu(c), u + v*relu(1 + c), 2*u + v*relu(2 + c)",
        {"u": 0.5, "v": -0.5, "c": -0.5}, ("u", "v", "c"), "0, 1, 0", 0.05,
    ),
)  # fmt: skip
"""XOR is asked at x + y = 0, 1 and 2, of two units: one weighs u, the other v and begins at −c."""


@dataclass
class Bench:
    """What the page holds: a circuit, and how it is trained.

    Args:
        expression: As typed.
        values: Of the inputs.
        train: Inputs that training moves.
        toward: What the outputs are to be.
        loss: How a miss counts.
        learning_rate: Of a step.
    """

    expression: str
    values: dict[str, float]
    train: tuple[str, ...]
    toward: str
    learning_rate: float
    loss: str = "squared"
    circuit: Circuit = field(init=False)
    start: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.type(self.expression)

    def type(self, expression: str) -> None:
        """Takes another expression; the one before stays where it is refused.

        Args:
            expression: As typed.

        Raises:
            GatescopeError: It is no expression.
        """
        names = circuit(expression).inputs
        values = {name: self.values.get(name, 1.0) for name in names}
        train = tuple(name for name in self.train if name in names)
        made = circuit(expression, train=train, **values)
        self.expression, self.values, self.train, self.circuit = expression, values, train, made
        self.start = dict(values)

    def set(self, name: str, value: float) -> None:
        """Gives an input another value.

        Args:
            name: Of the input.
            value: The number.
        """
        self.values[name] = value
        self.start = dict(self.values)
        self.circuit.history.clear()

    def choose(self, name: str, chosen: bool) -> None:
        """Lets training move an input, or not.

        Args:
            name: Of the input.
            chosen: Whether.
        """
        self.train = tuple(each for each in self.values if (each in self.train) != (each == name)) \
            if chosen != (name in self.train) else self.train  # fmt: skip
        self.type(self.expression)

    def compute(self) -> None:
        """Values and gradients of every wire, of the outputs' sum.

        Raises:
            GatescopeError: A gate has none.
        """
        self.circuit.forward(**self.values)
        self.circuit.backward()

    def step(self) -> None:
        """A step of gradient descent.

        Raises:
            GatescopeError: It leads where a gate has no value, or something to train is missing.
        """
        self.circuit.forward(**self.values)
        taken = self.circuit.train(
            toward=self.targets, loss=self.loss, learning_rate=self.learning_rate, steps=1
        )
        if len(self.circuit.history) > 2:  # each call records where it began once more
            del self.circuit.history[-2]
        self.values |= taken[-1].parameters

    def reset(self) -> None:
        """Goes back to where training began."""
        self.values = dict(self.start)
        self.circuit.history.clear()

    @property
    def targets(self) -> list[float]:
        """What the outputs are to be.

        Raises:
            UsageError: It is no list of numbers.
        """
        try:
            return [float(part.replace("−", "-")) for part in self.toward.split(",")]
        except ValueError:
            raise UsageError(
                f"the target {self.toward!r} is no number",
                "a number for each output, with commas between",
                "type one, such as 50",
            ) from None

    @property
    def address(self) -> str:
        """Where this page can be found again."""
        values = {f"v.{name}": f"{value:g}" for name, value in self.start.items()}
        told = {
            "expression": self.expression, **values, "train": ",".join(self.train),
            "toward": self.toward, "loss": self.loss, "rate": f"{self.learning_rate:g}",
        }  # fmt: skip
        return f"/?{urlencode(told)}"


def bench_of(asked: Mapping[str, str]) -> Bench:
    """The page that an address asks for.

    Args:
        asked: The address's query.

    Raises:
        GatescopeError: It asks for what cannot be.
    """
    first = EXAMPLES[2]
    if "expression" not in asked:
        return _from(first)
    values = {name[2:]: _number(value) for name, value in asked.items() if name[:2] == "v."}
    rate = max(_number(asked.get("rate", "0.01")), _LEAST_RATE)
    train = tuple(name for name in asked.get("train", "").split(",") if name)
    loss = asked.get("loss", "squared")
    return Bench(asked["expression"], values, train, asked.get("toward", "1"), rate,
                 loss if loss in LOSSES else "squared")  # fmt: skip


def _number(written: str) -> float:
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(
            f"the address holds {written!r} for a number", "a number", "start anew from /"
        )
    return number


def _from(example: Example) -> Bench:
    return Bench(example.expression, dict(example.values), example.train, example.toward,
                 example.learning_rate)  # fmt: skip


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """

    @ui.page("/")
    def gates(request: Request) -> None:
        with room("Gates", "Gates", _LEAD):
            try:
                bench, problem = bench_of(request.query_params), ""
            except GatescopeError as error:
                bench, problem = _from(EXAMPLES[2]), str(error)
            GatesView(bench, problem)


@final
class GatesView:
    """The page of one visitor.

    Args:
        bench: What it begins with.
        problem: What to say at first.
    """

    def __init__(self, bench: Bench, problem: str) -> None:
        self._bench = bench
        self._handles: dict[str, tuple[ui.slider, ui.number]] = {}
        self._sliders_follow = True
        with ui.element("div").classes("gs-columns"):
            with ui.element("div").classes("gs-stack"):
                self._draw_circuit(problem)
                self._draw_descent()
            with ui.element("div").classes("gs-stack"):
                with card("Goes in"):
                    self._inputs = ui.element("div").classes("gs-inputs")
                self._draw_training()
        self._timer = ui.timer(_PLAY_SECONDS, self._step, active=False)
        self._begin_anew()
        if problem:
            set_text(self._problem, problem)

    def _draw_circuit(self, problem: str) -> None:
        with card("Circuit"):
            with ui.element("div").classes("gs-row").props('role="group" aria-label="Examples"'):
                for example in EXAMPLES:
                    ui.button(example.name, on_click=lambda _, one=example: self._take(one)).props(
                        "outline dense no-caps padding='xs sm'"
                    )
            self._expression = ui.input(
                "Expression", value=self._bench.expression,
                on_change=lambda event: self._typed(str(event.value)),
            ).props("debounce=150 spellcheck=false autocapitalize=off")  # fmt: skip
            self._problem = text("", tag="p").classes("gs-problem").props('role="alert"')
            self._drawing = ui.html("", sanitize=False).classes("gs-drawing")
            text("Above each wire its value, below it the gradient. Point at a gate for its "
                 "sentence.").classes("note")  # fmt: skip
            with ui.expansion("In words").classes("gs-words"):
                self._words = ui.element("ul")
            with ui.element("div").classes("gs-row"):
                for name, make in _COPIES.items():
                    ui.button(f"Copy as {name}", on_click=lambda _, make=make: self._copy(make))\
                        .props("flat dense no-caps")  # fmt: skip

    def _draw_training(self) -> None:
        bench = self._bench
        with card("Descent"):
            self._toward = ui.input(
                "Target of the output", value=bench.toward,
                on_change=lambda event: self._aim(str(event.value)),
            ).props("debounce=200")  # fmt: skip
            self._loss = ui.select(
                list(LOSSES), label="Loss", value=bench.loss,
                on_change=lambda event: self._weigh(str(event.value)),
            )  # fmt: skip
            self._rate = ui.number(
                "Learning rate", value=bench.learning_rate, min=0, step=0.01,
                on_change=lambda event: self._hasten(event.value),
            )  # fmt: skip
            slider = ui.slider(min=-4, max=1, step=0.05, value=np.log10(bench.learning_rate))
            slider.props('aria-label="Learning rate, as a power of ten"')
            slider.on_value_change(lambda event: self._rate.set_value(_rounded(10**event.value)))
            with ui.element("div").classes("gs-row"):
                ui.button("Step", on_click=self._step).props("no-caps unelevated")
                self._play = ui.button("Play", on_click=self._toggle).props("no-caps outline")
                ui.button("Reset", on_click=self._reset).props("no-caps flat")
            self._told = text("", tag="p").classes("value").props('aria-live="polite"')

    def _draw_descent(self) -> None:
        with ui.element("div").classes("gs-columns even") as self._pictures:
            with card("Loss"):
                self._losses = charts.chart(_losses(self._bench), "Loss after each step")
            with card("Loss over what is trained") as self._surface_card:
                self._surface = charts.chart(
                    {}, "Loss over the trained inputs, with the path taken"
                )

    def _begin_anew(self) -> None:
        """Draws everything of another circuit."""
        bench = self._bench
        self._inputs.clear()
        self._handles.clear()
        with self._inputs:
            for name in bench.values:
                self._input(name)
        self._show(surface=True)

    def _input(self, name: str) -> None:
        bench = self._bench
        value = bench.values[name]
        reach = max(_REACH, 2 * abs(value))
        with ui.element("div").classes("gs-input"):
            text(name, tag="span").classes("gs-name")
            slider = ui.slider(min=-reach, max=reach, step=0.01, value=value)
            number = ui.number(value=value, format="%.4g").props("dense")
            train = ui.checkbox("train", value=name in bench.train)
            slider.props["aria-label"] = number.props["aria-label"] = name
            train.props["aria-label"] = f"train {name}"
        slider.on_value_change(lambda event: self._moved(name, event.value, number))
        number.on_value_change(lambda event: self._moved(name, event.value, slider))
        train.on_value_change(lambda event: self._chosen(name, bool(event.value)))
        self._handles[name] = (slider, number)

    def _moved(self, name: str, value: float | None, other: Any) -> None:
        if value is None or not self._sliders_follow or value == self._bench.values.get(name):
            return
        self._bench.set(name, float(value))
        self._sliders_follow = False
        other.set_value(value)
        self._sliders_follow = True
        self._show()

    def _chosen(self, name: str, chosen: bool) -> None:
        self._bench.choose(name, chosen)
        self._show(surface=True)

    def _typed(self, expression: str) -> None:
        try:
            self._bench.type(expression)
        except GatescopeError as error:
            set_text(self._problem, str(error))
            return
        self._begin_anew()

    def _take(self, example: Example) -> None:
        self._stop()
        bench = _from(example)
        self._bench.__dict__.update(bench.__dict__)
        self._toward.set_value(bench.toward)
        self._rate.set_value(bench.learning_rate)
        self._expression.set_value(example.expression)
        self._begin_anew()

    def _aim(self, toward: str) -> None:
        self._bench.toward = toward
        self._reset()

    def _weigh(self, loss: str) -> None:
        self._bench.loss = loss
        self._reset()

    def _hasten(self, rate: float | None) -> None:
        if rate is not None:
            self._bench.learning_rate = float(rate)
            self._remember()

    def _step(self) -> None:
        try:
            self._bench.step()
        except GatescopeError as error:
            self._stop()
            set_text(self._problem, str(error))
            return
        if len(self._bench.circuit.history) > _MOST_STEPS:
            self._stop()
        self._show(trained=True)

    def _toggle(self) -> None:
        self._timer.active = not self._timer.active
        self._play.set_text("Pause" if self._timer.active else "Play")

    def _stop(self) -> None:
        self._timer.active = False
        self._play.set_text("Play")

    def _reset(self) -> None:
        self._stop()
        self._bench.reset()
        self._follow()
        self._show(surface=True)

    def _show(self, *, trained: bool = False, surface: bool = False) -> None:
        """Shows what the circuit is now."""
        bench = self._bench
        problem = ""
        try:
            if not trained:
                bench.compute()
        except GatescopeError as error:
            problem = str(error)
        set_text(self._problem, problem)
        self._drawing.set_content(bench.circuit.to_svg())
        self._say()
        if trained:
            self._follow()
        charts.redraw(self._losses, _losses(bench))
        if surface or trained:
            self._draw_surface()
        self._remember()

    def _say(self) -> None:
        self._words.clear()
        with self._words:
            for sentence in self._bench.circuit.explain()[:_MOST_SENTENCES]:
                text(sentence, tag="li")
        history = self._bench.circuit.history
        told = f"step {history[-1].number}, loss {history[-1].loss:.6g}" if history else "not begun"
        set_text(self._told, told)

    def _follow(self) -> None:
        """Moves the sliders to where descent has brought their inputs."""
        self._sliders_follow = False
        for name in self._bench.train:
            for handle in self._handles.get(name, ()):
                handle.set_value(self._bench.values[name])
        self._sliders_follow = True

    def _draw_surface(self) -> None:
        drawn = surface_of(self._bench)
        self._surface_card.set_visibility(drawn is not None)
        if drawn is not None:
            charts.redraw(self._surface, drawn)

    def _remember(self) -> None:
        ui.navigate.history.replace(self._bench.address)

    def _copy(self, make: Callable[[Circuit], str]) -> None:
        with said():
            ui.clipboard.write(make(self._bench.circuit))
            ui.notify("Copied.")


_COPIES: Mapping[str, Callable[[Circuit], str]] = {
    "Python": to_python,
    "TensorFlow": to_tensorflow,
    "SVG": Circuit.to_svg,
}


def _losses(bench: Bench) -> charts.Options:
    steps = bench.circuit.history
    line = Series("loss", [step.number for step in steps], [step.loss for step in steps])
    return charts.lines([line], x_label="step", y_label=f"loss ({bench.loss})")


def surface_of(bench: Bench) -> charts.Options | None:
    """The loss over one or two trained inputs, with the path that descent took.

    Args:
        bench: What is trained.

    Returns:
        Options of a chart; None where there are more of them, or none.
    """
    if not 1 <= len(bench.train) <= 2:
        return None
    try:
        loss = compile_graph(with_loss(bench.circuit, toward=bench.targets, loss=bench.loss))
    except GatescopeError:
        return None
    axes = [_around(bench, name) for name in bench.train]
    grid = dict(zip(bench.train, np.meshgrid(*axes), strict=True))
    with np.errstate(all="ignore"):
        found = np.broadcast_to(
            np.asarray(loss.forward(**bench.values | grid)), grid[bench.train[0]].shape
        )
    if len(axes) == 1:
        return _curve(bench, axes[0], found)
    return _map(bench, axes, found)


def _around(bench: Bench, name: str) -> Any:
    """Where a trained input has been, and as much again on both sides."""
    been = [step.parameters[name] for step in bench.circuit.history] or [bench.values[name]]
    been.append(bench.start[name])
    middle, half = (min(been) + max(been)) / 2, max(1.5 * (max(been) - min(been)), 3.0)
    return np.linspace(middle - half, middle + half, _FINE)


def _curve(bench: Bench, x: Any, found: Any) -> charts.Options:
    (name,) = bench.train
    steps = bench.circuit.history
    path = {"type": "line", "name": "path", "symbolSize": 6, "showSymbol": True,
            "data": [[step.parameters[name], step.loss] for step in steps]}  # fmt: skip
    drawn = charts.lines([Series("loss", x.tolist(), found.tolist())], x_label=name, y_label="loss")
    drawn["series"].append(path)
    return drawn


def _map(bench: Bench, axes: list[Any], found: Any) -> charts.Options:
    first, second = bench.train
    named = [[f"{each:.2f}" for each in one] for one in axes]
    drawn = charts.heat_map(
        found.tolist(), x=named[0], y=named[1], x_label=first, y_label=second,
        log=bool(found.min() > 0),
    )  # fmt: skip
    path = [
        [_cell(axes[0], step.parameters[first]), _cell(axes[1], step.parameters[second])]
        for step in bench.circuit.history
    ]
    ink = {"color": "#d9702b"}
    drawn["series"].append({
        "type": "line", "name": "path", "symbolSize": 6, "lineStyle": ink, "itemStyle": ink,
        "data": path,
    })  # fmt: skip
    return drawn


def _cell(axis: Any, value: float) -> int:
    """The column or row of a heat map that a value falls into."""
    return round(float((value - axis[0]) / (axis[1] - axis[0])))


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")
