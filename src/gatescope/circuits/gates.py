"""The table of gates: one row holds all that circuits, their code and their words need.

A rule is Python over the inputs `a` and `b` (`out` is the gate's own output) and the functions of
`NUMBERS`; `compiled.py` writes the same text into straight-line code. Where a derivative jumps,
TensorFlow's side is taken: relu, abs and step pass 0 at 0, leaky_relu 0.2, elu 1; of equal inputs
max and min take the first; `**` passes nothing to the exponent of a base that is not above 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

FUNCTIONS = ("exp", "expm1", "log", "log1p", "sqrt", "pow", "sin", "cos", "tanh", "erfc")
NUMBERS = MappingProxyType({"abs": abs, **{name: getattr(math, name) for name in FUNCTIONS}})
_SIGMOID = "(1.0 if a >= 0.0 else exp(a)) / (1.0 + exp(-abs(a)))"  # neither exp can overflow
_GAUSS = "0.5 * erfc(-a * 0.7071067811865476)"  # the normal distribution's share below a


class Gate(NamedTuple):
    """A kind of gate: name in expressions, sign in drawings, rules, and how it explains itself."""

    name: str
    symbol: str
    rule: str
    derivatives: tuple[str, ...]  # one for each of its one or two inputs
    words: str
    domain: str = "inputs whose result stays within ±1.8e308"


_BASES = "a base above 0, or a whole exponent (of 0 or more over a base of 0)"
_POWER = ("b * pow(a, b - 1.0) if b != 0.0 else 0.0", "out * log(a) if a > 0.0 else 0.0")
_LARGER = ("1.0 if a >= b else 0.0", "0.0 if a >= b else 1.0")
_SMALLER = ("1.0 if a <= b else 0.0", "0.0 if a <= b else 1.0")
_SIGN = ("1.0 if a > 0.0 else -1.0 if a < 0.0 else 0.0",)
_OPEN, _ELU = ("1.0 if a > 0.0 else 0.0",), ("1.0 if a >= 0.0 else out + 1.0",)
_LEAK, _LEAKY = "a if a > 0.0 else 0.2 * a", ("1.0 if a > 0.0 else 0.2",)
_SILU = (f"out + {_SIGMOID} * (1.0 - out)",)
_BELL = (f"{_GAUSS} + a * exp(-0.5 * a * a) * 0.3989422804014327",)
_PLUS = "(a if a > 0.0 else 0.0) + log1p(exp(-abs(a)))"
_ROWS = (
    Gate("add", "+", "a + b", ("1.0", "1.0"), "plus hands on"),
    Gate("sub", "−", "a - b", ("1.0", "-1.0"), "minus hands on, and turns the sign on its right"),
    Gate("mul", "×", "a * b", ("b", "a"), "multiply swaps"),
    Gate("div", "÷", "a / b", ("1.0 / b", "-out / b"), "divide scales", "a divisor other than 0"),
    Gate("pow", "**", "pow(a, b)", _POWER, "power brings the exponent down", _BASES),
    Gate("neg", "−", "-a", ("-1.0",), "minus turns the sign"),
    Gate("exp", "exp", "exp(a)", ("out",), "exp is its own slope", "an input up to 709.78"),
    Gate("log", "log", "log(a)", ("1.0 / a",), "log divides by its input", "an input above 0"),
    Gate("sqrt", "√", "sqrt(a)", ("0.5 / out",), "root divides by 2 × out", "an input above 0"),
    Gate("abs", "abs", "abs(a)", _SIGN, "abs passes its input's sign, 0 at 0"),
    Gate("max", "max", "a if a >= b else b", _LARGER, "max passes all to the larger input"),
    Gate("min", "min", "a if a <= b else b", _SMALLER, "min passes all to the smaller input"),
    Gate("sin", "sin", "sin(a)", ("cos(a)",), "sin passes the cosine"),
    Gate("cos", "cos", "cos(a)", ("-sin(a)",), "cos passes the sine, with the sign turned"),
    Gate("tanh", "tanh", "tanh(a)", ("1.0 - out * out",), "tanh passes 1 − out²"),
    Gate("sigmoid", "σ", _SIGMOID, ("out * (1.0 - out)",), "sigmoid passes out × (1 − out)"),
    Gate("relu", "relu", "a if a > 0.0 else 0.0", _OPEN, "relu is open above 0, else shut"),
    Gate("leaky_relu", "leaky", _LEAK, _LEAKY, "leaky relu is open above 0, else a fifth open"),
    Gate("elu", "elu", "a if a > 0.0 else expm1(a)", _ELU, "elu passes out + 1 below 0"),
    Gate("gelu", "gelu", f"a * {_GAUSS}", _BELL, "gelu passes Φ(a) + a × φ(a)"),
    Gate("silu", "silu", f"a * {_SIGMOID}", _SILU, "silu passes out + σ(a) × (1 − out)"),
    Gate("softplus", "softplus", _PLUS, (_SIGMOID,), "softplus passes the sigmoid of its input"),
    Gate("step", "step", "1.0 if a > 0.0 else 0.0", ("0.0",), "step is flat and passes nothing"),
)
GATES: Mapping[str, Gate] = MappingProxyType({gate.name: gate for gate in _ROWS})


@cache
def functions(gate: Gate) -> tuple[Callable[..., float], Callable[..., tuple[float, float]]]:
    """The gate's value from `a, b`, and its two derivatives from `a, b, out`.

    Of one input only, `b` is not looked at and its derivative is 0, which spares the circuit's
    loops a distinction.
    """
    derivatives = ", ".join((*gate.derivatives, "0.0")[:2])
    texts = (f"lambda a, b: {gate.rule}", f"lambda a, b, out: ({derivatives})")
    # The text is the table's own: nothing of a user's is ever in it.
    value, slopes = (eval(text, dict(NUMBERS)) for text in texts)  # noqa: S307
    return value, slopes
