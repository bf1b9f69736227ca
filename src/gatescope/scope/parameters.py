"""What each layer costs, and what weight sharing, locality and pooling save.

The model runs once on one sample as a graph of TensorFlow ops, without values. Each op knows by its
name scope the call of a layer that made it, and costs follow from shapes: a product of data and
weights is a set of connections, one for each multiply-add, and a layer without weight sharing has
one weight for each connection. What a pooling layer saves is seen by running the model without it;
where a layer's weights no longer fit then, one of the same configuration takes its place.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import prod
from threading import get_ident
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src.backend.common import global_state

from gatescope.errors import UsageError
from gatescope.scope.parameters_view import LayerCost, Parameters, Reduction, Saved

_DATA = "data"
Origins = frozenset[
    object
]  # of a tensor: ids of weights' handles, and _DATA if it has sample in it
_FROM_DATA: Origins = frozenset({_DATA})

_POOLING = tuple(
    {getattr(keras.layers, name) for name in dir(keras.layers) if re.search(r"Pooling\dD$", name)}
)
_STRIDED = tuple(
    getattr(keras.layers, f"{kind}{rank}D")
    for kind, ranks in (("Conv", "123"), ("DepthwiseConv", "12"), ("SeparableConv", "12"))
    for rank in ranks
)
# What these compute, or how often, does not show in the graph.
_CLOSED = re.compile(
    r"(Stateless|Stateful)?(If|Case|PartitionedCall)$|(Eager)?PyFunc|Cudnn|Xla|Quantized|.*Sparse.*Mul"
)


def parameters(model: Any, batch: Any = None, *, input_shape: Any = None) -> Parameters:
    """Counts parameters and multiply-adds of each layer, and what sharing, locality, pooling save.

    Nothing of the model changes, and no value is computed. Each weight is counted once, in the
    first layer that holds it, so that the total is Keras' `count_params`.

    Args:
        model: Any built Keras model.
        batch: Example inputs as the model takes them, `(batch, ...)`, of which only shapes and
            dtypes matter; a tuple holds the arguments of a `call` that takes several.
        input_shape: The shape of one sample, as in `keras.Input`, without the batch axis; for
            several inputs a list, or a dict by name. Needed, unless `batch` is given, where the
            model leaves a size open.

    Returns:
        One row a layer and totals; `print` shows them as a table.

    Raises:
        UsageError: It is no Keras model, it is not built, a size of its input is unknown, or it
            does not take this input.

    Example:
        >>> inputs, layer = keras.Input((28, 28, 1)), keras.layers.Conv2D(6, 5)
        >>> gs.parameters(keras.Sequential([inputs, layer])).multiply_adds
        86400
    """
    _check_model(model)
    arguments = _arguments(model, batch, input_shape)
    rows = _rows(model)
    costs = _run(model, rows, arguments)
    reductions, saved_by_all = _reductions(model, rows, arguments, costs)
    return Parameters(
        model=model.name,
        input_shapes=tuple(tuple(spec.shape[1:]) for spec in keras.tree.flatten(arguments)),
        layers=tuple(
            costs.row(row) for row in rows if row.shown or costs.at[row.place].did_something
        ),
        trainable_parameters=_size_of(model.trainable_weights),
        reductions=reductions,
        saved_by_all=saved_by_all,
    )


# ---- the rows: a model's layers, each once


class _Row(NamedTuple):
    """A layer that has a line of its own, with the weights that no line before it holds."""

    place: int
    name: str
    layer: Any
    own: tuple[Any, ...]
    leaf: bool

    @property
    def shown(self) -> bool:
        return self.leaf or bool(self.own)


def _rows(model: Any) -> list[_Row]:
    """All layers in the order in which the model holds them, nested ones behind their model."""
    rows: list[_Row] = []
    seen: set[int] = set()
    counted: set[int] = set()
    for name, layer in _walk(model, ""):
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        inner = {id(weight) for part in _parts(layer) for weight in part.weights}
        own = tuple(weight for weight in layer.weights if id(weight) not in inner | counted)
        counted |= {id(weight) for weight in own}
        rows.append(_Row(len(rows), name, layer, own, leaf=not _parts(layer)))
    return rows


def _walk(layer: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path or layer.name, layer
    for part in _parts(layer):
        yield from _walk(part, f"{path}/{part.name}" if path else part.name)


def _parts(layer: Any) -> list[Any]:
    """The layers inside a layer that have lines of their own: none where Keras made it."""
    if isinstance(layer, keras.Model):
        return [part for part in layer.layers if not isinstance(part, keras.layers.InputLayer)]
    if any(_is_kerases(kind) for kind in type(layer).__mro__):
        return []
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _is_kerases(kind: type) -> bool:
    return kind is not keras.layers.Layer and getattr(keras.layers, kind.__name__, None) is kind


def _size_of(weights: Collection[Any]) -> int:
    return sum(prod(weight.shape) for weight in weights)


# ---- one run as a graph


@dataclass
class _Call:
    """One call of a layer, and what its ops came to."""

    row: int
    inputs: int = 0  # numbers that it reads, of one sample
    outputs: int = 0
    input_shape: Any = None  # of the first input, without the batch axis
    shape: Any = None  # of the first output
    multiply_adds: int = 0
    connections: int = 0  # each would have a weight of its own without sharing
    biased: bool = False
    one_hot: int = 0  # numbers that it would read if each index were a one-hot vector
    steps: int | None = None
    closed: bool = False  # some op cannot be counted
    mixed: bool = False  # some product is of weights with weights
    failed: bool = False
    explained: set[object] = field(default_factory=set)  # handles of weights on connections

    @property
    def did_something(self) -> bool:
        return bool(self.multiply_adds or self.closed)

    def add(self, other: _Call) -> None:
        """Adds what another call of the layer came to."""
        self.multiply_adds += other.multiply_adds
        self.connections += other.connections
        self.one_hot += other.one_hot
        self.biased |= other.biased
        self.closed |= other.closed
        self.mixed |= other.mixed
        self.explained |= other.explained
        self.shape, self.steps = other.shape or self.shape, other.steps or self.steps

    @property
    def dense(self) -> tuple[int, int]:
        """Parameters and multiply-adds of a dense layer from all its inputs to all its outputs."""
        products = (self.one_hot or self.inputs) * self.outputs
        looked_up = self.one_hot and not self.multiply_adds
        return products + self.biased * self.outputs, 0 if looked_up else products


class _Costs:
    """What the calls of one run came to, summed for each row."""

    def __init__(self, rows: Sequence[_Row], calls: Collection[_Call]) -> None:
        self.calls = calls
        self.parameters = sum(_size_of(row.own) for row in rows)
        self.at = [_Call(row.place) for row in rows]
        for call in calls:
            self.at[call.row].add(call)

    def of(self, row: _Row) -> list[_Call]:
        return [call for call in self.calls if call.row == row.place]

    def row(self, row: _Row) -> LayerCost:
        """The line of a row: comparisons only where each of its weights is understood."""
        total = self.at[row.place]
        calls = self.of(row)
        known = bool(row.own) and not (total.closed or total.mixed)
        known &= {id(weight.value.handle) for weight in row.own} <= total.explained
        products = total.multiply_adds or total.one_hot
        dense = [call.dense for call in calls] if known and products and row.leaf else []
        return LayerCost(
            name=row.name,
            kind=type(row.layer).__name__,
            output_shape=total.shape,
            calls=len(calls),
            parameters=_size_of(row.own),
            multiply_adds=None if total.closed else total.multiply_adds,
            steps=total.steps,
            unshared_parameters=total.connections if known else None,
            dense_parameters=sum(count for count, _ in dense) if dense else None,
            dense_multiply_adds=sum(count for _, count in dense) if dense else None,
        )


def _run(
    model: Any,
    rows: Sequence[_Row],
    arguments: tuple[Any, ...],
    sizes: dict[int, int] | None = None,
    without: Collection[int] = (),
) -> _Costs:
    """Runs the model as a graph on one sample and counts what its ops cost.

    Args:
        model: The model.
        rows: Its layers.
        arguments: Specifications of its inputs.
        sizes: Takes the parameters of layers whose weights had to be replaced.
        without: Rows whose pooling or strides are left out.
    """
    run = _Run({id(row.layer): row for row in rows}, without, {} if sizes is None else sizes)

    def call(*inputs: Any) -> Any:
        tf.config.run_functions_eagerly(True)  # so that functions inside show their ops
        try:
            with _stateless(), run.watching():
                return model(*inputs)
        finally:
            tf.config.run_functions_eagerly(eager)

    eager = tf.config.functions_run_eagerly()
    try:
        graph = tf.function(call, autograph=False).get_concrete_function(*arguments).graph
    except Exception as cause:  # whatever the layers of a user may raise
        raise run.refusal or _does_not_run(model, arguments, cause) from cause
    _count(graph, run.calls)
    return _Costs(rows, [call for call in run.calls if not call.failed])


@contextmanager
def _stateless() -> Iterator[None]:
    """Layers made inside get no values for their weights, and nothing outside changes."""
    pending = global_state.get_global_attribute("uninitialized_variables", [], set_to_default=True)
    before = list(pending)
    try:
        with keras.StatelessScope(collect_losses=True, initialize_variables=False):
            yield
    finally:
        pending[:] = before


class _Run:
    """Watches the calls of layers; knows which to leave out and which to replace."""

    def __init__(
        self, rows: dict[int, _Row], without: Collection[int], sizes: dict[int, int]
    ) -> None:
        self.rows, self.without, self.sizes = rows, without, sizes
        self.calls: list[_Call] = []
        self.refusal: UsageError | None = None
        self._stand_ins: dict[int, Any] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sends this thread's calls of layers through `_call`."""
        original, thread = keras.layers.Layer.__call__, get_ident()

        def watched(layer: Any, *args: Any, **kwargs: Any) -> Any:
            row = self.rows.get(id(layer)) if get_ident() == thread else None
            if row is None:
                return original(layer, *args, **kwargs)
            return self._call(row, original, *args, **kwargs)

        keras.layers.Layer.__call__ = watched
        try:
            yield
        finally:
            keras.layers.Layer.__call__ = original

    def _call(self, row: _Row, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not row.layer.built:  # Keras would build it, and wraps what is raised here
            self.refusal = _not_built(f"the layer {row.name!r}")
            raise self.refusal
        if row.place in self.without:
            return self._left_out(row, original, *args, **kwargs)
        try:
            return self._recorded(row, partial(original, row.layer), *args, **kwargs)
        except Exception:
            if self.without and isinstance(row.layer, keras.Model):
                # It refuses another shape than it was built for; its layers may not.
                return self._recorded(row, row.layer.call, *args, **kwargs)
            if not (self.without and row.leaf and row.layer.weights):
                raise
            layer = self._stand_in(row)
            outputs = self._recorded(row, partial(original, layer), *args, **kwargs)
            self.sizes[row.place] = _size_of(layer.weights)
            return outputs

    def _left_out(self, row: _Row, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if isinstance(row.layer, _STRIDED):
            layer = self._stand_in(row, strides=1)
            return self._recorded(row, partial(original, layer), *args, **kwargs)
        (inputs,) = args
        whole = getattr(row.layer, "keepdims", True)
        return inputs if whole else tf.reshape(inputs, (1, prod(inputs.shape)))

    def _recorded(self, row: _Row, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls a layer inside a name scope that its ops are known by."""
        number = len(self.calls)
        self.calls.append(call := _Call(row.place))
        try:
            with tf.name_scope(f"gatescope{number}x"):
                outputs = function(*args, **kwargs)
        except Exception:
            call.failed = True  # what it did before is not counted
            raise
        given, made = _shapes((args, kwargs)), _shapes(outputs)
        call.inputs, call.outputs = map(sum, (map(prod, given), map(prod, made)))
        call.input_shape = given[0][1:] if given else None
        call.shape = made[0][1:] if made else None
        return outputs

    def _stand_in(self, row: _Row, **changes: Any) -> Any:
        """A layer of the same configuration whose weights are still to be made, for this graph."""
        if row.place not in self._stand_ins:
            config = {**row.layer.get_config(), **changes}
            self._stand_ins[row.place] = type(row.layer).from_config(config)
        return self._stand_ins[row.place]


def _shapes(structure: Any) -> list[tuple[int, ...]]:
    """The shapes of the tensors in a structure, each tensor once, without masks."""
    parts = (part for part in keras.tree.flatten(structure) if isinstance(part, tf.Tensor))
    once = {id(part): part for part in parts if part.dtype != tf.bool}
    return [tuple(part.shape) for part in once.values()]


# ---- what is saved


def _reductions(
    model: Any, rows: Sequence[_Row], arguments: tuple[Any, ...], costs: _Costs
) -> tuple[tuple[Reduction, ...], Saved | None]:
    """What each pooling or stride saves, and what all save that can be left out."""
    found: list[Reduction] = []
    removed: set[int] = set()
    for sizes, group in _side_by_side(rows, costs).items():
        saved = _saved(model, rows, arguments, costs, group)
        for part in [group] if saved or len(group) == 1 else [[index] for index in group]:
            if part is not group:
                saved = _saved(model, rows, arguments, costs, part)
            found.append(Reduction(tuple(rows[index].name for index in part), *sizes, saved))
            removed |= set(part) if saved else set()
    return tuple(found), _saved(model, rows, arguments, costs, removed) if removed else None


def _side_by_side(rows: Sequence[_Row], costs: _Costs) -> dict[tuple[int, int], list[int]]:
    """Rows that pool or stride, by the positions that they take and keep.

    Those of one size mostly run side by side, like a block and its shortcut, and only together can
    they be left out.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        if sizes := _reduces(row, costs):
            groups.setdefault(sizes, []).append(row.place)
    return groups


def _reduces(row: _Row, costs: _Costs) -> tuple[int, int] | None:
    """The positions that a pooling or strided layer takes and keeps, if it keeps fewer."""
    calls = costs.of(row)
    if not calls or not isinstance(row.layer, _POOLING + _STRIDED):
        return None
    axis = 0 if row.layer.data_format == "channels_first" else -1
    taken, kept = (prod(shape) // shape[axis] for shape in (calls[0].input_shape, calls[0].shape))
    strides = getattr(row.layer, "strides", 0)  # which global pooling has none of
    strided = isinstance(strides, int) or max(strides) > 1
    return (taken, kept) if kept < taken and strided else None


def _saved(
    model: Any,
    rows: Sequence[_Row],
    arguments: tuple[Any, ...],
    costs: _Costs,
    removed: Collection[int],
) -> Saved | None:
    """What the other rows would cost more without some; None where they do not run so."""
    sizes = {row.place: _size_of(row.own) for row in rows}
    try:
        without = _run(model, rows, arguments, sizes, removed)
    except UsageError:
        return None
    if any(call.closed for call in (*costs.calls, *without.calls)):
        return None
    pairs = zip(without.at, costs.at, strict=True)
    more = (new.multiply_adds - old.multiply_adds for new, old in pairs if old.row not in removed)
    return Saved(sum(more), sum(sizes.values()) - costs.parameters)


# ---- what ops cost


def _count(graph: Any, calls: Sequence[_Call]) -> None:
    """Adds to the calls what the ops of a graph cost."""
    captured = {inner.name: outer for outer, inner in graph.captures}
    origins = [_origin(captured.get(tensor.name)) for tensor in graph.inputs]
    _count_ops(graph, origins, calls)


def _origin(captured: Any) -> Origins:
    if captured is None:
        return _FROM_DATA
    return frozenset({id(captured)} if captured.dtype == tf.resource else ())


def _count_ops(
    graph: Any,
    origins: Sequence[Origins],
    calls: Sequence[_Call],
    outer: _Call | None = None,
    times: int = 1,
) -> None:
    """Goes through the ops of a graph that its outputs need, and knows where each input is from.

    Args:
        graph: The model's, or the body of a loop.
        origins: Of the graph's inputs.
        calls: All calls of layers, by the number in their name scope.
        outer: The call that made the graph.
        times: How often it runs.
    """
    names = (tensor.name for tensor in graph.inputs)
    known = dict(zip(names, origins, strict=True))
    live = _live(graph)
    for op in graph.get_operations():
        if op.name not in live or all(tensor.name in known for tensor in op.outputs):
            continue
        inputs = [known[tensor.name] for tensor in op.inputs]
        call = _caller(op, calls, outer)
        if call and not call.failed:
            _add(op, inputs, call, calls, times)
        known |= dict.fromkeys((tensor.name for tensor in op.outputs), _passed_on(op, inputs))


def _passed_on(op: Any, inputs: list[Origins]) -> Origins:
    """The origin of what an op makes; a weight times anything else than weights is data."""
    origin: Origins = frozenset().union(*inputs)
    multiplied = op.type in _PRODUCTS and not all(map(_is_weight, inputs)) and _is_weight(origin)
    return _FROM_DATA if multiplied or _DATA in origin else origin


def _live(graph: Any) -> set[str]:
    """Names of the ops that the outputs need: TensorFlow drops the others before it runs."""
    pending, live = [tensor.op for tensor in graph.outputs], set()
    while pending:
        op = pending.pop()
        if op.name not in live:
            live.add(op.name)
            pending += [tensor.op for tensor in op.inputs]
    return live


def _caller(op: Any, calls: Sequence[_Call], outer: _Call | None) -> _Call | None:
    """The innermost call of a layer that an op belongs to, or the one around it that failed."""
    around = [calls[int(number)] for number in re.findall(r"gatescope(\d+)x", op.name)]
    if not around:
        return outer
    return next((call for call in around if call.failed), around[-1])


def _add(op: Any, inputs: list[Origins], call: _Call, calls: Sequence[_Call], times: int) -> None:
    """Adds to a call what one of its ops costs."""
    try:
        if op.type in _PRODUCTS:
            _add_product(op, inputs, call, times)
        elif op.type in ("AddV2", "BiasAdd", "Add"):
            call.biased |= _connect(call, inputs, times * _size(op.outputs[0]))
        elif op.type == "GatherV2" and _DATA in inputs[1] and _is_weight(inputs[0]):
            _add_lookup(op, inputs, call, times)
        elif op.type in ("While", "StatelessWhile"):
            _add_loop(op, inputs, call, calls, times)
        elif _CLOSED.match(op.type):
            call.closed = True
    except (TypeError, ValueError):  # a size that shows only when it runs
        call.closed = True


def _add_product(op: Any, inputs: list[Origins], call: _Call, times: int) -> None:
    count, places = _PRODUCTS[op.type]
    multiply_adds = times * count(op)
    call.multiply_adds += multiply_adds
    call.steps = times if times > 1 else call.steps
    _connect(call, [inputs[place] for place in places], multiply_adds)


def _connect(call: _Call, operands: Sequence[Origins], connections: int) -> bool:
    """Notes connections if exactly one operand is a weight, and a single one."""
    weights = [operand for operand in operands if _is_weight(operand)]
    call.mixed |= len(weights) > 1 or any(len(weight) > 1 for weight in weights)
    if len(weights) != 1:
        return False
    call.connections += connections
    call.explained |= weights[0]
    return True


def _is_weight(origin: Origins) -> bool:
    return bool(origin) and _DATA not in origin


def _add_lookup(op: Any, inputs: list[Origins], call: _Call, times: int) -> None:
    """A table without weight sharing is one table for each index that is looked up."""
    table, indices = op.inputs[:2]
    call.one_hot += times * _size(indices) * table.shape[0]
    _connect(call, inputs[:1], times * _size(indices) * _size(table))


def _add_loop(
    op: Any, inputs: list[Origins], call: _Call, calls: Sequence[_Call], times: int
) -> None:
    """Adds what one turn of a loop costs, as often as it turns."""
    body = op.graph._get_function(op.get_attr("body").name).graph
    pairs = zip(body.inputs, body.outputs, inputs, strict=True)
    origins = [origin if _through(end) is start else _FROM_DATA for start, end, origin in pairs]
    _count_ops(body, origins, calls, call, times * _turns(op))


def _through(tensor: Any) -> Any:
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor


def _turns(op: Any) -> int:
    """The `maximum_iterations` of `tf.while_loop`, which Keras sets to the number of time steps.

    Raises:
        ValueError: They are not known before it runs.
    """
    limit = op.inputs[1]
    if limit.op.type == "Max":  # of one number, as `keras.layers.RNN` writes it
        limit = limit.op.inputs[0]
    turns = tf.get_static_value(limit)
    if turns is None or turns.size != 1 or turns < 0:
        raise ValueError("a loop without maximum_iterations")
    return int(turns.item())


def _size(tensor: Any) -> int:
    """How many numbers a tensor holds; `TypeError` or `ValueError` where that is not known."""
    return prod(tuple(tensor.shape))


def _matmul(op: Any) -> int:
    flag = "transpose_a" if op.type == "MatMul" else "adj_x"
    return _size(op.outputs[0]) * op.inputs[0].shape[-2 if op.get_attr(flag) else -1]


def _conv(op: Any) -> int:
    return _size(_undilated(op.outputs[0])) * prod(op.inputs[1].shape[:-1])


def _undilated(output: Any) -> Any:
    """TensorFlow runs a dilated convolution on a rearranged input, with some padding of its own."""
    for follower in output.consumers():
        if follower.type == "Squeeze":
            return _undilated(follower.outputs[0])
        if follower.type == "BatchToSpaceND":
            return follower.outputs[0]
    return output


def _depthwise(op: Any) -> int:
    return _size(_undilated(op.outputs[0])) * prod(op.inputs[1].shape[:2])


def _transposed(op: Any) -> int:
    return _size(op.inputs[2]) * prod(op.inputs[1].shape[:-1])


def _einsum(op: Any) -> int:
    """One multiply-add for each combination of the sizes of all axes."""
    if len(op.inputs) != 2:
        raise ValueError("the order of several products is TensorFlow's own")
    terms = op.get_attr("equation").decode().split("->")[0].replace(" ", "").split(",")
    sizes: dict[object, int] = {}
    for term, tensor in zip(terms, op.inputs, strict=True):
        labels = _labels(term, tensor.shape.rank)
        for label, size in zip(labels, tensor.shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    return prod(sizes.values())


def _labels(term: str, rank: int) -> list[object]:
    """The axes of one term, those under an ellipsis numbered from its right end."""
    before, ellipsis, after = term.partition("...")
    hidden = range(rank - len(before) - len(after), 0, -1) if ellipsis else ()
    return [*before, *hidden, *after]


# How many multiply-adds a kind of op takes, and which of its inputs it multiplies.
_PRODUCTS: dict[str, tuple[Callable[[Any], int], tuple[int, int]]] = {
    "MatMul": (_matmul, (0, 1)),
    "BatchMatMul": (_matmul, (0, 1)),
    "BatchMatMulV2": (_matmul, (0, 1)),
    "BatchMatMulV3": (_matmul, (0, 1)),
    "Einsum": (_einsum, (0, 1)),
    "Conv2D": (_conv, (0, 1)),
    "Conv3D": (_conv, (0, 1)),
    "DepthwiseConv2dNative": (_depthwise, (0, 1)),
    "Conv2DBackpropInput": (_transposed, (2, 1)),
    "Conv3DBackpropInputV2": (_transposed, (2, 1)),
}


# ---- what can be wrong with the arguments


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise UsageError(
            f"{type(model).__name__} is not a Keras model",
            "a built keras.Model: Sequential, functional or subclassed",
            "wrap a layer: keras.Sequential([keras.Input(shape), layer])"
            if isinstance(model, keras.layers.Layer)
            else "pass the model itself; keras.saving.load_model('m.keras') reads one from a file",
        )
    if not model.built:
        raise _not_built(f"the model {model.name!r}")


def _not_built(what: str) -> UsageError:
    return UsageError(
        f"{what} is not built: it has no weights yet",
        "a model whose layers have all their weights",
        "call the model on a batch once, or start a Sequential with keras.Input(shape)",
    )


def _arguments(model: Any, batch: Any, input_shape: Any) -> tuple[Any, ...]:
    """Specifications of the arguments for one sample."""
    if batch is not None and input_shape is not None:
        raise UsageError(
            "both batch and input_shape were given",
            "one of them",
            "leave input_shape out: the batch has it",
        )
    if batch is not None:
        return _of_batch(model, batch)
    declared = _declared(model)
    if input_shape is None:
        return _declared_specs(model, declared)
    return _shaped_specs(model, declared, input_shape)


def _of_batch(model: Any, batch: Any) -> tuple[Any, ...]:
    specs = keras.tree.map_structure(_of_array, batch)
    several = isinstance(batch, tuple) and not _is_graph(model)
    return tuple(specs) if several else (specs,)


def _of_array(array: Any) -> tf.TensorSpec:
    try:
        tensor = tf.convert_to_tensor(array)
    except (TypeError, ValueError):
        tensor = None
    if tensor is None or not tensor.shape.rank:
        raise UsageError(
            f"the batch holds {reprlib.repr(array)}, which has no axis for samples",
            "arrays of the shape (batch, ...), or a list or dict of such",
            "gs.parameters(model, x[:1])",
        )
    return _spec(tensor.shape[1:], tensor)


def _declared(model: Any) -> Any:
    """The inputs that the model was built with, as `keras.KerasTensor`s; None if it kept none."""
    if isinstance(model, keras.Sequential) and hasattr(model, "inputs"):
        return model.inputs[0]
    if _is_graph(model):
        return model.input
    shape = (model.get_build_config() or {}).get("input_shape")
    return shape if shape is None else keras.tree.map_shape_structure(keras.KerasTensor, shape)


def _is_graph(model: Any) -> bool:
    """Whether the model is a graph of layers, so that it knows its inputs by name."""
    return hasattr(model, "operations") or hasattr(model, "inputs")


def _declared_specs(model: Any, declared: Any) -> tuple[Any, ...]:
    tensors = [] if declared is None else keras.tree.flatten(declared)
    if not tensors or any(None in tensor.shape[1:] for tensor in tensors):
        shapes = ", ".join(_written(tensor.shape[1:]) for tensor in tensors) or "unknown"
        raise UsageError(
            f"the input of {model.name!r} leaves its size open: {shapes}",
            "known sizes, for multiply-adds depend on them",
            "gs.parameters(model, input_shape=(…)) without the batch axis, or "
            "gs.parameters(model, batch)",
        )
    return (keras.tree.map_structure(lambda tensor: _spec(tensor.shape[1:], tensor), declared),)


def _spec(shape: Sequence[int], tensor: Any = None) -> tf.TensorSpec:
    """One sample of a shape, of a tensor's dtype."""
    return tf.TensorSpec((1, *shape), tensor.dtype if tensor is not None else keras.config.floatx())


def _shaped_specs(model: Any, declared: Any, given: Any) -> tuple[Any, ...]:
    """Specifications of the shapes that the user gave, which must fit a graph of layers."""
    _check_sizes(given)
    if not _is_graph(model):
        return (keras.tree.map_shape_structure(_spec, given),)
    tensors = keras.tree.flatten(declared)
    names = sorted(declared) if isinstance(declared, dict) else [one.name for one in tensors]
    shapes = given if isinstance(given, Mapping) else _listed(given)
    if isinstance(shapes, Mapping):
        shapes = [shapes[name] for name in names] if set(shapes) == set(names) else []
    if len(shapes) != len(tensors) or not all(map(_fits, shapes, tensors)):
        expected = zip(names, tensors, strict=True)
        raise UsageError(
            f"input_shape={given!r} does not fit the inputs of {model.name!r}",
            ", ".join(f"{_written(tensor.shape[1:])} for {name}" for name, tensor in expected),
            "give the shape of one sample, without the batch axis; several as a list or by name",
        )
    return (keras.tree.pack_sequence_as(declared, list(map(_spec, shapes, tensors))),)


def _listed(given: Any) -> list[Any]:
    return [given] if all(isinstance(size, int) for size in given) else list(given)


def _fits(shape: Sequence[int], tensor: Any) -> bool:
    wanted = tensor.shape[1:]
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(one in (size, None) for size, one in pairs)


def _check_sizes(given: Any) -> None:
    sizes = keras.tree.flatten(given)
    whole = all(isinstance(size, int) and size > 0 for size in sizes)
    if not whole or not isinstance(given, tuple | list | Mapping):
        raise UsageError(
            f"input_shape={given!r} is no shape",
            "whole numbers above 0, such as (224, 224, 3); several shapes as a list or a dict",
            "leave the batch axis out, and give every other size a number",
        )


def _does_not_run(model: Any, arguments: tuple[Any, ...], cause: Exception) -> UsageError:
    shapes = ", ".join(_written(spec.shape[1:]) for spec in keras.tree.flatten(arguments))
    return UsageError(
        f"{model.name!r} does not run as a graph on one sample of shape {shapes}: {_said(cause)}",
        "an input that the model takes, and a call that tf.function can trace",
        "gs.parameters(model, batch) with a batch that model(batch) takes",
    )


def _said(cause: Exception) -> str:
    """The sentence of an error that says what is wrong; Keras wraps it in the layer's arguments."""
    text = re.sub(r"\x1b\[\d+m", "", str(cause))
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    telling = [part for part in paragraphs if not part.startswith("Exception encountered")]
    return (telling or [type(cause).__name__])[0]


def _written(shape: Sequence[int | None]) -> str:
    return str(tuple(shape)).replace("None", "?")
