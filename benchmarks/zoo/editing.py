"""Edits of a program's source: places found on its syntax tree, text replaced where they stand."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

DENSE = ("Dense",)
CONVOLUTIONS = ("Conv1D", "Conv2D")
RECURRENT = ("SimpleRNN", "LSTM", "GRU")
OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Nadam")


@dataclass(frozen=True)
class Edit:
    """Characters `start` to `end` of the source give way to `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Fault:
    """The edits of one fault.

    Args:
        edits: What changes.
        layers: Calls of the original source that make the layers concerned.
        inserted: Texts of layers that an edit adds; each stands once in some edit.
        also: Nodes of the original source whose lines count as right, too.
    """

    edits: tuple[Edit, ...]
    layers: tuple[ast.Call, ...] = ()
    inserted: tuple[str, ...] = ()
    also: tuple[ast.AST, ...] = ()


class Source:
    """A program's text and its syntax tree."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

    @cached_property
    def keras(self) -> str:
        """How this program says `keras`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import) and any(name.name == "keras" for name in node.names):
                return "keras"
            if isinstance(node, ast.ImportFrom) and any(
                name.name == "keras" for name in node.names
            ):
                return "keras"
        return "tf.keras"

    def start(self, node: ast.AST) -> int:
        """Where a node begins."""
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.AST) -> int:
        """Where a node ends."""
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.AST) -> str:
        """A node's text."""
        return self.text[self.start(node) : self.end(node)]

    def nodes(self) -> Iterator[ast.AST]:
        """All nodes with a place, in the order of the text."""
        placed = [node for node in ast.walk(self.tree) if hasattr(node, "lineno")]
        yield from sorted(placed, key=lambda node: (self.start(node), -self.end(node)))

    def calls(self, *names: str) -> list[ast.Call]:
        """The calls of these functions or methods, however they are qualified."""
        return [n for n in self.nodes() if isinstance(n, ast.Call) and called(n) in names]

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement around a node."""
        while not isinstance(node, ast.stmt):
            node = self._parents[node]
        return node

    def parent(self, node: ast.AST) -> ast.AST:
        """The node around a node."""
        return self._parents[node]

    def binding(self, name: str) -> ast.stmt | None:
        """The last statement of the module that gives `name` a value before it is put to use."""
        found = None
        for statement in self.tree.body:
            targets = getattr(statement, "targets", [])
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            if isinstance(statement, ast.With):
                names = {
                    n.id
                    for s in statement.body
                    for t in getattr(s, "targets", [])
                    for n in ast.walk(t)
                    if isinstance(n, ast.Name)
                }
            if name in names:
                found = statement
        return found

    # What programs are made of.

    @property
    def output(self) -> ast.Call | None:
        """The last dense layer."""
        dense = self.calls(*DENSE)
        return dense[-1] if dense else None

    @property
    def hidden(self) -> list[ast.Call]:
        """All dense and convolutional layers but the last dense one."""
        return [c for c in self.calls(*DENSE, *CONVOLUTIONS) if c is not self.output]

    @property
    def hidden_dense(self) -> list[ast.Call]:
        """All dense layers but the last."""
        return self.calls(*DENSE)[:-1]

    @property
    def fit(self) -> ast.Call | None:
        """The call that trains."""
        found = [c for c in self.calls("fit") if keyword(c, "epochs")]
        return found[0] if found else None

    @property
    def optimizer(self) -> ast.expr | None:
        """The optimizer: a call, or the text that names it."""
        calls = self.calls(*OPTIMIZERS)
        if calls:
            return calls[0]
        return self._compiled("optimizer", 0)

    @property
    def loss(self) -> ast.expr | None:
        """The loss: a text, a call, a dictionary."""
        assigned = [
            s.value
            for s in self.tree.body
            if isinstance(s, ast.Assign) and self.of(s.targets[0]) == "loss_object"
        ]
        return assigned[0] if assigned else self._compiled("loss", 1)

    def _compiled(self, name: str, position: int) -> ast.expr | None:
        for call in self.calls("compile"):
            if (word := keyword(call, name)) is not None:
                return word.value
            if len(call.args) > position:
                return call.args[position]
        return None

    # Edits.

    def replace(self, node: ast.AST, text: str) -> Edit:
        """Other text for a node."""
        return Edit(self.start(node), self.end(node), text)

    def set(self, call: ast.Call, name: str, value: str) -> Edit:
        """Gives a call a keyword, or the keyword another value."""
        if (word := keyword(call, name)) is not None:
            return self.replace(word.value, value)
        arguments = [*call.args, *call.keywords]
        if not arguments:
            return Edit(self.end(call) - 1, self.end(call) - 1, f"{name}={value}")
        at = max(self.end(a) for a in arguments)
        return Edit(at, at, f", {name}={value}")

    def drop(self, call: ast.Call, name: str) -> Edit | None:
        """Takes a keyword from a call."""
        word = keyword(call, name)
        if word is None:
            return None
        before = [
            self.end(a) for a in (*call.args, *call.keywords) if self.end(a) <= self.start(word)
        ]
        if before:
            return Edit(max(before), self.end(word), "")
        return Edit(self.start(word), self.end(word), "")

    def after(self, statement: ast.stmt, text: str) -> Edit:
        """A statement more, behind another."""
        line_end = self.text.find("\n", self.end(statement))
        indent = " " * statement.col_offset
        return Edit(line_end, line_end, "".join(f"\n{indent}{line}" for line in text.splitlines()))

    def before(self, statement: ast.stmt, text: str) -> Edit:
        """A statement more, in front of another."""
        at, indent = self.start(statement), " " * statement.col_offset
        return Edit(at, at, "".join(f"{line}\n{indent}" for line in text.splitlines()))

    def add_layer(self, layer: ast.Call, text: str) -> Edit | None:
        """A layer more, behind another, in whichever way this program strings layers together."""
        parent = self.parent(layer)
        statement = self.statement(layer)
        if isinstance(parent, ast.List):
            return Edit(self.end(layer), self.end(layer), f",\n{' ' * layer.col_offset}{text}")
        if isinstance(parent, ast.Call) and called(parent) == "add":
            model = self.of(parent.func).removesuffix(".add")
            return self.after(statement, f"{model}.add({text})")
        if (
            isinstance(parent, ast.Call)
            and parent.func is layer
            and isinstance(statement, ast.Assign)
        ):
            target = self.of(statement.targets[0])
            return self.after(statement, f"{target} = {text}({target})")
        return None

    def set_optimizer(self, name: str, value: str) -> Edit | None:
        """Gives the optimizer a keyword; a text that names it becomes a call."""
        optimizer = self.optimizer
        if isinstance(optimizer, ast.Call):
            if name == "learning_rate" and optimizer.args:
                return self.replace(optimizer.args[0], value)
            return self.set(optimizer, name, value)
        if isinstance(optimizer, ast.Constant) and optimizer.value == "adam":
            return self.replace(optimizer, f"{self.keras}.optimizers.Adam({name}={value})")
        return None


def called(call: ast.Call) -> str:
    """The last word of what is called."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def keyword(call: ast.Call, name: str) -> ast.keyword | None:
    """A call's keyword of that name."""
    return next((word for word in call.keywords if word.arg == name), None)


def text_of(node: ast.AST | None) -> str:
    """A constant text, or the empty one."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def number_of(node: ast.AST | None) -> float | None:
    """A constant number."""
    return (
        node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        else None
    )


@dataclass(frozen=True)
class Edited:
    """A program with a fault in it.

    Args:
        text: Its source.
        lines: The lines where the fault stands, counted from 1.
        statements: First and last line of each statement touched, for a lenient scorer.
        layers: (line, column) of the calls that make the layers concerned.
    """

    text: str
    lines: tuple[int, ...]
    statements: tuple[tuple[int, int], ...]
    layers: tuple[tuple[int, int], ...]


def apply(source: Source, fault: Fault) -> Edited:
    """Carries the edits out and says where they are in the new text."""
    edits = sorted(fault.edits, key=lambda e: (e.start, e.end))
    for one, two in itertools.pairwise(edits):
        if two.start < one.end:
            raise ValueError(f"edits overlap: {one} {two}")
    pieces, at, spans = [], 0, []
    length = 0
    for edit in edits:
        pieces += [source.text[at : edit.start], edit.text]
        length += edit.start - at
        spans.append((length, length + len(edit.text), edit.text))
        length += len(edit.text)
        at = edit.end
    text = "".join([*pieces, source.text[at:]])
    ast.parse(text)

    def moved(offset: int) -> int:
        return offset + sum(len(e.text) - (e.end - e.start) for e in edits if e.end <= offset)

    lines = {line for first, last, new in spans for line in _lines(text, first, last, new)}
    lines |= {_position(text, moved(source.start(node)))[0] for node in fault.also}
    places = [_position(text, moved(source.start(layer))) for layer in fault.layers]
    for new in fault.inserted:
        places += [
            _position(text, first + edit.index(new)) for first, _, edit in spans if new in edit
        ]
    return Edited(text, tuple(sorted(lines)), _statements(text, lines), tuple(sorted(set(places))))


def _position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1)


def _lines(text: str, first: int, last: int, new: str) -> range:
    """The lines of an edit, without the line breaks around it."""
    kept = new.strip("\n ")
    if not kept and first and text[first - 1] == "\n":  # whole lines are gone: both neighbours
        return range(max(1, _position(text, first)[0] - 1), _position(text, first)[0] + 1)
    if kept:
        first += len(new) - len(new.lstrip("\n "))
        last = first + len(kept) - 1
    return range(_position(text, first)[0], _position(text, max(first, last))[0] + 1)


def _statements(text: str, lines: set[int]) -> tuple[tuple[int, int], ...]:
    simple = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    ]
    around = {
        (node.lineno, node.end_lineno)
        for node in simple
        for line in lines
        if node.lineno <= line <= node.end_lineno
    }
    return tuple(sorted(around))
