"""Circuits as straight-line functions: the gates' rules one below the other, nothing looked up."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, final

from gatescope.circuits.gates import FUNCTIONS, NUMBERS
from gatescope.circuits.graph import Graph
from gatescope.circuits.inputs import find
from gatescope.circuits.refusals import finite, none_missing
from gatescope.circuits.wires import Wire

Value = Any  # a float of numbers, a NumPy array of arrays
Outputs = Any  # a Value, or a tuple of those of several outputs
_INFINITE_IF_AN_INPUT_IS = ("add", "sub", "mul", "neg")
_FLOATS = {float}
_TERMS = 50  # longer sums in one line would make Python's compiler recurse too deep


def compile_graph(graph: Graph) -> Compiled:
    """Writes the circuit, as it is now, as straight-line functions.

    Returns:
        Functions that compute the same many times as fast, for numbers or NumPy arrays.

    Example:
        >>> compiled = gs.circuit("a*x", a=4).compile()
        >>> compiled.forward(x=5.0)
        20.0
        >>> compiled.backward(x=np.array([5.0, 6.0]))[1]["a"]
        array([5., 6.])
    """
    return Compiled(graph)


@final
class Compiled:
    """A circuit as two functions of its inputs, `forward` and `backward`.

    Inputs are given by name, as numbers or as NumPy arrays whose shapes broadcast; those left out
    keep the value they had when the circuit was compiled. From numbers come the very floats that
    the circuit computes, or its errors. From arrays come arrays, equal but for rounding, with NaN
    or infinity where the circuit would say that a gate has no value.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._defaults = {name: wire.value for name, wire in graph.inputs.items()}
        self.source = "\n".join(_source(graph))
        self._of_numbers = _functions(ast.parse(self.source), {**NUMBERS, "isfinite": isfinite})
        self._of_arrays: Mapping[str, Callable[..., Any]] | None = None

    def forward(self, **inputs: Value) -> Outputs:
        """The output, or a tuple of several.

        Raises:
            UsageError: A name is no input's, or an input has no finite value.
            GateError: Of numbers, a gate has no value.
        """
        return self._run("forward", inputs)

    def backward(self, **inputs: Value) -> tuple[Outputs, dict[str, Value]]:
        """The outputs, and the gradient of their sum on each input.

        Raises:
            UsageError: A name is no input's, or an input has no finite value.
            GateError: Of numbers, a gate has no value or no gradient.
        """
        outputs, gradients = self._run("backward", inputs)
        return outputs, dict(zip(self._defaults, gradients, strict=True))

    def _run(self, way: str, inputs: Mapping[str, Value]) -> Any:
        if not inputs.keys() <= self._defaults.keys():
            for name in inputs:
                find(self._graph.inputs, name)
        given = {**self._defaults, **inputs}
        if set(map(type, given.values())) != _FLOATS:
            none_missing(given)
            if any(hasattr(value, "__array__") for value in inputs.values()):
                return self._run_arrays(way, list(given.values()))
            given = {name: finite(value, name) for name, value in given.items()}
        try:
            return self._of_numbers[way](*given.values())
        except (ArithmeticError, ValueError):
            return self._interpret(way, given)

    def _run_arrays(self, way: str, values: Sequence[Value]) -> Any:
        import numpy as np

        if self._of_arrays is None:
            tree = _Elementwise().visit(ast.parse(self.source))
            functions = {name: getattr(np, name) for name in FUNCTIONS if hasattr(np, name)}
            functions |= {"erfc": np.vectorize(NUMBERS["erfc"], otypes=[float])}
            functions |= {
                "where": np.where,
                "abs": np.abs,
                "pow": np.power,
                "isfinite": lambda _: True,
            }
            self._of_arrays = _functions(ast.fix_missing_locations(tree), functions)
        arrays = [np.asarray(value, np.float64) for value in values]
        shape = np.broadcast_shapes(*(array.shape for array in arrays))

        def whole(result: Any) -> Any:
            parts = isinstance(result, tuple)
            return tuple(map(whole, result)) if parts else np.broadcast_to(result, shape)

        with np.errstate(all="ignore"):
            return whole(self._of_arrays[way](*arrays))

    def _interpret(self, way: str, values: Mapping[str, float]) -> Any:
        """Lets the circuit say which gate fails, and leaves it as it was."""
        graph = self._graph
        before = [(wire, wire.value, wire.gradient) for wire in graph.wires]
        failure = graph.failure
        try:
            outputs = graph.forward(**values)
            if way == "forward":
                return outputs
            graph.backward()
            return outputs, [wire.gradient for wire in graph.inputs.values()]
        finally:
            for wire, value, gradient in before:
                wire.value, wire.gradient = value, gradient
            graph.failure = failure


