"""What a number of a trace is called where it is drawn: short, and telling."""

from __future__ import annotations

import ast
import linecache
from functools import cache

from gatescope.scope.moves import Element
from gatescope.scope.record import Gate, Source, Value


def label(element: Element) -> str:
    """What an element is called: the value's name, or its layer's, and the index.

    Example:
        >>> label(trace.neuron("lstm", unit=2).element)
        'lstm_cell@9[0, 2]'
    """
    place = ", ".join(map(str, element.place))
    name = label_of(element.value)
    return f"{name}[{place}]" if place else name


def label_of(value: Value) -> str:
    """What a value is called.

    A variable or an input has its name; what a layer hands on, the layer's; anything else its
    operation's too, and, where the layer has several of these, that of the Python variable it was
    assigned to: so the gates of a recurrent cell are `i`, `f` and `o`, as Keras writes them. A step
    but the first stands behind an @.
    """
    if value.name or value.gate is None:
        return "/".join(value.name.split("/")[-2:])
    gate = value.gate
    name = _inside(gate) if gate.call is None or value not in gate.call.outputs[:1] else ""
    layer = str(gate.call.layer.name) if gate.call else ""
    name = "/".join(part for part in (layer, name) if part)
    return f"{name}@{gate.step}" if gate.step else name


def _inside(gate: Gate) -> str:
    """The operation, with what tells it from others of its kind."""
    if gate.call is None:
        function = gate.source.function.rpartition(".")[2] if gate.source else ""
        return gate.op if not function or function.startswith("<") else f"{function}/{gate.op}"
    several = gate.call.ops[gate.op, gate.step] > 1
    name = assigned(gate.source) if several and gate.source else ""
    return f"{name}.{gate.op}" if name else gate.op


@cache
def assigned(source: Source) -> str:
    """The variable that the statement at a line of source assigns to; empty if it is not one."""
    for statement in _statements(source.path):
        last = statement.end_lineno or statement.lineno
        if statement.lineno <= source.line <= last:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if len(targets) == 1 and isinstance(targets[0], ast.Name):
                return targets[0].id
    return ""


@cache
def _statements(path: str) -> list[ast.Assign | ast.AugAssign | ast.AnnAssign]:
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return []
    kinds = ast.Assign | ast.AugAssign | ast.AnnAssign
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]
