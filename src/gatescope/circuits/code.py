"""Circuits as programs: what one would type to have the same with Gatescope, or with TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gatescope.circuits.graph import Graph
from gatescope.circuits.notation import SIGNS, expressions
from gatescope.circuits.wires import Wire

_WHOLE = 1_000_000  # letters: expressions here are not cut short
_TENSORFLOW: Mapping[str, str] = MappingProxyType(
    {
        "exp": "tf.exp", "log": "tf.math.log", "sqrt": "tf.sqrt", "abs": "tf.abs",
        "max": "tf.maximum", "min": "tf.minimum", "sin": "tf.sin", "cos": "tf.cos",
        "tanh": "tf.tanh", "sigmoid": "tf.sigmoid", "relu": "tf.nn.relu",
        "leaky_relu": "tf.nn.leaky_relu", "elu": "tf.nn.elu", "gelu": "tf.nn.gelu",
        "silu": "tf.nn.silu", "softplus": "tf.nn.softplus",
    }
)  # fmt: skip
"""What TensorFlow calls the gates that have no sign of Python's."""


def to_python(graph: Graph) -> str:
    """The circuit as a program with Gatescope.

    Args:
        graph: The circuit, with values of its inputs or without.

    Example:
        >>> print(to_python(gs.circuit("a*x", a=4, x=5, train="a")))
        import gatescope as gs
        <BLANKLINE>
        circuit = gs.circuit("a*x", train=('a',), a=4, x=5)
        circuit.forward()
        circuit.backward()
        print(circuit)
    """
    names = expressions(graph.wires, _WHOLE)
    source = ", ".join(names[wire] for wire in graph.outputs)
    given = [f'"{source}"']
    if graph.parameters:
        given.append(f"train={tuple(graph.parameters)}")
    given += [f"{name}={value}" for name, value in _values(graph)]
    return (
        f"import gatescope as gs\n\ncircuit = gs.circuit({', '.join(given)})\n"
        "circuit.forward()\ncircuit.backward()\nprint(circuit)\n"
    )


def to_tensorflow(graph: Graph) -> str:
    """The circuit as a program with TensorFlow, a line for each gate, in double precision.

    Args:
        graph: The circuit, with a value of every input.

    Example:
        >>> print(to_tensorflow(gs.circuit("a*x", a=4, x=5)))
        import tensorflow as tf
        <BLANKLINE>
        a = tf.Variable(4, dtype=tf.float64)
        x = tf.Variable(5, dtype=tf.float64)
        with tf.GradientTape() as tape:
            gate_1 = a * x
        print(gate_1.numpy())
        for name, gradient in tape.gradient(gate_1, {"a": a, "x": x}).items():
            print(name, gradient.numpy())
    """
    written = {wire: wire.name or _number(wire) for wire in graph.wires}
    lines = []
    for place, wire in enumerate((wire for wire in graph.wires if wire.gate), 1):
        term = _term(wire, [written[end] for end in wire.inputs])
        written[wire] = f"gate_{place}" + "_" * (f"gate_{place}" in graph.inputs)
        lines.append(f"    {written[wire]} = {term}")
    outputs = " + ".join(written[wire] for wire in graph.outputs)
    variables = [
        f"{name} = tf.Variable({value}, dtype=tf.float64)" for name, value in _values(graph)
    ]
    named = ", ".join(f'"{name}": {name}' for name in graph.inputs)
    if len(graph.outputs) > 1:
        lines.append(f"    total = {outputs}")
        outputs = "total"
    steps = any(wire.gate and wire.gate.name == "step" for wire in graph.wires)
    # Nothing goes back through a step: TensorFlow says None of an input that leads to steps alone.
    zero = ', unconnected_gradients="zero"' if steps else ""
    return "\n".join([
        "import tensorflow as tf", "", *variables, "with tf.GradientTape() as tape:",
        *(lines or ["    pass"]), f"print({outputs}.numpy())",
        f"for name, gradient in tape.gradient({outputs}, {{{named}}}{zero}).items():",
        "    print(name, gradient.numpy())", "",
    ])  # fmt: skip


def _term(wire: Wire, ends: Sequence[str]) -> str:
    """What one gate computes."""
    name = wire.gate.name if wire.gate else ""
    if name in SIGNS:
        return f" {SIGNS[name][0].strip()} ".join(ends)
    if name == "neg":
        return f"-{ends[0]}"
    if name == "step":
        return f"tf.cast({ends[0]} > 0, tf.float64)"
    return f"{_TENSORFLOW[name]}({', '.join(ends)})"


def _number(wire: Wire) -> str:
    return "" if wire.value is None else f"tf.constant({wire.value:.17g}, tf.float64)"


def _values(graph: Graph) -> list[tuple[str, str]]:
    return [
        (name, f"{wire.value:.17g}")
        for name, wire in graph.inputs.items()
        if wire.value is not None
    ]
