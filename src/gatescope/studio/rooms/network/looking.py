"""What the room shows of a network, as plain data: runs in the engine's process.

Everything is asked of the library. Traces and models stay here, for they cannot be sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gatescope.data import datasets
from gatescope.errors import RunError, TraceError, UsageError, nearest
from gatescope.recipes.running.own_samples import Looked, arranged, look_at, of_text
from gatescope.recipes.running.prediction import answer
from gatescope.runs.folder import model_file
from gatescope.scope.drops import dropout_mask, drops
from gatescope.scope.gates_over_time import gates_over_time, is_recurrent
from gatescope.scope.moves import Element
from gatescope.scope.neuron import Neuron
from gatescope.scope.parameters import parameters
from gatescope.scope.parts import Part, parts_of_layer
from gatescope.scope.receptive import receptive_fields
from gatescope.scope.record import Gate, LayerCall, Value
from gatescope.scope.trace import Trace, trace
from gatescope.scope.view import first_gates, gate_branch, in_order, part_cells, part_title
from gatescope.scope.winners import pooling_winners
from gatescope.scope.written import written_sum
from gatescope.studio.rooms.network.looks import (
    Array,
    Asked,
    FieldLook,
    InputLook,
    LayerLook,
    LayerRow,
    Link,
    Overview,
    SampleLook,
    UnitLook,
    Where,
    Winners,
    Written,
)

_BUDGET = 1 << 29  # bytes of values, of one sample
_MOST_OPS = 400
_MOST_ON_PATH = 12
_FOLLOWED = 6
_TERMS, _MOST_WIRES = 8, 80  # of a circuit


def overview(folder: Path) -> Overview:
    """Layers with their costs, and what samples there are.

    Args:
        folder: Of the run.

    Raises:
        GatescopeError: The run has no model, or it cannot be run.
    """
    looked = _looked(folder)
    costs = parameters(looked.model, arranged(looked.model, looked.samples.rows(np.arange(1)).x))
    rows = tuple(
        LayerRow(one.name, one.kind, one.output_shape, one.parameters, one.unshared_parameters,
                 one.dense_parameters, one.multiply_adds)
        for one in costs.layers
    )  # fmt: skip
    totals = LayerRow(
        "total", "", None, costs.parameters, costs.unshared_parameters, costs.dense_parameters,
        costs.multiply_adds,
    )  # fmt: skip
    reads = looked.reader is not None and looked.reader.takes == "texts"
    return Overview(looked.what, looked.source, len(looked.samples), reads, rows, totals)


def sample(asked: Asked) -> SampleLook:
    """The sample, and what the network says of it.

    Args:
        asked: Which.

    Raises:
        GatescopeError: There is none such, or the network cannot be run on it.
    """
    looked, part = _looked(asked.folder), _part(asked)
    inputs = tuple(_input(looked, name, array[0]) for name, array in part.x.items())
    told = "" if looked.reader is None else looked.reader.told(part.x)[0]
    said = [np.asarray(value.array) for value in _traced(asked, _stamp(asked.folder)).outputs]
    answers: dict[str, Sequence[tuple[str, float]]] = {}
    truth: dict[str, str] = {}
    for place, one in enumerate(said):
        if place < len(looked.outputs):
            output = looked.outputs[place]
            answers[output.name] = _answers(answer(output, one))
            if output.name in part.y:
                truth[output.name] = _truth(output, part.y[output.name])
        else:
            numbers = enumerate(one[0].ravel().tolist())
            answers[f"output {place + 1}"] = [(str(unit), number) for unit, number in numbers]
    return SampleLook(inputs, told, answers, truth)


def layer(asked: Asked, name: str, seed: int) -> LayerLook:
    """A layer at work.

    Args:
        asked: The network and the sample.
        name: Of the layer, as the list has it.
        seed: Of the draw of dropout.

    Raises:
        GatescopeError: There is no such layer, or the network cannot be run.
    """
    traced = _traced(asked, _stamp(asked.folder))
    calls = _calls(traced, name)
    call = calls[-1]
    keras_layer = call.layer
    ops = [gate for gate in traced.gates if gate.call and gate.call.within(call)]
    rows = [row for part in parts_of_layer(traced.gates, traced.calls, [call])
            for row in _op_rows(part, 0)]  # fmt: skip
    look: dict[str, Any] = {}
    if drops(keras_layer) and call.inputs:
        look["mask"] = dropout_mask(keras_layer, call.inputs[0].shape, seed)[0]
        look["rate"] = float(keras_layer.rate)
    if is_recurrent(keras_layer) and call.inputs:
        look |= _gates(call)
    kernel = getattr(keras_layer, "kernel", None)
    return LayerLook(
        name=_row_name(traced, call),
        kind=type(keras_layer).__name__,
        calls=len(calls),
        output=_first(call.outputs[0]) if call.outputs else None,
        ops=tuple(rows[:_MOST_OPS]),
        more_ops=max(0, len(rows) - _MOST_OPS),
        kernel=None if kernel is None or is_recurrent(keras_layer) else np.asarray(kernel),
        winners=_winners(ops),
        **look,
    )  # fmt: skip


def unit(asked: Asked, where: Where, terms: int | None) -> UnitLook:
    """A number as a circuit.

    Args:
        asked: The network and the sample.
        where: Which number.
        terms: Of a sum, how many are drawn; None for as many as can be looked over.

    Raises:
        GatescopeError: There is no such number, or it cannot be opened.
    """
    traced = _traced(asked, _stamp(asked.folder))
    neuron = _neuron(traced, where, terms or _TERMS)
    fewer = _TERMS
    while terms is None and len(neuron.wires) > _MOST_WIRES and fewer > 1:
        fewer //= 2
        neuron = _neuron(traced, where, fewer)
    path, named = neuron.path(most=_MOST_ON_PATH), _Columns(_looked(asked.folder))
    return UnitLook(
        where=where,
        label=neuron.name,
        number=neuron.element.number,
        svg=neuron.to_svg(),
        words=tuple(neuron.explain()),
        written=_written(neuron.element, named),
        path=tuple(_link(traced, one.element, one.name) for one in path),
        behind=tuple(_behind(traced, neuron, named)),
    )


def fields(asked: Asked, where: Where) -> tuple[FieldLook, ...]:
    """What a number sees of the inputs.

    Args:
        asked: The network and the sample.
        where: Which number.

    Raises:
        GatescopeError: There is no such number.
    """
    traced = _traced(asked, _stamp(asked.folder))
    found = receptive_fields(_neuron(traced, where, 1).element)
    looked = _looked(asked.folder)
    known = list(looked.samples.x)
    return tuple(
        FieldLook(_input_name(one.input, known), one.seen[0], one.gradient[0]) for one in found
    )


def _written(element: Element, named: _Columns) -> Written | None:
    found = written_sum(element)
    if found is None:
        return None
    terms = (
        (named.of(one.source), one.number, one.weight, one.weight_number) for one in found.terms
    )
    steps = ((one.op, one.other, one.other_number, one.result) for one in found.steps)
    return Written(found.op, tuple(terms), found.sum, tuple(steps))


def _stamp(folder: Path) -> tuple[int, int]:
    """What changes when the run's model does."""
    file = model_file(folder)
    if file is None:
        look_at(folder)  # which says what is missing
        raise RunError(f"{folder.name!r} keeps no model", "a run with one", "gatescope runs")
    told = file.stat()
    return told.st_mtime_ns, told.st_size


