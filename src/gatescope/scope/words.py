"""Values and gates in few words, the same in terminals and on pages."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gatescope.scope.record import Gate, LayerCall, Value

NONE = "–"
_FIRST = 6  # elements of a value
_FEW = 4  # whole numbers that are told one by one
_MOST_ATTRIBUTE = 60


def number(value: float, digits: int = 3) -> str:
    """A number of so many significant digits.

    Example:
        >>> number(-0.000123456)
        '−0.000123'
        >>> number(-0.0)
        '0'
    """
    return f"{value + 0.0:.{digits}g}".replace("-", "−")  # -0.0 + 0.0 is 0.0


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> plural(2, "gate")
        '2 gates'
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shape(value: Value) -> str:
    """A shape, as in `32×10`; `1 number` of what has none; a dash of what holds no numbers."""
    if value.dtype in ("resource", "variant"):
        return NONE
    return "×".join(map(str, value.shape)) or "1 number"


def spread(value: Value | None) -> str:
    """Mean and deviation of the elements, a few whole numbers themselves, or how many are bad."""
    summary = value.summary if value else None
    if summary is None:
        return NONE
    if summary.not_finite:
        return f"✗ {summary.not_finite:,} of {summary.elements:,} not finite"
    if summary.elements == 1:
        return number(summary.mean, 4)
    if not summary.elements:
        return "no elements"
    array = value.array if value else None
    if array is not None and array.dtype.kind in "iub" and array.size <= _FEW:
        return ", ".join(map(str, array.ravel().tolist()))
    return f"{number(summary.mean)} ± {number(summary.deviation)}"


def extent(value: Value) -> str:
    """The least and the largest finite element."""
    summary = value.summary
    if summary is None or math.isnan(summary.minimum):
        return NONE
    return f"{number(summary.minimum)} … {number(summary.maximum)}"


def gradient_norm(value: Value | None) -> str:
    """The Euclidean norm of the gradient; a dash where none came back."""
    summary = value.gradient.summary if value and value.gradient else None
    if summary is None:
        return NONE
    if summary.not_finite:
        return f"✗ {summary.not_finite:,} not finite"
    return number(math.hypot(summary.mean, summary.deviation) * math.sqrt(summary.elements))


def first_elements(value: Value) -> str:
    """The first elements, or the first bad ones with their places."""
    array = value.array
    if array is None:
        return "only a summary was kept" if value.tensor is None else NONE
    if array.shape and value.summary and value.summary.not_finite:
        places = np.argwhere(~np.isfinite(array))
        shown = [f"{place.tolist()} = {array[tuple(place)]}" for place in places[: _FIRST // 2]]
        return ", ".join(shown) + (", …" if len(places) > len(shown) else "")
    flat = array.ravel()[: _FIRST + 1]
    shown = [number(float(part)) if value.is_float else str(part) for part in flat[:_FIRST]]
    return ", ".join(shown) + (", …" if len(flat) > _FIRST else "")


def origin(value: Value) -> str:
    """Where a value came from: a variable, an input, or a constant."""
    return f"{value.kind} {value.name}".strip()


def gate_title(gate: Gate) -> str:
    """Place and operation, and the variable that it reads or writes, if any."""
    names = [value.name.rpartition("/")[2] for value in gate.inputs if value.kind == "variable"]
    return " ".join([f"#{gate.place}", gate.op, *names])


def line(gate: Gate) -> str:
    """The file and line that asked for a gate, without folders."""
    source = gate.source
    return f"{source.file.rpartition('/')[2]}:{source.line}" if source else ""


def kind_of(call: LayerCall) -> str:
    """A layer's class; `Loss` of those that Keras wraps a function in."""
    kind = type(call.layer).__name__
    return "Loss" if kind == "LossFunctionWrapper" else kind


def gate_facts(gate: Gate) -> list[tuple[str, str]]:
    """What there is to know of a gate but for its values."""
    call, source, forward = gate.call, gate.source, gate.gradient_of
    layer = f"{call.path} ({kind_of(call)}), call {call.number}" if call else "none"
    facts = [("layer", layer), ("step", str(gate.step)), ("runs", gate.phase)]
    facts += [("asked for", str(source))] if source else []
    facts += [("gradient of", f"#{forward.place} {forward.name}")] if forward else []
    # Types, which begin with T, stand beside the values.
    settings = ", ".join(
        f"{name}={_setting(value)}"
        for name, value in gate.attributes.items()
        if not name.startswith("T")
    )
    facts += [("attributes", settings)] if settings else []
    facts += [("opaque", "what runs inside is not seen")] if gate.opaque else []
    return facts


def _setting(value: object) -> str:
    named = getattr(value, "name", value)  # of data types
    text = named.decode("utf-8", "replace") if isinstance(named, bytes) else str(named)
    return text if len(text) <= _MOST_ATTRIBUTE else f"{text[: _MOST_ATTRIBUTE - 1]}…"


def ends(texts: Sequence[str]) -> str:
    """The first and the last of some texts."""
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} … {texts[-1]}"
