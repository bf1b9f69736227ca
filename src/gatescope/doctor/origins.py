"""Which line of the script last changed the data that a training is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal

from gatescope.doctor.script import Script, argument, called, names_in

Side = Literal["x", "y"]

_USUAL = (
    "transform", "fit_transform", "astype", "reshape", "to_categorical", "expand_dims", "array",
    "asarray", "normalize", "ravel", "squeeze", "batch", "prefetch", "cache", "repeat", "shuffle",
)  # fmt: skip
"""What is done to data that nobody would call changed."""


def last_change(script: Script, side: Side, *, usual: bool = False) -> int | None:
    """The line before the training that last changed its inputs or targets; None if none did.

    Loading, splitting, shaping and scaling are no changes, unless asked for.

    Args:
        script: The source.
        side: Inputs or targets.
        usual: Whether shaping and scaling count, too.
    """
    call = script.fitting()
    given = argument(call, side) or argument(call, "x") if call else None
    if call is None or given is None:
        return None
    names = _origins(script, given, 0 if side == "x" else 1, call.lineno)
    views = _views(script, names)
    lines = [
        node.lineno
        for node in ast.walk(script.tree or ast.Module([], []))
        if isinstance(node, ast.stmt)
        and node.lineno < call.lineno
        and (_changes(node, usual) & names or _in_place(node) & views)
    ]
    return max(lines, default=None)


def _origins(script: Script, node: ast.expr, place: int, before: int) -> set[str]:
    """Names that hold the data, of a data set those of its inputs (0) or targets (1)."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for name in _names(waiting.pop(), place):
            if name not in found:
                found.add(name)
                made = [one for one in script.assigned(name) if one.lineno < before]
                waiting += [value for one in made if (value := _source(one, name)) is not None]
    return found


def _source(made: ast.Assign, name: str) -> ast.expr | None:
    """What an assignment makes a name of, of several names the part that is its own."""
    target, value = made.targets[0], made.value
    if isinstance(target, ast.Name):
        return value
    names = [one.id if isinstance(one, ast.Name) else "" for one in getattr(target, "elts", [])]
    place = names.index(name) if name in names else len(names)
    if isinstance(value, ast.Tuple) and len(value.elts) == len(names):
        return value.elts[place]
    if isinstance(value, ast.Call) and called(value) == "train_test_split":
        return value.args[place // 2] if place // 2 < len(value.args) else None
    return None


def _views(script: Script, names: set[str]) -> set[str]:
    """Names of slices of the data: what is written into these is in the data, too."""
    return {
        target.id
        for node in ast.walk(script.tree or ast.Module([], []))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and _root(node.value) in names
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _in_place(node: ast.stmt) -> set[str]:
    """Names of what a statement writes into."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {_root(one) for one in targets if isinstance(one, ast.Subscript)}


def _names(node: ast.expr, place: int) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Tuple | ast.List):
        yield from _names(node.elts[min(place, len(node.elts) - 1)], place) if node.elts else ()
    elif isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(inner, ast.Call):  # such as `.shuffle(…).batch(…)`
            yield from _names(inner, place)
        elif len(node.args) > 1:
            yield from _names(node.args[min(place, len(node.args) - 1)], place)
        elif node.args:
            yield from _names(node.args[0], place)
        elif isinstance(inner, ast.Name):
            yield inner.id
    elif isinstance(node, ast.Subscript):
        yield from _names(node.value, place)
    elif isinstance(node, ast.BinOp):
        yield from _names(node.left, place)


def _changes(node: ast.stmt, every: bool) -> set[str]:
    """Names whose data a statement changes: in place, or into something made of itself."""
    if isinstance(node, ast.AugAssign):
        harmless = _is_scaling(node.op, node.value) and not every
        return set() if harmless else {_root(node.target)}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        shuffled = called(node.value) == "shuffle"
        return {_root(one) for one in node.value.args} if shuffled else set()
    if not isinstance(node, ast.Assign):
        return set()
    value, in_place = node.value, any(isinstance(one, ast.Subscript) for one in node.targets)
    usual = isinstance(value, ast.Call) and called(value) in _USUAL and not _unnumbered(value)
    scaled = isinstance(value, ast.BinOp) and (
        _is_scaling(value.op, value.right) or _is_standardizing(value)
    )
    if (usual or scaled) and not in_place and not every:
        return set()
    used = names_in(value)
    changed = set()
    for target in node.targets:
        for one in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(one, ast.Subscript) or (isinstance(one, ast.Name) and one.id in used):
                changed.add(_root(one))
    return changed


def _unnumbered(call: ast.Call) -> bool:
    """Whether it makes texts or objects of numbers."""
    given = [*call.args, *(one.value for one in call.keywords if one.arg == "dtype")]
    names = [one.id if isinstance(one, ast.Name) else getattr(one, "value", "") for one in given]
    return any(str(one).casefold() in ("str", "object", "o", "string", "u", "s") for one in names)


def _is_scaling(op: ast.operator, by: ast.expr) -> bool:
    return isinstance(op, ast.Div) and isinstance(by, ast.Constant)


def _is_standardizing(node: ast.BinOp) -> bool:
    """Whether it is `(x - mean) / deviation`."""
    left = node.left
    return isinstance(node.op, ast.Div) and isinstance(left, ast.BinOp) and isinstance(
        left.op, ast.Sub
    )  # fmt: skip


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