def _looked(folder: Path) -> Looked:
    return _opened(folder, _stamp(folder))


@lru_cache(maxsize=2)
def _opened(folder: Path, stamp: tuple[int, int]) -> Looked:
    return look_at(folder)


@lru_cache(maxsize=2)
def _traced(asked: Asked, stamp: tuple[int, int]) -> Trace:
    model = _looked(asked.folder).model
    x = arranged(model, _part(asked).x)
    try:
        return trace(model, x, memory_budget=_BUDGET)
    except (ValueError, TypeError, RuntimeError) as cause:
        if isinstance(cause, TraceError | UsageError):
            raise
        reason = str(cause).strip().splitlines() or [type(cause).__name__]
        raise TraceError(
            f"the network cannot be run on this sample: {reason[0]}",
            "a sample of the shape that it was trained on",
            "choose another sample",
        ) from cause


def _part(asked: Asked) -> datasets.Part:
    looked = _looked(asked.folder)
    if asked.text:
        return of_text(looked, asked.text)
    count = len(looked.samples)
    if not 0 <= asked.sample < count:
        raise UsageError(
            f"there is no sample {asked.sample}", f"one from 0 to {count - 1}", "sample=0"
        )
    return looked.samples.rows(np.array([asked.sample]))


def _input(looked: Looked, name: str, array: Array) -> InputLook:
    everything = looked.samples.x[name]
    numeric = everything.dtype.kind in "fiub" and everything.size
    span = (float(everything.min()), float(everything.max())) if numeric else (0.0, 1.0)
    names = looked.words.get(name, ())
    if not names and looked.reader is not None:
        names = tuple(getattr(looked.reader, "words", ()))
    is_text = bool(names) and array.dtype.kind in "iu" and array.ndim == 1
    words = tuple(names[one] if 0 <= one < len(names) else "?" for one in array) if is_text else ()
    return InputLook(name, array, span, words, tuple(looked.columns.get(name, ())))


