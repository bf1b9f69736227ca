"""A trace as plain data for JSON."""

from __future__ import annotations

import math
from typing import Any

from gatescope.scope.bad import FirstBad
from gatescope.scope.record import Gate, LayerCall, Source, Summary, Value
from gatescope.scope.recorded import Recorded
from gatescope.scope.words import kind_of


def plain(trace: Recorded, elements: int) -> dict[str, Any]:
    """See `Trace.to_dict`."""
    calls = {call: place for place, call in enumerate(trace.calls)}
    used = (value for gate in trace.gates for value in gate.values)
    values = {value: place for place, value in enumerate(dict.fromkeys((*trace.values, *used)))}
    return {
        "loss": trace.loss if trace.loss is None else _number(trace.loss),
        "kept": trace.kept,
        "memory_budget": trace.memory_budget,
        "first_bad": _bad(trace.first_bad(), values),
        "calls": [_call(call, calls, values) for call in calls],
        "gates": [_gate(gate, calls, values) for gate in trace.gates],
        "values": [_value(value, values, elements) for value in values],
    }


def _call(call: LayerCall, calls: dict[LayerCall, int], values: dict[Value, int]) -> dict[str, Any]:
    return {
        "path": call.path,
        "class": kind_of(call),
        "number": call.number,
        "caller": calls[call.caller] if call.caller else None,
        "inputs": [values[value] for value in call.inputs],
        "outputs": [values[value] for value in call.outputs],
    }


def _gate(gate: Gate, calls: dict[LayerCall, int], values: dict[Value, int]) -> dict[str, Any]:
    return {
        "op": gate.op,
        "phase": gate.phase,
        "layer": gate.layer,
        "call": calls[gate.call] if gate.call else None,
        "step": gate.step,
        "source": _source(gate.source),
        "inputs": [values[value] for value in gate.inputs],
        "outputs": [values[value] for value in gate.outputs],
        "attributes": {name: _setting(setting) for name, setting in gate.attributes.items()},
        "opaque": gate.opaque,
        "gradient_of": gate.gradient_of.place if gate.gradient_of else None,
    }


def _source(source: Source | None) -> dict[str, Any] | None:
    return source._asdict() if source else None


def _setting(value: object) -> Any:
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list | tuple):
        return [_setting(part) for part in value]
    return str(value)


def _value(value: Value, values: dict[Value, int], elements: int) -> dict[str, Any]:
    array = value.array
    told = {
        "kind": value.kind,
        "name": value.name,
        "gate": value.gate.place if value.gate else None,
        "gates": [gate.place for gate in value.gates],
        "shape": list(value.shape),
        "dtype": value.dtype,
        "summary": _summary(value.summary),
        "gradient": values.get(value.gradient) if value.gradient else None,
    }
    if array is not None and array.size <= elements:
        told["elements"] = _elements(array.tolist())
    return told


def _summary(summary: Summary | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    return {name: _number(value) for name, value in summary._asdict().items()}


def _elements(part: object) -> Any:
    if isinstance(part, list):
        return [_elements(inside) for inside in part]
    return _number(part) if isinstance(part, float) else _setting(part)


def _number(value: float) -> float | str:
    """What JSON has no number for, by its name."""
    return value if math.isfinite(value) else str(value)


def _bad(bad: FirstBad | None, values: dict[Value, int]) -> dict[str, Any] | None:
    if bad is None:
        return None
    return {
        "what": bad.what,
        "value": values[bad.value],
        "gate": bad.gate.place if bad.gate else None,
        "elements": [list(index) for index in bad.elements],
        "bad": bad.bad,
    }
