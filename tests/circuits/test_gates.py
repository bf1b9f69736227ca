"""The table of gates: every row right by itself, and short enough to read."""

from __future__ import annotations

import ast
import io
import math
import tokenize
from pathlib import Path

import pytest

from gatescope import circuits
from gatescope.circuits.gates import GATES, functions

POINTS = {1: [(0.3,), (0.9,), (2.5,)], 2: [(0.7, 1.9), (2.5, -1.2), (3.0, 2.0)]}
BELOW_0 = {(-0.4,), (-2.0,)}
CASES = [
    pytest.param(gate, point, id=f"{gate}{point}")
    for gate, row in GATES.items()
    for point in POINTS[len(row.derivatives)]
    + (sorted(BELOW_0) if len(row.derivatives) == 1 and gate not in ("log", "sqrt") else [])
]


@pytest.mark.parametrize(("gate", "point"), CASES)
def test_derivatives_are_those_of_the_rule(gate: str, point: tuple[float, ...]) -> None:
    value, slopes = functions(GATES[gate])
    a, b = point[0], point[-1]
    got = slopes(a, b, value(a, b))
    h = 1e-6
    if len(point) == 1:
        assert got == (pytest.approx((value(a + h, b) - value(a - h, b)) / 2 / h, abs=1e-7), 0.0)
    else:
        assert got[0] == pytest.approx((value(a + h, b) - value(a - h, b)) / 2 / h, abs=1e-7)
        assert got[1] == pytest.approx((value(a, b + h) - value(a, b - h)) / 2 / h, abs=1e-7)


def test_rows_are_complete_and_distinct() -> None:
    assert len({row.words for row in GATES.values()}) == len(GATES)
    for name, row in GATES.items():
        assert row.name == name and name.isidentifier()
        assert row.symbol and row.words and row.domain


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        GATES["add"] = GATES["mul"]  # type: ignore[index]


@pytest.mark.parametrize("far", [-1e300, -800.0, 800.0, 1e300])
@pytest.mark.parametrize("gate", ["sigmoid", "tanh", "relu", "elu", "gelu", "silu", "softplus"])
def test_activations_never_fail_on_finite_numbers(gate: str, far: float) -> None:
    value, slopes = functions(GATES[gate])
    out = value(far, far)
    assert math.isfinite(out)
    assert all(map(math.isfinite, slopes(far, far, out)))


def code_lines(path: Path) -> int:
    """Lines that hold more than comments and docstrings."""
    text = path.read_text()
    documentation = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - documentation)


def test_the_engine_stays_small() -> None:
    folder = Path(circuits.__file__).parent
    engine = ("gates.py", "wires.py", "graph.py")
    assert sum(code_lines(folder / name) for name in engine) <= 200
