"""All that Gatescope uses of TensorFlow's private interface, in this one place.

TensorFlow tells no public interface which operations ran. `tests/scope/test_eager.py` fails loudly
if a new TensorFlow changes what is used here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from types import CodeType, FrameType
from typing import Any

from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop, context, execute
from tensorflow.python.framework import op_callbacks, op_def_registry, ops
from tensorflow.python.ops import custom_gradient

Tensor = Any
Ran = Callable[[str, Sequence[Tensor], Mapping[str, Any], Sequence[Tensor]], None]

# Of TensorFlow's DataType.
FLOAT32, FLOAT64, INT64 = 1, 2, 9
FLOAT16, BFLOAT16, COMPLEX64, COMPLEX128 = 19, 14, 8, 18
# Its frame on the stack tells that an operation belongs to the gradient of another one, and its
# local `out_grads` has the gradients that arrived at that one's outputs, `mock_op` is its alone.
GRADIENT_OF_ONE_OPERATION: CodeType = backprop._gradient_function.__code__
_CUSTOM_GRADIENT = custom_gradient.__file__, "actual_grad_fn"


@contextmanager
def watch_operations(ran: Ran) -> Iterator[None]:
    """Calls `ran(operation, inputs, attributes, outputs)` after each eager operation.

    Only this thread's are seen, with those of loops and gradients; what runs inside a compiled
    function is seen as one operation.
    """

    def callback(
        operation: str | bytes,
        inputs: Sequence[Tensor],
        attributes: tuple[Any, ...] | None,
        outputs: Sequence[Tensor],
        op_name: str | None = None,
        graph: object = None,
    ) -> None:
        if graph is None:
            ran(_text(operation), inputs, _mapping(attributes or ()), outputs)

    op_callbacks.add_op_callback(callback)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(callback)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _mapping(attributes: tuple[Any, ...]) -> dict[str, Any]:
    """Attributes, which TensorFlow lists as name, value, name, value, some twice, some unset."""
    pairs = zip(attributes[::2], attributes[1::2], strict=True)
    return {name: value for name, value in pairs if value is not None}


def identity(tensor: Tensor) -> int:
    """A number that no other tensor of this process has or will have."""
    return int(tensor._id)


def is_eager(value: object) -> bool:
    """Whether a value is a tensor that holds numbers now, and not one of a graph."""
    return hasattr(value, "_id") and hasattr(value, "_numpy_internal")


def run(
    operation: str,
    inputs: Sequence[Tensor],
    attributes: Mapping[str, Any],
    outputs: int,
    *,
    recorded: bool = False,
) -> list[Tensor]:
    """Runs an operation by its name.

    Args:
        operation: The name.
        inputs: Its inputs.
        attributes: Its attributes.
        outputs: How many outputs it has.
        recorded: Whether gradient tapes are told.
    """
    settings = {**_defaults(operation), **attributes} if recorded else attributes
    flat = tuple(part for pair in settings.items() for part in pair)
    found = list(execute.quick_execute(operation, outputs, list(inputs), flat, context.context()))
    if recorded:
        execute.record_gradient(operation, list(inputs), flat, found)
    return found


@cache
def _defaults(operation: str) -> Mapping[str, Any]:
    """The settings that an operation has where it was not told others; gradients ask for them."""
    definition = op_def_registry.get(operation)
    rows = definition.attr if definition else ()
    given = {row.name: row.default_value for row in rows if row.HasField("default_value")}
    plain = {name: value.WhichOneof("value") for name, value in given.items()}
    return {
        name: getattr(given[name], kind) for name, kind in plain.items() if kind in ("b", "i", "f")
    }


def is_gradient_function(code: CodeType) -> bool:
    """Whether code passes gradients through one operation, or through one `tf.custom_gradient`."""
    if code is GRADIENT_OF_ONE_OPERATION:
        return True
    return (code.co_filename, code.co_name) == _CUSTOM_GRADIENT


def differentiated(frame: FrameType) -> tuple[object, str, Sequence[Tensor]]:
    """What one call of a gradient function is about.

    Returns:
        Something that lives as long as the call, and is no other call's; the operation (what
        `tf.custom_gradient` returns comes out of operations `Identity`); the gradients that
        arrived there.
    """
    given = frame.f_locals
    if frame.f_code is GRADIENT_OF_ONE_OPERATION:
        return given["mock_op"], given["op_name"], given["out_grads"]
    arrived = given["result_grad_components"]
    return arrived[0], "Identity", arrived


def is_stateful(operation: str) -> bool:
    """Whether equal inputs may give other outputs: variables, random streams, files."""
    definition = op_def_registry.get(operation)
    return definition is None or bool(definition.is_stateful)


@cache
def is_opaque(operation: str) -> bool:
    """Whether an operation runs others that are not seen, or has Python of a user's inside."""
    definition = op_def_registry.get(operation)
    if definition is None or operation.endswith("PyFunc"):
        return True
    return any(attribute.type in ("func", "list(func)") for attribute in definition.attr)


def has_gradient(operation: str) -> bool:
    """Whether TensorFlow's tape passes gradients through an operation."""
    try:
        return ops.gradient_registry.lookup(operation) is not None
    except LookupError:
        return False


def is_taped(inputs: Sequence[Tensor]) -> bool:
    """Whether a gradient tape of this thread is told of what is done with these tensors now."""
    return bool(pywrap_tfe.TFE_Py_TapeSetPossibleGradientTypes(list(inputs)))


def another_tape_records(tape: Any) -> bool:
    """Whether any tape of this thread but this one records now."""
    with tape.stop_recording() if tape._recording else nullcontext():
        return not pywrap_tfe.TFE_Py_TapeSetIsEmpty()


def retyped(
    operation: str, attributes: Mapping[str, Any], before: int, after: int
) -> dict[str, Any]:
    """An operation's attributes with one data type (`FLOAT32`, …) in place of another."""
    definition = op_def_registry.get(operation)
    kinds = {row.name: row.type for row in definition.attr} if definition else {}

    def replaced(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [replaced(part) for part in value]
        return after if value == before else value

    return {
        name: replaced(value) if kinds.get(name) in ("type", "list(type)") else value
        for name, value in attributes.items()
    }


@contextmanager
def same_random_stream() -> Iterator[None]:
    """Puts back the stream that TensorFlow draws the seeds of its random operations from."""
    stream: random.Random | None = getattr(context.context(), "_rng", None)
    before = stream.getstate() if stream else None
    try:
        yield
    finally:
        if stream and before and stream.getstate() != before:
            stream.setstate(before)
            # A kernel that was made for one of these seeds would go on where it stopped.
            context.context().clear_kernel_cache()
