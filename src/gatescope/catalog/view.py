"""The catalog as plain data for `report` to draw: rows of a table, facts of one entry."""

from __future__ import annotations

from collections.abc import Sequence

from gatescope.catalog.lookup import CATALOG
from gatescope.catalog.pairs import pairs_of
from gatescope.catalog.rows import (
    Activation,
    Entry,
    Initializer,
    Loss,
    Optimizer,
    Regularizer,
    Setting,
)
from gatescope.circuits.circuit import circuit

Table = tuple[tuple[str, ...], list[tuple[object, ...]]]


def overview() -> Table:
    """Column names and a row for each kind."""
    rows: list[tuple[object, ...]] = []
    for many, entries in CATALOG.items():
        first = next(iter(entries.values()))
        rows.append((many, len(entries), f"gatescope catalog {first.kind} {first.name}"))
    return ("kind", "entries", "explains one"), rows


def listing(many: str) -> Table:
    """Column names and a row for each entry of a kind.

    Args:
        many: A key of `CATALOG`.
    """
    entries = CATALOG[many].values()
    columns = {
        "losses": ("loss", "formula", "behind", "labels"),
        "activations": ("activation", "formula", "derivative", "range"),
        "initializers": ("initializer", "a weight is, or deviates by", "shape"),
        "schedules": ("schedule", "learning rate at a step"),
        "optimizers": ("optimizer", "update", "learning rate", "typical"),
        "regularizers": ("regularizer", "penalty", "derivative"),
    }[many]
    return columns, [_cells(entry) for entry in entries]


def _cells(entry: Entry) -> tuple[object, ...]:
    match entry:
        case Loss():
            pairs = pairs_of(entry.name)
            behind = dict.fromkeys(pair.activation for pair in pairs)
            return entry.name, entry.formula, ", ".join(behind), pairs[0].labels.partition(",")[0]
        case Activation():
            return entry.name, entry.formula, entry.derivative, str(entry.range)
        case Initializer():
            return entry.name, entry.formula, entry.shape
        case Optimizer():
            rates = [one for one in entry.settings if one.name == "learning_rate"]
            shown = [(f"{one.default:g}", str(one.typical)) for one in rates] or [("–", "–")]
            return entry.name, entry.formula, *shown[0]
        case Regularizer():
            return entry.name, entry.formula, entry.derivative
    return entry.name, entry.formula


def legend(many: str) -> str:
    """What the drawings of a kind show, in one line."""
    return {
        "losses": "solid: loss over prediction, mostly for a target of 1 · dashed: derivative · "
        "grey: saturated",
        "activations": "solid: output over input · dashed: derivative · grey: saturated",
        "initializers": "density of a weight, with 64 inputs and 64 outputs",
        "schedules": "learning rate over the step",
        "optimizers": "weight over the step, down w² from 1",
        "regularizers": "solid: penalty over a weight · dashed: derivative",
    }[many]


def facts(entry: Entry) -> list[tuple[str, str]]:
    """Labels and texts that explain an entry, those that it has."""
    told = [
        ("formula", entry.formula),
        ("derivative", entry.derivative),
        *_of_its_kind(entry),
        *_under_one_label("settings", [_setting(one) for one in entry.settings]),
        ("advice", entry.advice),
        ("source", entry.source),
        ("no circuit", entry.no_circuit),
        ("as gates", _command(entry)),
    ]
    return [(label, text) for label, text in told if text]


def _under_one_label(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [("" if place else label, text) for place, text in enumerate(texts)]


def _command(entry: Entry) -> str:
    """What to type to see the circuit, with numbers from the right half of the drawing."""
    if not entry.circuit:
        return ""
    low, high = entry.window
    shown = 0.25 * low + 0.75 * high
    names = circuit(entry.circuit).inputs
    given = [f"{name}={entry.values.get(name, shown):g}" for name in names]
    return f'gatescope gates "{entry.circuit}" {" ".join(given)}'


def _of_its_kind(entry: Entry) -> Sequence[tuple[str, str]]:
    match entry:
        case Activation():
            return (
                ("range", str(entry.range)),
                ("saturates", _saturates(entry)),
                *_under_one_label("goes with", _partners(entry, "loss")),
            )
        case Loss():
            return (
                ("range", str(entry.range)),
                ("saturates", _saturates(entry)),
                ("predictions", str(entry.predictions)),
                *_under_one_label("goes with", _partners(entry, "activation")),
            )
        case Initializer():
            return (("shape", entry.shape),)
    return ()


def _partners(entry: Entry, side: str) -> list[str]:
    return [
        f"{getattr(pair, side)}{f' ({pair.needs})' if pair.needs else ''}; labels: {pair.labels}"
        for pair in pairs_of(entry.name)
    ]


def _saturates(entry: Activation | Loss) -> str:
    spans = " and ".join(f"from {span}" for span in entry.saturates)
    given = dict(entry.given)
    at = ", ".join(f"{name} = {value:g}" for name, value in given.items())
    return f"{spans}{f', at {at}' if at else ''}" if spans else "nowhere"


def _setting(setting: Setting) -> str:
    default = "no default" if setting.default is None else f"{setting.default:g} by default"
    span = setting.typical
    typical = f", typically {span}" if span.low < span.high else ""
    return f"{setting.name}: {setting.meaning}; {default}{typical}"
