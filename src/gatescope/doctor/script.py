"""The user's script as a syntax tree: which line a change is about, and how the line would read.

Nothing is run, and nothing is found by patterns of text.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gatescope.doctor.finding import Place

POSITIONS = {
    "Dense": ("units", "activation", "use_bias"),
    "Conv1D": ("filters", "kernel_size", "strides", "padding"),
    "Conv2D": ("filters", "kernel_size", "strides", "padding"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "MaxPooling1D": ("pool_size", "strides", "padding"),
    "Dropout": ("rate",),
    "Activation": ("activation",),
    "LSTM": ("units", "activation"),
    "GRU": ("units", "activation"),
    "SimpleRNN": ("units", "activation"),
    "Embedding": ("input_dim", "output_dim"),
    "Input": ("shape",),
    "InputLayer": ("shape",),
    "compile": ("optimizer", "loss", "loss_weights", "metrics"),
    "fit": ("x", "y", "batch_size", "epochs"),
    "train_on_batch": ("x", "y"),
    "evaluate": ("x", "y"),
    "predict": ("x",),
    "Adam": ("learning_rate", "beta_1", "beta_2"),
    "RMSprop": ("learning_rate", "rho", "momentum"),
    "SGD": ("learning_rate", "momentum"),
}
"""Arguments that are often given without their names."""
OPTIMIZERS = (
    "SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Adagrad", "Adadelta", "Ftrl", "Lion",
    "Adafactor", "Lamb",
)  # fmt: skip


@dataclass(frozen=True)
class LayerCall:
    """What is known of a layer to find the call that made it.

    Args:
        kind: Its class.
        name: Its name, which the script may have given.
        place: How many layers of its class came before it.
        count: How many of its class there are.
        config: Its configuration.
    """

    kind: str
    name: str
    place: int
    count: int
    config: dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """New text in the place of some bytes of the source."""

    start: int
    end: int
    text: str
    line: int


@dataclass(frozen=True)
class Script:
    """A Python file of the user's.

    Args:
        path: Where it is.
        text: What stands in it.
    """

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module | None:
        """Its syntax tree; None where it is no Python."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError):
            return None

    @cached_property
    def _bytes(self) -> bytes:
        return self.text.encode()

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def place(self, line: int) -> Place:
        """A line, as findings name it."""
        lines = self.text.splitlines()
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        return Place(self.path, line, text)

    def calls(self, *names: str) -> list[ast.Call]:
        """Calls of a function, method or class by its own name, in the order of the source."""
        if self.tree is None:
            return []
        found = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and called(node) in names
        ]
        return sorted(found, key=lambda node: (node.lineno, node.col_offset))

    def compiling(self) -> ast.Call | None:
        """The call of `compile` that says a loss or an optimizer."""
        for call in self.calls("compile"):
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) != "re":
                return call
        return None

    def fitting(self) -> ast.Call | None:
        """The call that trains: `fit` of what was compiled, and not that of a scaler."""
        compiled = self.compiling()
        owner = compiled and ast.unparse(compiled.func.value)  # type: ignore[attr-defined]
        calls = self.calls("fit", "train_on_batch")
        told = {"epochs", "batch_size", "validation_data", "validation_split", "callbacks"}
        for call in calls:
            given = {one.arg for one in call.keywords}
            value = getattr(call.func, "value", None)
            if given & told or (value is not None and ast.unparse(value) == owner):
                return call
        return None

    def layer(self, asked: LayerCall) -> ast.Call | None:
        """The call that made a layer: by its name, else by its settings and its place."""
        calls = self.calls(asked.kind)
        named = [call for call in calls if self.constant(argument(call, "name")) == asked.name]
        if named:
            return named[0]
        if len(calls) == asked.count:
            return calls[asked.place]
        fitting = [call for call in calls if self._agrees(call, asked)]
        if not fitting and asked.kind != "Activation":
            return None
        return fitting[min(asked.place, len(fitting) - 1)] if fitting else None

    def _agrees(self, call: ast.Call, asked: LayerCall) -> bool:
        """Whether what a call says outright is what the layer is."""
        for name in ("units", "filters", "rate", "activation"):
            told = self.constant(argument(call, name))
            if told is not None and name in asked.config and told != asked.config[name]:
                return False
        return True

    def constant(self, node: ast.expr | None) -> Any:
        """The value of an expression that is a constant, or a name that stands for one."""
        node = self.resolved(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self.constant(node.operand)
            return -value if isinstance(value, int | float) else None
        return node.value if isinstance(node, ast.Constant) else None

    def assigned(self, name: str) -> list[ast.Assign]:
        """Assignments to a name, alone or among others, in the order of the source."""
        found = [
            node
            for node in ast.walk(self.tree or ast.Module([], []))
            if isinstance(node, ast.Assign)
            and any(
                isinstance(to, ast.Name) and to.id == name and isinstance(to.ctx, ast.Store)
                for target in node.targets
                for to in ast.walk(target)
            )
        ]
        return sorted(found, key=lambda node: node.lineno)

    def statement(self, line: int) -> tuple[int, int]:
        """The first and last line of the innermost statement that a line belongs to."""
        spans = [
            (node.lineno, node.end_lineno or node.lineno)
            for node in ast.walk(self.tree or ast.Module([], []))
            if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line)
        ]
        return min(spans, key=lambda span: span[1] - span[0], default=(line, line))

    def scope(self, node: ast.AST) -> ast.AST | None:
        """The innermost function that a node stands in; None at the top."""
        line = getattr(node, "lineno", 0)
        holders = [
            one
            for one in ast.walk(self.tree or ast.Module([], []))
            if isinstance(one, ast.FunctionDef) and one.lineno < line <= (one.end_lineno or 0)
        ]
        return max(holders, key=lambda one: one.lineno, default=None)

    def imported(self) -> set[str]:
        """The names that imports bind."""
        tree = self.tree or ast.Module([], [])
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        found = [(node, one) for node in nodes for one in node.names]
        return {
            one.asname or (one.name.partition(".")[0] if isinstance(node, ast.Import) else one.name)
            for node, one in found
        }

    def importing(self, text: str) -> Edit:
        """An import after those at the top of the script, or as its first statement."""
        body = self.tree.body if self.tree else []
        imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        if imports:
            last = imports[-1].end_lineno or imports[-1].lineno
            at = self._starts[last] if last < len(self._starts) else len(self._bytes)
            return Edit(at, at, f"{text}\n", last)
        return self.inserting(body[0].lineno if body else 1, text)

    def resolved(self, node: ast.expr | None) -> ast.expr | None:
        """What was assigned to a name, where that was done once; else the expression itself."""
        if not isinstance(node, ast.Name) or self.tree is None:
            return node
        found = [
            one.value
            for one in ast.walk(self.tree)
            if isinstance(one, ast.Assign)
            and any(isinstance(to, ast.Name) and to.id == node.id for to in one.targets)
        ]
        return found[0] if len(found) == 1 else node

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node stands, in bytes."""
        end = node.end_lineno or node.lineno
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[end - 1] + (node.end_col_offset or 0),
        )

    def replacing(self, node: ast.expr, text: str) -> Edit:
        """New text in place of an expression."""
        return Edit(*self.span(node), text, node.lineno)

    def setting(self, call: ast.Call, name: str, text: str) -> Edit:
        """An argument of a call set: in its place where it is given, added where not."""
        node = argument(call, name)
        if node is not None:
            value = self.resolved(node)
            simple = isinstance(value, ast.Constant | ast.UnaryOp)
            return self.replacing(value if value is not None and simple else node, text)
        start, end = self.span(call)
        inside = self._bytes[start : end - 1].rstrip()
        given = bool(call.args or call.keywords)
        comma = "" if not given or inside.endswith(b",") else ","
        at = start + len(inside)
        space = " " if given else ""
        return Edit(at, at, f"{comma}{space}{name}={text}", call.lineno)

    def removing(self, call: ast.Call) -> Edit | None:
        """A layer taken out: its element of a list, its `add`, or its line of a chain of calls."""
        holder = self._holder(call)
        if isinstance(holder, ast.List):
            start, end = self.span(call)
            rest = self._bytes[end:]
            comma = len(rest) - len(rest.lstrip()) + 1 if rest.lstrip().startswith(b",") else 0
            return self._whole_line(start, end + comma, call.lineno)
        if isinstance(holder, ast.stmt):
            return self._whole_line(*self.span(holder), holder.lineno)
        return None

    def _holder(self, call: ast.Call) -> ast.List | ast.stmt | None:
        if self.tree is None:
            return None
        for node in ast.walk(self.tree):
            if isinstance(node, ast.List) and call in node.elts:
                return node
            if isinstance(node, ast.Expr) and _adds(node.value, call):
                return node
            if isinstance(node, ast.Assign) and _passes_on(node, call):
                return node
        return None

    def _whole_line(self, start: int, end: int, line: int) -> Edit:
        """The bytes, and the whole line where nothing else stands on it."""
        begin = self._bytes.rfind(b"\n", 0, start) + 1
        stop = self._bytes.find(b"\n", end)
        stop = len(self._bytes) if stop < 0 else stop + 1
        alone = not self._bytes[begin:start].strip() and not self._bytes[end:stop].strip()
        return Edit(begin, stop, "", line) if alone else Edit(start, end, "", line)

    def inserting(self, line: int, text: str) -> Edit:
        """A line of its own before another, indented as that is."""
        at = self._starts[line - 1]
        there = self._bytes[at : self._starts[line]].decode()
        indent = there[: len(there) - len(there.lstrip())]
        return Edit(at, at, "".join(f"{indent}{one}\n" for one in text.splitlines()), line)

    def diff(self, edits: Sequence[Edit]) -> str:
        """The edits as a unified diff."""
        changed = self._bytes
        for edit in sorted(set(edits), key=lambda one: one.start, reverse=True):
            changed = changed[: edit.start] + edit.text.encode() + changed[edit.end :]
        lines = difflib.unified_diff(
            self.text.splitlines(keepends=True),
            changed.decode().splitlines(keepends=True),
            self.path,
            self.path,
            n=1,
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def names_in(node: ast.AST) -> set[str]:
    """The names that a part of the source mentions."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def argument(call: ast.Call, name: str) -> ast.expr | None:
    """An argument by its name, or where it stands without one."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    positions = POSITIONS.get(called(call), ())
    place = positions.index(name) if name in positions else len(call.args)
    return call.args[place] if place < len(call.args) else None


def _adds(node: ast.expr, call: ast.Call) -> bool:
    """Whether an expression is `model.add(Layer(…))`."""
    return isinstance(node, ast.Call) and called(node) == "add" and call in node.args


def _passes_on(node: ast.Assign, call: ast.Call) -> bool:
    """Whether a line is `x = Layer(…)(x)`."""
    outer = node.value
    return (
        isinstance(outer, ast.Call)
        and outer.func is call
        and len(outer.args) == 1
        and ast.unparse(outer.args[0]) == ast.unparse(node.targets[0])
    )
