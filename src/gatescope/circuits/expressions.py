"""Expressions as wires: Python's own parser, then a whitelist. Nothing is ever evaluated."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType

from gatescope.circuits.gates import GATES
from gatescope.circuits.refusals import finite, unknown_gate
from gatescope.circuits.wires import Wire, apply
from gatescope.errors import UsageError

OPERATORS: Mapping[type[ast.AST], str] = MappingProxyType(
    {
        ast.Add: "add",
        ast.Sub: "sub",
        ast.Mult: "mul",
        ast.Div: "div",
        ast.Pow: "pow",
    }
)
_LONGEST, _DEEPEST, _SHOWN = 100_000, 100, 40
_ALLOWED = "numbers, names, + - * / **, brackets, and gates such as sigmoid(x)"


def parse(text: str, wires: Mapping[str, Wire] | None = None) -> list[Wire]:
    """Reads an expression as wires.

    Args:
        text: One expression, or several with commas between them.
        wires: Wires that stand for names; every other name becomes an input of its own.

    Returns:
        The outputs.

    Raises:
        UsageError: It is not Python, or holds anything that the whitelist does not know.

    Example:
        >>> parse("a*x, a + x")
        [<wire a*x: value None, gradient None>, <wire a + x: value None, gradient None>]
    """
    named = dict(wires or {})
    body = _syntax_tree(text)
    parts = body.elts if isinstance(body, ast.Tuple) and body.elts else [body]
    return [_wire(part, named, 0) for part in parts]


def _syntax_tree(text: str) -> ast.expr:
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST or len(text) > _LONGEST:
        raise _too_much(f"{deepest:,} brackets deep and {len(text):,} letters long")
    try:
        if "\0" in text:  # before Python 3.11.4 a ValueError, as much else is
            raise SyntaxError("null bytes")
        return ast.parse(text.strip(), "expression", "eval").body
    except SyntaxError as error:
        raise _no_expression(text.strip(), error) from None
    except (RecursionError, MemoryError, ValueError):
        raise _too_much("too long or too deep for Python's parser") from None


def _wire(node: ast.expr, named: dict[str, Wire], depth: int) -> Wire:
    """The wire of a node: the whitelist. What no case knows is refused."""
    if depth > _DEEPEST:
        raise _too_much(f"more than {_DEEPEST} operations deep")
    match node:
        case ast.BinOp():
            return _chain(node, named, depth)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return _constant(-value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return apply("neg", _wire(operand, named, depth + 1))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _wire(operand, named, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=inputs, keywords=[]) if name in GATES:
            return apply(name, *(_wire(end, named, depth + 1) for end in inputs))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name not in GATES:
            raise unknown_gate(name)
        case ast.Name(id=name) if name not in GATES:
            return named.setdefault(name, Wire(name))
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _constant(value)
    raise _refused(node)


def _chain(node: ast.expr, named: dict[str, Wire], depth: int) -> Wire:
    """Operators one behind the other, `a + b + c + …`: a loop, so that sums can be long."""
    steps: list[tuple[str, ast.expr]] = []
    while isinstance(node, ast.BinOp):
        if type(node.op) not in OPERATORS:
            raise _refused(node)
        steps.append((OPERATORS[type(node.op)], node.right))
        node = node.left
    wire = _wire(node, named, depth + 1)
    for gate, right in reversed(steps):
        wire = apply(gate, wire, _wire(right, named, depth + 1))
    return wire


def _constant(value: float) -> Wire:
    return Wire(value=finite(value, "a constant"))


def _too_much(what: str) -> UsageError:
    return UsageError(
        f"the expression is {what}",
        f"at most {_DEEPEST} brackets deep and {_LONGEST:,} letters long",
        "build a circuit of this size from gs.wire objects, by operators in a loop",
    )


def _no_expression(text: str, error: SyntaxError) -> UsageError:
    place = max(0, (error.offset or len(text) + 1) - 1)
    near = f" at {text[place : place + 12]!r}" if text[place:] else " at its end"
    reason = (error.msg or "invalid syntax").partition(";")[0]
    fix = "x^2 is written x**2, and 2x is 2*x" if text else 'gatescope gates "a*x" a=4 x=5'
    return UsageError(f"{text[:60]!r} is no expression: {reason}{near}", _ALLOWED, fix)


def _refused(node: ast.expr) -> UsageError:
    """Says what the whitelist does not know, and for likely slips what to write."""
    fix = "leave it out"
    match node:
        case ast.BinOp(op=ast.BitXor()):
            fix = "a power is written x**2"
        case ast.Name(id=name):
            fix = f"{name} is a gate: give it inputs, {name}(…), or rename your input"
        case ast.Call():
            fix = "call gates by their name with inputs alone, as in max(a, b)"
        case ast.Compare():
            fix = "step(a - b) is 1 where a > b, else 0"
    written = ast.unparse(node)
    shown = written if len(written) <= _SHOWN else f"{written[:_SHOWN]}…"
    return UsageError(f"{shown!r} is not allowed in an expression", _ALLOWED, fix)