def _source(graph: Graph) -> Iterator[str]:
    """The two functions as Python. Users' names are not in it: wires are numbered."""
    names = {wire: f"v{place}" for place, wire in enumerate(graph.wires)}
    names |= {wire: f"({wire.value!r})" for wire in graph.wires if not (wire.gate or wire.name)}
    inputs = ", ".join(names[wire] for wire in graph.inputs.values())
    outputs = ", ".join(names[wire] for wire in graph.outputs)
    outputs = f"({outputs})" if len(graph.outputs) > 1 else outputs
    forward = [*_values(graph, names)]
    yield from (f"def forward({inputs}):", *forward, f"    return {outputs}")
    yield from (f"def backward({inputs}):", *forward)
    gradients = yield from _gradients(graph, names)
    yield f"    return {outputs}, ({''.join(f'{gradient}, ' for gradient in gradients)})"


def _values(graph: Graph, names: Mapping[Wire, str]) -> Iterator[str]:
    for wire in graph.wires:
        if wire.gate:
            yield f"    {names[wire]} = {_fill(wire.gate.rule, wire, names)}"
    # An overflow shows in whatever is added or multiplied with it, so those need no check.
    told = {end for wire in graph.wires if _hands_on(wire) for end in wire.inputs}
    yield from _check([names[wire] for wire in graph.wires if wire not in told])


def _hands_on(wire: Wire) -> bool:
    return wire.gate is not None and wire.gate.name in _INFINITE_IF_AN_INPUT_IS


def _gradients(graph: Graph, names: Mapping[Wire, str]) -> Generator[str, None, list[str]]:
    """Lines that compute the gradients; returns those of the inputs.

    A gradient is one sum, of the same terms in the same order as the circuit adds up.
    """
    terms: dict[Wire, list[str]] = {wire: [] for wire in graph.wires}
    gradients: dict[Wire, str] = {}
    for output in graph.outputs:
        terms[output].append("1.0")
    for wire in reversed(graph.wires):
        if not (wire.gate or wire.name):
            continue
        gradient = terms[wire][0]
        if len(terms[wire]) > 1 or not gradient.isidentifier():
            gradient = f"g{names[wire][1:]}"
            yield from _sum(gradient, terms[wire])
        gradients[wire] = gradient
        for end, rule in zip(wire.inputs, wire.gate.derivatives if wire.gate else (), strict=True):
            slope = ast.parse(_fill(rule, wire, names), mode="eval").body
            terms[end].append(_times(gradient, slope))
    found = [gradients[wire] for wire in graph.inputs.values()]
    yield from _check(found)
    return found


def _times(gradient: str, slope: ast.expr) -> str:
    """A product as text; by 1, -1 and 0 there is none to compute."""
    match slope:
        case ast.IfExp(test=test, body=body, orelse=orelse):
            either = _times(gradient, body), _times(gradient, orelse)
            return f"({either[0]} if {ast.unparse(test)} else {either[1]})"
        case ast.Constant(value=1.0):
            return gradient
        case ast.Constant(value=0.0):
            return "0.0"
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1.0)):
            return f"-{gradient}"
    return f"{gradient} * ({ast.unparse(slope)})"


def _fill(rule: str, wire: Wire, names: Mapping[Wire, str]) -> str:
    """A rule of the gates' table with the names of this wire and its inputs."""
    ends = {"a": names[wire.inputs[0]], "b": names[wire.inputs[-1]], "out": names[wire]}
    return re.sub(r"\b(a|b|out)\b", lambda found: ends[found[0]], rule)


def _check(names: Sequence[str]) -> Iterator[str]:
    """One sum tells whether any of them overflowed."""
    if names:
        yield from _sum("total", names)
        yield "    if not isfinite(total): raise OverflowError"


def _sum(total: str, terms: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(terms), _TERMS):
        yield f"    {total} {'+=' if start else '='} {' + '.join(terms[start : start + _TERMS])}"


def _functions(
    tree: ast.Module, known: Mapping[str, Callable[..., Any]]
) -> dict[str, Callable[..., Any]]:
    # The text is made of the gates' table, numbers and numbered wires: nothing of a user's.
    defined: dict[str, Any] = {**known}
    exec(compile(tree, "<circuit>", "exec"), defined)  # noqa: S102
    return {way: defined[way] for way in ("forward", "backward")}


class _Elementwise(ast.NodeTransformer):
    """Turns `x if condition else y` into `where(condition, x, y)`, which arrays understand."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.Call:
        parts = [self.visit(part) for part in (node.test, node.body, node.orelse)]
        return ast.Call(ast.Name("where", ast.Load()), parts, [])
