"""What a change does to the user's source: new text in its place, to be shown as a diff."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from gatescope.doctor.finding import Change
from gatescope.doctor.script import OPTIMIZERS, Edit, LayerCall, Script, argument, called

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
        return _importing(script, _of_layer(script, change, layers.get(change.layer)))
    root = change.target.partition(".")[0].partition(":")[0]
    if root in _SPELLINGS:
        return list(_SPELLINGS[root](script, change))
    return _importing(script, list(_WRITERS.get(root, _of_compile)(script, change)))


def joined(script: Script, changes: Sequence[Change]) -> list[Change]:
    """Changes, those of an optimizer that is told by its name alone as one.

    Args:
        script: The source.
        changes: In the order in which they are made.
    """
    call = script.compiling()
    node = script.resolved(argument(call, "optimizer")) if call else None
    settings = [one for one in changes if one.target.startswith("optimizer.")]
    named = isinstance(node, ast.Constant) and isinstance(node.value, str)
    if not isinstance(node, ast.Constant) or not named or len(settings) < 2:
        return list(changes)
    value = {"name": node.value, **{one.setting: one.value for one in settings}}
    rest = [one for one in changes if one not in settings]
    return [Change("set", "optimizer", value), *rest]


_IMPORTS = {"keras": "import keras", "np": "import numpy as np", "sklearn": "import sklearn.utils"}


def _importing(script: Script, found: list[Edit]) -> list[Edit]:
    """Edits whose names the script knows: by its own name of Keras, or by one more import."""
    known, lines = script.imported(), []
    if "keras" not in known and "tf" in known:
        found = [replace(one, text=one.text.replace("keras.", "tf.keras.")) for one in found]
    else:
        lines = [
            _IMPORTS["keras"] for one in found if "keras." in one.text and "keras" not in known
        ]
    for name in ("np", "sklearn"):
        lines += [_IMPORTS[name] for one in found if f"{name}." in one.text and name not in known]
    return [*found, *(script.importing(line) for line in dict.fromkeys(lines))]


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
        old = change.setting == "learning_rate" and argument(node, "lr") is not None
        yield script.setting(node, "lr" if old else change.setting, written(change.value))
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
        node = _part(node, change.part) if change.part else node
        if isinstance(node, ast.Call):
            yield script.setting(node, "from_logits", written(value))
        elif isinstance(node, ast.Constant):
            yield script.replacing(node, _loss_text(str(node.value), value))
        return
    name = change.target.partition(".")[0]
    one = _part(script.resolved(argument(call, name)), change.part)
    if one is not None:
        yield script.replacing(one, written(value))
    elif not change.part:
        yield script.setting(call, name, written(value))


def _part(node: ast.expr | None, part: str) -> ast.expr | None:
    """What a dictionary or a list has for one of several inputs or outputs."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return next((v for k, v in pairs if isinstance(k, ast.Constant) and k.value == part), None)
    if isinstance(node, ast.List | ast.Tuple) and part.isdigit():
        return node.elts[int(part)] if int(part) < len(node.elts) else None
    return None


def _loss_text(name: str, logits: bool) -> str:
    proper = "".join(part.capitalize() for part in name.split("_"))
    proper = proper.replace("crossentropy", "Crossentropy")
    return f"keras.losses.{proper}(from_logits={logits})"


def _of_fit(script: Script, change: Change) -> Iterator[Edit]:
    call = script.fitting()
    if change.setting in ("patience", "mode"):
        stopping = script.calls("EarlyStopping")
        call = stopping[0] if stopping else None
    if change.value == "balanced":
        return  # a dictionary that only the labels can tell
    if call is not None:
        yield script.setting(call, change.setting, written(change.value))


_ON_X = {
    "standardize": ("mean, deviation = {x}.mean(axis=0), {x}.std(axis=0) + 1e-7",
                    "{part} = ({part} - mean) / deviation"),
    "scale": ("", "{part} = {part} / 255.0"),
}  # fmt: skip
"""A line before, and one for each array of inputs."""
_ON_Y = {
    "standardize_y": (
        "centre, spread = {y}.mean(), {y}.std()",
        "{part} = ({part} - centre) / spread",
    ),
    "one_hot": ("", "{part} = keras.utils.to_categorical({part})"),
    "integer": ("", "{part} = {part}.argmax(axis=-1)"),
    "column": ("", "{part} = {part}.reshape(-1, 1)"),
    "from_zero": ("least = {y}.min()", "{part} = {part} - least"),
    "yes_no": ("", '{part} = ({part} > 0).astype("float32")'),
}
_ON_BOTH = {
    "drop_nan": "{x}, {y} = {x}[np.isfinite({x}).reshape(len({x}), -1).all(axis=1)], "
    "{y}[np.isfinite({x}).reshape(len({x}), -1).all(axis=1)]",
    "shuffle": "{x}, {y} = sklearn.utils.shuffle({x}, {y}, random_state=0)",
}


def _of_data(script: Script, change: Change) -> Iterator[Edit]:
    """Lines before the training, over the names that it and what follows is given."""
    call = script.fitting()
    if call is None:
        return
    if change.value == "as_training":
        yield from _scaled_as_training(script, call)
        return
    nodes = [script.resolved(argument(call, name)) for name in ("x", "y")]
    names = [_part(node, change.part) or node for node in nodes]
    x, y = (ast.unparse(node) if isinstance(node, ast.Name) else "" for node in names)
    at = script.statement(call.lineno)[0]
    way, named = str(change.value), {"x": x, "y": y}
    if way in _ON_BOTH and x and y:
        yield script.inserting(at, _ON_BOTH[way].format(**named))
    for place, (name, lines) in enumerate((("x", _ON_X), ("y", _ON_Y))):
        if way not in lines or not named[name]:
            continue
        first, each = lines[way]
        held, rest = _held_out(script, call, place, before=at, part=change.part)
        parts = dict.fromkeys([named[name], *held])
        text = [first.format(**named), *(each.format(part=part) for part in parts)]
        yield script.inserting(at, "\n".join(filter(None, text)))
        expression = each.partition(" = ")[2]
        for node in rest:
            yield script.replacing(node, expression.format(part=_operand(node)))