def _answers(said: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Classes with their probabilities, the surest first; or numbers."""
    shares = said.get("probabilities") or said.get("scores")
    if shares:
        return sorted(shares.items(), key=lambda pair: -pair[1])
    if "class" in said:
        return [(str(said["class"]), float(said["score"]))]
    if "number" in said:
        return [("", float(said["number"]))]
    return [(str(place), float(one)) for place, one in enumerate(said["numbers"])]


def _truth(output: Any, true: Array) -> str:
    if output.is_number:
        return ", ".join(f"{one:.4g}" for one in output.restored(true)[0].ravel())
    names = output.names(0)
    places = true.ravel()
    if output.kind == "labels":
        chosen = [name for name, one in zip(names, places, strict=False) if one > 0]
        return ", ".join(chosen) or "none"
    place = int(places[0])
    return names[place] if place < len(names) else str(place)


def _root(traced: Trace) -> str:
    """What the paths of all layers begin with: the model's own name, and a slash."""
    first = traced.calls[0].path if traced.calls else ""
    return f"{first}/" if all(f"{call.path}/".startswith(f"{first}/") for call in traced.calls) \
        else ""  # fmt: skip


def _row_name(traced: Trace, call: LayerCall) -> str:
    return f"{call.path}/".removeprefix(_root(traced)).rstrip("/")


def _calls(traced: Trace, name: str) -> list[LayerCall]:
    """The calls of a layer, by its name in the list."""
    root = _root(traced)
    found = [call for call in traced.calls if call.path == f"{root}{name}".rstrip("/")]
    if found:
        return found
    names = [call.path.removeprefix(root) for call in traced.calls[1:]]
    raise UsageError(
        f"no layer {name!r} ran", "a layer of the list", nearest(name, names) or "choose one"
    )


def _first(value: Value) -> Array | None:
    """The elements of the one sample; None where there are none."""
    array = value.array
    if array is None or array.dtype.kind not in "fiub":
        return np.asarray(array, np.float32)[0] if value.is_float and array is not None else None
    return np.asarray(array[0]) if array.ndim else None


def _op_rows(part: Part, depth: int) -> Iterator[tuple[str, ...]]:
    """The operations of a layer, those of layers inside it below their names."""
    gates = first_gates(part)
    for found in in_order(part, list(gates)):
        if isinstance(found, Part):
            cells = part_cells(found)
            yield (f"{'  ' * depth}{part_title(found)}", *cells[:2], "")
            yield from _op_rows(found, depth + 1)
        else:
            drawn = gate_branch(found, gates[found])
            label = drawn.label.partition(" ")[2]  # without its place
            yield (f"{'  ' * depth}{label}", *drawn.cells[:2], drawn.cells[-1])


def _winners(ops: Sequence[Gate]) -> Winners | None:
    for gate in ops:
        x = gate.inputs[0].array if gate.inputs else None
        if gate.op not in ("MaxPool", "Max") or x is None or x.ndim != 4:
            continue
        places = pooling_winners(gate)
        if places is None:
            continue
        _, rows, columns, _ = np.unravel_index(places.reshape(1, -1, x.shape[-1]), x.shape)
        shape = places.shape[1:] if places.ndim == 4 else (1, 1, x.shape[-1])
        return Winners(x[0], rows.reshape(shape), columns.reshape(shape))
    return None


def _gates(call: LayerCall) -> dict[str, Any]:
    x = call.inputs[0].tensor
    if x is None:
        return {}
    mask = getattr(x, "_keras_mask", None)
    courses = gates_over_time(call.layer, x, mask)
    shown = {
        course.name: {name: values[0] for name, values in course.gates.items()}
        for course in courses
    }
    return {"gates": shown, "difference": _difference(call, [c.gates["hidden"] for c in courses])}


def _difference(call: LayerCall, hidden: Sequence[Array]) -> float | None:
    """How far gates that were computed anew are from what the layer said."""
    said = call.outputs[0].array if call.outputs else None
    if said is None:
        return None
    directions = [True, False][: len(hidden)]
    parts = [
        one if said.ndim == 3 else one[:, -1 if forward else 0]
        for one, forward in zip(hidden, directions, strict=True)
    ]
    came = np.concatenate(parts, -1)
    if came.shape != said.shape:  # both directions were added up, or the like
        return None
    return float(np.abs(came - said).max())


def _value(traced: Trace, where: Where) -> Value:
    if where.gate is not None:
        if not 0 <= where.gate < len(traced.gates):
            raise UsageError(f"there is no gate {where.gate}", "one that ran", "choose a unit")
        return traced.gates[where.gate].outputs[0]
    call = _calls(traced, where.layer)[-1]
    if not call.outputs:
        raise UsageError(f"{where.layer!r} has no output", "a layer with one", "choose another")
    return call.outputs[0]


def _neuron(traced: Trace, where: Where, terms: int) -> Neuron:
    value = _value(traced, where)
    index = (0, *where.place) if len(value.shape) == len(where.place) + 1 else where.place
    return traced.neuron(value, index, terms=terms)


def _where(traced: Trace, element: Element) -> Where | None:
    """How to ask for a number; None of what came in, and of weights."""
    value, gate = element.value, element.value.gate
    if gate is None or value.name or gate.call is None:
        return None
    place = element.place
    place = place[1:] if place and value.shape[0] == 1 else place
    name = _row_name(traced, gate.call)
    last = _calls(traced, name)[-1]
    if last is gate.call and last.outputs and last.outputs[0] is value:
        return Where(name, place)
    return Where(name, place, gate.place) if gate.outputs[0] is value else None


def _link(traced: Trace, element: Element, label: str, share: float = 0.0) -> Link:
    return Link(label, element.number, _where(traced, element), share)


class _Columns:
    """Tells which column of a table a number of the input is."""

    def __init__(self, looked: Looked) -> None:
        self._names = {
            f"x[{name}][0" if len(looked.columns) > 1 else "x[0": columns
            for name, columns in looked.columns.items()
        }

    def of(self, label: str) -> str:
        """A number's label, and the name of its column where it has one."""
        begin, comma, place = label.rstrip("]").rpartition(", ")
        columns = self._names.get(begin, ())
        known = comma and place.isdecimal() and int(place) < len(columns)
        return f"{columns[int(place)]}, {label}" if known else label


def _behind(traced: Trace, neuron: Neuron, named: _Columns) -> list[Link]:
    found: list[Link] = []
    for name, share in neuron.contributions.items():
        element = neuron.element_of(neuron.inputs[name])
        if element is None or element.value.kind == "variable" or (element.value.name and \
                element.value.kind == "gate"):  # fmt: skip
            continue
        found.append(_link(traced, element, named.of(name), share))
        if len(found) == _FOLLOWED:
            break
    return found


def _input_name(value: Value, known: Sequence[str]) -> str:
    """The name of the model's input that a value of the trace is."""
    if len(known) == 1:
        return known[0]
    return value.name.partition("[")[2].rstrip("]") or value.name  # as in x[age]
