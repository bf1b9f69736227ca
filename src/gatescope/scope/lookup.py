"""Finds what a user names in a trace, or says what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from gatescope.errors import UsageError, nearest
from gatescope.scope.record import Gate, LayerCall, Phase, Value

_MOST_NAMES = 20


def known_calls(layer: str, calls: Sequence[LayerCall]) -> list[LayerCall]:
    """The calls of a layer, by its name or by the end of its path.

    Raises:
        UsageError: No layer of this name ran.
    """
    found = [call for call in calls if f"/{call.path}".endswith(f"/{layer}")]
    if found:
        return found
    names = list(dict.fromkeys(call.path for call in calls))
    short = {str(call.layer.name) for call in calls}
    raise UsageError(
        f"no layer {layer!r} ran in this trace",
        f"one of {_listed(names)}" if names else "a name, but no layer ran at all",
        nearest(_name(layer), [*short, *names]) or "print(trace) shows what ran",
    )


def known_op(op: str, gates: Sequence[Gate]) -> str:
    """The operation, which must have run.

    Raises:
        UsageError: It did not.
    """
    ops = sorted({gate.op for gate in gates})
    if op in ops:
        return op
    raise UsageError(
        f"no operation {op!r} ran in this trace",
        f"one of {_listed(ops)}",
        nearest(_name(op), ops) or "print(trace) shows what ran",
    )


def known_gate(gate: Gate | int, gates: Sequence[Gate]) -> Gate:
    """The gate, by itself or by its place.

    Raises:
        UsageError: There is no such place.
    """
    if isinstance(gate, Gate):
        return gate
    if isinstance(gate, int | np.integer) and 0 <= gate < len(gates):
        return gates[gate]
    raise UsageError(
        f"there is no gate {gate!r}",
        f"a place from 0 to {len(gates) - 1}" if gates else "a gate, but none ran",
        "trace.tree(ops=True), on the command line --ops, shows them with their places",
    )


def known_phase(phase: Phase) -> Phase:
    """The phase.

    Raises:
        UsageError: There is no such phase.
    """
    phases = get_args(Phase)
    if phase in phases:
        return phase
    raise UsageError(
        f"there is no phase {phase!r}",
        f"one of {', '.join(phases)}",
        nearest(_name(phase), phases) or "leave it out for all of them",
    )


def known_step(step: int, gates: Sequence[Gate]) -> int:
    """The step, which must be one of those of the gates.

    Raises:
        UsageError: It is not.
    """
    last = max((gate.step for gate in gates), default=0)
    if 0 <= step <= last:
        return step
    raise UsageError(
        f"there is no step {step} of these gates",
        f"a step from 0 to {last}" if last else "step 0: they ran once",
        f"step={min(max(step, 0), last)}",
    )


def known_value(what: str | Gate | Value, step: int | None, calls: Sequence[LayerCall]) -> Value:
    """The first output of a layer's call (the last one of a step), or of a gate; or a value.

    Raises:
        UsageError: No such layer ran, or not at this step; or there is no output.
    """
    if isinstance(what, Value):
        return what
    if isinstance(what, Gate):
        outputs = what.outputs
    elif not isinstance(what, str):
        raise UsageError(
            f"{type(what).__name__} {_name(what)!r} says nothing of where a neuron is",
            "a layer's name or path, a gate or a value of the trace",
            "trace.neuron(trace.gates[7], …) opens a gate's first output",
        )
    else:
        found = _with_steps(known_calls(what, calls), step, calls)
        steps = {call.step or 0 for call in found}
        if step is not None and step not in steps:
            raise UsageError(
                f"the layer {what!r} has no step {step} in this trace",
                f"a step from {min(steps)} to {max(steps)}",
                f"trace.neuron({what!r}, …, step={max(steps)})",
            )
        outputs = [call for call in found if step in (None, call.step or 0)][-1].outputs
    if outputs:
        return outputs[0]
    raise UsageError(f"{what!r} has no output", "a layer or gate that has one", "print(trace)")


def _with_steps(
    found: list[LayerCall], step: int | None, calls: Sequence[LayerCall]
) -> list[LayerCall]:
    """A layer's calls; of one that calls another again and again, the calls of that.

    So the steps of a recurrent layer are those of its cell.
    """
    if step is None or len(found) > 1:
        return found
    inside = [call for call in calls if call.caller is found[0]]
    again = len(inside) > 1 and len({id(call.layer) for call in inside}) == 1
    return inside if again else found


def _name(what: Any) -> str:
    """What was named; of a layer, in whose place a name was expected, its name."""
    return str(getattr(what, "name", what))


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
