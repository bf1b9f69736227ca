"""The user's script as a syntax tree: which line a change is about, and how the line would read.

Nothing is run, and nothing is found by patterns of text.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gatescope.doctor.finding import Change, Place

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
    "compile": ("optimizer", "loss", "loss_weights", "metrics"),
    "fit": ("x", "y", "batch_size", "epochs"),
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


Writer = Callable[[Script, Change], Iterator[Edit]]


def edits(script: Script, change: Change, layers: dict[str, LayerCall]) -> list[Edit]:
    """What a change does to the source; nothing where its place is not found.

    Args:
        script: The source.
        change: The change.
        layers: What is known of each layer, by name.
    """
    if script.tree is None:
        return []
    if change.layer is not None:
        return _of_layer(script, change, layers.get(change.layer))
    root = change.target.partition(".")[0].partition(":")[0]
    return list(_WRITERS.get(root, _of_compile)(script, change))


def _of_layer(script: Script, change: Change, asked: LayerCall | None) -> list[Edit]:
    call = script.layer(asked) if asked else None
    if change.setting == "trainable" and (call is None or argument(call, "trainable") is None):
        return _unfreezing(script)
    if call is None:
        return []
    if change.action == "remove":
        edit = script.removing(call)
        return [edit] if edit else []
    if change.action == "insert":
        return _inserted(script, call, str(change.value["call"]))
    return [script.setting(call, change.setting, written(change.value))]


def _unfreezing(script: Script) -> list[Edit]:
    """Lines such as `layer.trainable = False`."""
    return [
        script.replacing(node.value, "True")
        for node in ast.walk(script.tree or ast.Module([], []))
        if isinstance(node, ast.Assign)
        and any(isinstance(to, ast.Attribute) and to.attr == "trainable" for to in node.targets)
        and script.constant(node.value) is False
    ]


def _inserted(script: Script, call: ast.Call, text: str) -> list[Edit]:
    """Another layer after one of a list or a chain of calls."""
    holder = script._holder(call)
    _, end = script.span(call)
    if isinstance(holder, ast.List):
        return [Edit(end, end, f",\n{' ' * call.col_offset}{text}", call.lineno)]
    if isinstance(holder, ast.Expr) and isinstance(holder.value, ast.Call):
        model = ast.unparse(holder.value.func.value)  # type: ignore[attr-defined]
        return [script.inserting((holder.end_lineno or holder.lineno) + 1, f"{model}.add({text})")]
    return []


def _of_optimizer(script: Script, change: Change) -> Iterator[Edit]:
    call = script.compiling()
    node = script.resolved(argument(call, "optimizer")) if call else None
    if call is None:
        made = script.calls(*OPTIMIZERS)
        if made and change.setting:
            yield script.setting(made[0], change.setting, written(change.value))
        return
    if not change.setting:
        yield script.setting(call, "optimizer", _optimizer_text(change.value))
    elif isinstance(node, ast.Call):
        name = "lr" if argument(node, "lr") is not None else change.setting
        yield script.setting(node, name, written(change.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        settings = {change.setting: change.value}
        yield script.replacing(node, _optimizer_text({"name": node.value, **settings}))
    else:
        yield script.setting(call, "optimizer", f"keras.optimizers.Adam({written(change.value)})")


def _optimizer_text(value: Any) -> str:
    settings = dict(value) if isinstance(value, dict) else {"name": value}
    name = settings.pop("name")
    proper = next((one for one in OPTIMIZERS if one.casefold() == str(name).casefold()), name)
    inside = ", ".join(f"{key}={written(one)}" for key, one in settings.items())
    return f"keras.optimizers.{proper}({inside})" if inside else written(str(name))


def _of_compile(script: Script, change: Change) -> Iterator[Edit]:
    call = script.compiling()
    if call is None:
        return
    value = change.value
    if change.target == "loss.from_logits":
        node = script.resolved(argument(call, "loss"))
        if isinstance(node, ast.Call):
            yield script.setting(node, "from_logits", written(value))
        elif isinstance(node, ast.Constant):
            yield script.replacing(node, _loss_text(str(node.value), value))
        return
    name = change.target.partition(".")[0]
    yield script.setting(call, name, written(value))


def _loss_text(name: str, logits: bool) -> str:
    proper = "".join(part.capitalize() for part in name.split("_"))
    proper = proper.replace("crossentropy", "Crossentropy")
    return f"keras.losses.{proper}(from_logits={logits})"


def _of_fit(script: Script, change: Change) -> Iterator[Edit]:
    call = script.fitting()
    if change.setting == "patience":
        stopping = script.calls("EarlyStopping")
        call = stopping[0] if stopping else None
    if change.value == "balanced":
        return  # a dictionary that only the labels can tell
    if call is not None:
        yield script.setting(call, change.setting, written(change.value))


_DATA_LINES = {
    "standardize": "{x} = ({x} - {x}.mean(axis=0)) / ({x}.std(axis=0) + 1e-7)",
    "scale": "{x} = {x} / 255.0",
    "drop_nan": "{x}, {y} = ({x}[ok], {y}[ok]) if not (ok := np.isfinite({x}.reshape(len({x}), -1))"
    ".all(axis=1)).all() else ({x}, {y})",
    "one_hot": "{y} = keras.utils.to_categorical({y})",
    "integer": "{y} = {y}.argmax(axis=-1)",
    "standardize_y": "{y} = ({y} - {y}.mean()) / {y}.std()",
    "column": "{y} = {y}.reshape(-1, 1)",
    "from_zero": "{y} = {y} - {y}.min()",
    "yes_no": "{y} = ({y} > 0).astype('float32')",
    "shuffle": "{x}, {y} = sklearn.utils.shuffle({x}, {y}, random_state=0)",
}


def _of_data(script: Script, change: Change) -> Iterator[Edit]:
    """A line before the training, over the names that it is given."""
    call = script.fitting()
    if call is None or change.value not in _DATA_LINES:
        return
    names = [argument(call, name) for name in ("x", "y")]
    x, y = (ast.unparse(node) if isinstance(node, ast.Name) else "" for node in names)
    line = _DATA_LINES[change.value]
    if x and (y or "{y}" not in line):
        statement = _statement(script, call)
        yield script.inserting(statement, line.format(x=x, y=y))


def _statement(script: Script, call: ast.Call) -> int:
    """The first line of the statement that a call stands in."""
    if script.tree is None:
        return call.lineno
    holders = [
        node.lineno
        for node in ast.walk(script.tree)
        if isinstance(node, ast.Expr | ast.Assign | ast.Return)
        and node.lineno <= call.lineno <= (node.end_lineno or node.lineno)
    ]
    return max(holders, default=call.lineno)


def _line_of(change: Change) -> tuple[int, str]:
    where, _, name = change.target.partition(":")[2].partition(".")
    return int(where), name


def _of_keyword(script: Script, change: Change) -> Iterator[Edit]:
    """A keyword of a call renamed, or taken out."""
    line, name = _line_of(change)
    for node in ast.walk(script.tree or ast.Module([], [])):
        if not isinstance(node, ast.keyword) or node.arg != name or node.value.lineno != line:
            continue
        start = script._starts[node.lineno - 1] + node.col_offset
        if change.action == "set":
            yield Edit(start, start + len(name), str(change.value), line)
            return
        end = script.span(node.value)[1]
        before = script._bytes[:start].rstrip()
        yield Edit(len(before) - before.endswith(b","), end, "", line)
        return


def _of_method(script: Script, change: Change) -> Iterator[Edit]:
    line, name = _line_of(change)
    for call in script.calls(name):
        if call.lineno == line and isinstance(call.func, ast.Attribute):
            end = script.span(call.func)[1]
            yield Edit(end - len(name), end, str(change.value), line)
            return


def _of_module(script: Script, change: Change) -> Iterator[Edit]:
    line, name = _line_of(change)
    new = str(change.value)
    new = f"tensorflow.{new}" if name.startswith("tensorflow.") else new
    for node in ast.walk(script.tree or ast.Module([], [])):
        if isinstance(node, ast.ImportFrom) and (node.lineno, node.module) == (line, name):
            start = script.span(node)[0] + len("from ")
            yield Edit(start, start + len(name), new, line)


def _of_constant(script: Script, change: Change) -> Iterator[Edit]:
    line, name = _line_of(change)
    for node in ast.walk(script.tree or ast.Module([], [])):
        if isinstance(node, ast.Constant) and (node.lineno, node.value) == (line, name):
            yield script.replacing(node, written(change.value))
            return


def _of_call(script: Script, change: Change) -> Iterator[Edit]:
    line, name = _line_of(change)
    for node in ast.walk(script.tree or ast.Module([], [])):
        if isinstance(node, ast.Call) and node.lineno == line and argument(node, name) is not None:
            text = change.value if isinstance(change.value, str) else written(change.value)
            yield script.setting(node, name, text)
            return


_WRITERS: dict[str, Writer] = {
    "optimizer": _of_optimizer,
    "fit": _of_fit,
    "data": _of_data,
    "keyword": _of_keyword,
    "method": _of_method,
    "module": _of_module,
    "constant": _of_constant,
    "call": _of_call,
}


def written(value: Any) -> str:
    """A value as Python."""
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str) else repr(value)