def _later(script: Script, call: ast.Call, place: int, part: str = "") -> Iterator[ast.expr]:
    """What validation, `evaluate` and `predict` are given as inputs (0) or targets (1)."""
    held = script.resolved(argument(call, "validation_data"))
    given: list[ast.expr | None] = []
    if isinstance(held, ast.Tuple | ast.List) and len(held.elts) > place:
        given.append(held.elts[place])
    given += [argument(one, "xy"[place]) for one in script.calls("evaluate", "predict")]
    for node in given:
        one = _part(script.resolved(node), part) if part else node
        if one is not None:
            yield one


def _held_out(
    script: Script, call: ast.Call, place: int, before: int, part: str = ""
) -> tuple[list[str], list[ast.expr]]:
    """Names of held-out data that stand for something before a line, and what comes later."""
    names, rest = [], {}
    for node in _later(script, call, place, part):
        made = script.assigned(node.id) if isinstance(node, ast.Name) else []
        here = [one for one in made if script.scope(one) is script.scope(call)]
        if isinstance(node, ast.Name) and any(one.lineno < before for one in here):
            names.append(node.id)
        else:
            rest[script.span(node)] = node
    trained = script.resolved(argument(call, "xy"[place]))
    trained = _part(trained, part) or trained
    same = ast.unparse(trained) if trained else ""
    return names, [node for node in rest.values() if ast.unparse(node) != same]


def _operand(node: ast.expr) -> str:
    """An expression as part of another."""
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.IfExp) else text


def _scaled_as_training(script: Script, call: ast.Call) -> Iterator[Edit]:
    """Held-out inputs brought to the scale of training inputs, by what scaled those."""
    x = argument(call, "x")
    how = scaling(script, x.id) if isinstance(x, ast.Name) else None
    if how is None or not how[1] or not isinstance(x, ast.Name):
        return
    seen = set()
    for node in _later(script, call, 0):
        known = isinstance(node, ast.Name) and (node.id == x.id or scaling(script, node.id))
        if not known and script.span(node) not in seen:
            seen.add(script.span(node))
            yield script.replacing(node, how[1].format(_operand(node)))


def scaling(script: Script, name: str) -> tuple[int, str] | None:
    """The line that scales what a name stands for, and how another array is scaled likewise.

    That is empty where the script keeps nothing to do it with.

    Args:
        script: The source.
        name: Of an array.
    """
    for one in script.assigned(name):
        value: ast.expr | None = one.value
        while isinstance(value, ast.Call) and called(value) in ("astype", "reshape", "array"):
            value = value.func.value if isinstance(value.func, ast.Attribute) else None
        if isinstance(value, ast.Call) and called(value) in ("fit_transform", "transform"):
            owner = value.func.value if isinstance(value.func, ast.Attribute) else None
            # One without a name is gone: a new one would know nothing of the training data.
            kept = owner is not None and not isinstance(owner, ast.Call)
            return one.lineno, f"{ast.unparse(owner)}.transform({{}})" if owner and kept else ""
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div | ast.Mult):
            by = script.constant(value.right)
            if isinstance(by, int | float):
                sign = "/" if isinstance(value.op, ast.Div) else "*"
                return one.lineno, f"{{}} {sign} {by!r}"
    return None


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
    """An argument of a call; one that it lacks where the change says what is called."""
    line, name = _line_of(change)
    owner, _, name = name.rpartition(".")
    for node in ast.walk(script.tree or ast.Module([], [])):
        if not isinstance(node, ast.Call) or node.lineno != line:
            continue
        if called(node) == owner if owner else argument(node, name) is not None:
            text = change.value if isinstance(change.value, str) else written(change.value)
            yield script.setting(node, name, text)
            return


def _of_arguments(script: Script, change: Change) -> Iterator[Edit]:
    """Two arguments that follow each other turned into one."""
    line, places = _line_of(change)
    first, last = map(int, places.split("-"))
    for call in ast.walk(script.tree or ast.Module([], [])):
        if isinstance(call, ast.Call) and call.lineno == line and len(call.args) > last:
            start, end = script.span(call.args[first])[0], script.span(call.args[last])[1]
            yield Edit(start, end, str(change.value), line)
            return


def _of_statement(script: Script, change: Change) -> Iterator[Edit]:
    """A statement of one line in place of another."""
    line, _ = _line_of(change)
    for node in ast.walk(script.tree or ast.Module([], [])):
        if isinstance(node, ast.stmt) and node.lineno == line:
            yield Edit(*script.span(node), str(change.value), line)
            return


_WRITERS: dict[str, Writer] = {"optimizer": _of_optimizer, "fit": _of_fit, "data": _of_data}
_SPELLINGS: dict[str, Writer] = {
    "keyword": _of_keyword,
    "method": _of_method,
    "module": _of_module,
    "constant": _of_constant,
    "call": _of_call,
    "arguments": _of_arguments,
    "statement": _of_statement,
}


def written(value: Any) -> str:
    """A value as Python."""
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if isinstance(value, str) else repr(value)
