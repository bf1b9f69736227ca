"""`gatescope gates`: answers in less time than typer, which reads the other commands, loads in."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gatescope.circuits.circuit import Circuit
from gatescope.circuits.expressions import parse
from gatescope.circuits.inputs import known_values, set_values
from gatescope.circuits.refusals import finite
from gatescope.circuits.view import diagram, history
from gatescope.cli import summaries
from gatescope.cli.files import writable
from gatescope.cli.quick import Parser
from gatescope.cli.terminal import complain, printable
from gatescope.errors import GateError, UsageError

if TYPE_CHECKING:
    from gatescope.report.graph import Style

_COLOURS = MappingProxyType(
    {"line": 2, "below": 35, "gate": 34, "failed": 31, "parameter": 33, "constant": 2}
)
_MOST_SENTENCES = 40


def gates(arguments: Sequence[str]) -> int:
    """Runs the command.

    Args:
        arguments: What was typed behind `gatescope gates`.

    Returns:
        The exit code.

    Raises:
        UsageError: The expression, a value or an option cannot mean anything.
    """
    asked = parser().parse_intermixed_args(_expression_first(arguments))
    if asked.svg:
        writable(asked.svg)
    circuit = _circuit(asked.expression, asked.values, asked.train)
    failure = None
    try:
        _compute(circuit, asked)
    except GateError as error:
        failure = error
    _show(circuit, asked)
    if asked.svg:
        _draw(circuit, asked.svg)
    if failure:
        complain(failure)
    return failure.exit_code if failure else 0


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    usage = "gatescope gates EXPRESSION [NAME=VALUE]... [OPTIONS]"
    made = Parser(usage, description=summaries.GATES)
    add = made.add_argument
    add("expression", metavar="EXPRESSION", help="such as 'sigmoid(w*x + b)'")
    add("values", metavar="NAME=VALUE", nargs="*", help="a value for every name")
    add("--train", metavar="NAMES", type=_names, default=[], help="inputs to train, as in a,b")
    add("--toward", metavar="NUMBERS", help="what the output, or each output, should become")
    add(
        "--loss",
        metavar="NAME",
        default="squared",
        help="squared (the default), absolute, huber, log_loss or hinge",
    )
    add(
        "--learning-rate",
        metavar="NUMBER",
        type=float,
        default=0.01,
        help="share of the gradient that a step takes (default 0.01)",
    )
    add("--steps", metavar="N", type=int, default=10, help="steps of training (default 10)")
    add("--svg", metavar="FILE", type=Path, help="also draw the circuit into this file")
    add("--json", action="store_true", help="print one JSON object in place of the drawing")
    return made


def _expression_first(arguments: Sequence[str]) -> list[str]:
    """Keeps an expression that begins with a minus from being read as an option."""
    first = arguments[0] if arguments else ""
    expression = first[:1] == "-" and first[1:2] != "-" and first != "-h"
    return [f" {first}", *arguments[1:]] if expression else list(arguments)


def _names(text: str) -> list[str]:
    return [_as_python_reads(name) for name in text.split(",") if name.strip()]


def _as_python_reads(name: str) -> str:
    """One form for letters that look alike, so that µ in a value is µ in an expression."""
    return unicodedata.normalize("NFKC", name.strip())


def _circuit(expression: str, values: Sequence[str], train: Sequence[str]) -> Circuit:
    circuit = Circuit(parse(expression), train)
    given: dict[str, float] = {}
    for name, value in map(_assignment, values):
        if name in given:
            raise UsageError(f"{name} is given twice", "one value for a name", "leave one out")
        given[name] = value
    set_values(circuit.inputs, given)
    known_values(list(circuit.inputs.values()))
    return circuit


def _assignment(text: str) -> tuple[str, float]:
    name, sign, value = text.partition("=")
    if not (sign and name.strip()):
        raise UsageError(f"{text!r} gives no value", "a name and its value", "x=3")
    return _as_python_reads(name), _number(value, name.strip())


def _number(text: str, what: str) -> float:
    return finite(text.strip().replace("−", "-"), what)


def _compute(circuit: Circuit, asked: argparse.Namespace) -> None:
    if bool(asked.train) != (asked.toward is not None):
        raise UsageError(
            f"{'--train' if asked.train else '--toward'} stands alone",
            "--train with the inputs to change, --toward with what the output should become",
            "--train a --toward 50",
        )
    if not asked.train:
        circuit.forward()
        circuit.backward()
        return
    circuit.train(
        toward=[_number(target, "--toward") for target in asked.toward.split(",")],
        loss=asked.loss,
        learning_rate=asked.learning_rate,
        steps=asked.steps,
    )


def _show(circuit: Circuit, asked: argparse.Namespace) -> None:
    if asked.json:
        print(json.dumps(circuit.to_dict(), allow_nan=False))
        return
    if circuit.history:
        print(f"{history(circuit)}\n")
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((100, 24)).columns
    print(diagram(circuit, width, _paint if coloured else None))
    output = "the output" if len(circuit.outputs) == 1 else "the outputs' sum"
    of = f"the loss ({asked.loss})" if asked.train else output
    print(f"\nabove each wire its value, below it the gradient of {of}")
    sentences = circuit.explain()
    for sentence in sentences[:_MOST_SENTENCES]:
        print(f"· {sentence}")
    if len(sentences) > _MOST_SENTENCES:
        print(f"· and {len(sentences) - _MOST_SENTENCES:,} more, all of them with --json")


def _paint(text: str, style: Style) -> str:
    return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if style in _COLOURS else text


def _draw(circuit: Circuit, svg: Path) -> None:
    from gatescope.runs.files import atomic_write

    atomic_write(svg, circuit.to_svg().encode())
    print(f"drawn in {printable(str(svg))}", file=sys.stderr)
