"""`gatescope gates`: what it prints, draws and refuses, and how little it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatescope.cli.gates import parser

NEURON = ["sigmoid(w0*x0 + w1*x1 + b)", "w0=2", "x0=-1", "w1=-3", "x1=-2", "b=-3"]
TRAIN = ["--train", "a", "--toward", "50", "--learning-rate", "0.01", "--steps", "10"]


def test_values_gradients_and_words(gatescope) -> None:
    answer = gatescope("gates", *NEURON)
    assert (answer.code, answer.err) == (0, "")
    assert "├─ + ─────── σ ─────→" in answer.out
    assert "above each wire its value, below it the gradient of the output" in answer.out
    assert "the gradient on w0 is upstream 0.20 × x0 −1.00 = −0.20" in answer.out
    assert "\x1b" not in answer.out


def test_a_value_given_twice_is_refused(gatescope) -> None:
    answer = gatescope("gates", "a*x", "a=4", "a=5", "x=1")
    assert answer.code == 2
    assert answer.err == (
        "Error: a is given twice\n  expected: one value for a name\n  fix: leave one out\n"
    )


def test_training_shows_every_step_and_ends_near_the_target(gatescope) -> None:
    answer = gatescope("gates", "a*x", "a=4", "x=5", *TRAIN)
    assert answer.code == 0
    first, *steps = answer.out.partition("\n\n")[0].splitlines()
    assert first.split() == ["step", "a", "output", "loss"]
    assert len(steps) == 11
    assert steps[-1].split()[2] == "49.97"
    assert "the gradient of the loss (squared)" in answer.out


def test_svg_and_json_at_once(gatescope, tmp_path: Path) -> None:
    svg = tmp_path / "out.svg"
    options = ["--train", "a,b", "--toward", "50", "--svg", svg, "--json"]
    answer = gatescope("gates", "a*x + b", "a=1", "b=1", "x=5", *options)
    assert (answer.code, answer.err) == (0, f"drawn in {svg}\n")
    told = json.loads(answer.out)
    assert told["parameters"] == ["a", "b"]
    assert len(told["history"]) == 11
    assert round(told["history"][-1]["outputs"][0], 2) == 49.97
    assert svg.read_text("utf-8").startswith("<svg") and "49.97" in svg.read_text("utf-8")


def test_options_may_stand_before_values(gatescope) -> None:
    answer = gatescope("gates", "a*x", "--train", "a", "a=4", "--toward=50", "x=5")
    assert answer.code == 0 and "49.97" in answer.out


def test_an_expression_may_begin_with_a_minus(gatescope) -> None:
    assert "−9.00" in gatescope("gates", "-x**2", "x=3").out


def test_letters_that_look_alike_are_one(gatescope) -> None:
    assert gatescope("gates", "\u00b5*x", "\u00b5=4", "x=5").code == 0


def test_where_a_gate_fails_the_rest_still_shows(gatescope, tmp_path: Path) -> None:
    svg = tmp_path / "out.svg"
    answer = gatescope("gates", "log(x) + y*2", "x=-1", "y=3", "--svg", svg)
    assert answer.code == 1
    assert "log✗" in answer.out and "6.00" in answer.out
    assert answer.err.splitlines() == [
        f"drawn in {svg}",
        "Error: log(−1) has no value: the gate 'log' in log(x)",
        "  expected: an input above 0",
        "  fix: change x (−1)",
    ]
    assert "6.00" in svg.read_text("utf-8")


def test_a_training_that_runs_away_shows_its_steps(gatescope) -> None:
    options = ["--train", "a", "--toward", "50", "--learning-rate", "10", "--steps", "1000"]
    answer = gatescope("gates", "a*x", "a=4", "x=5", *options)
    assert answer.code == 1
    assert "e+1" in answer.out
    assert "larger than any float" in answer.err


def test_many_sentences_are_cut_short(gatescope) -> None:
    answer = gatescope("gates", "-".join(["x"] * 60), "x=1")
    assert "· and 20 more, all of them with --json" in answer.out


@pytest.mark.parametrize(
    ("typed", "happened"),
    [
        ([], "the following arguments are required: EXPRESSION, NAME=VALUE"),
        (["a*x", "a=4"], "no value for x"),
        (["a*x", "a=4", "x=five"], "x is 'five'"),
        (["a*x", "a=4", "x=nan"], "x is 'nan'"),
        (["a*x", "a=4", "x=1e999"], "x is '1e999'"),
        (["a*x", "a=4", "x"], "'x' gives no value"),
        (["a*x", "a=4", "=5"], "'=5' gives no value"),
        (["a*x", "a=4", "x=5", "y=6"], "the circuit has no input 'y'"),
        (["a.x"], "'a.x' is not allowed in an expression"),
        (["open('f')"], "there is no gate 'open'"),
        (
            ["(" * 10_000 + ")" * 10_000],
            "the expression is 10,000 brackets deep and 20,000 letters long",
        ),
        (["a*x", "a=4", "x=5", "--train", "a"], "--train stands alone"),
        (["a*x", "a=4", "x=5", "--toward", "5"], "--toward stands alone"),
        (["a*x", "a=4", "x=5", "--train", "q", "--toward", "5"], "the circuit has no input 'q'"),
        (["a*x", "a=4", "x=5", "--train", "a", "--toward", "b"], "--toward is 'b'"),
        (["a*x", "a=4", "x=5", "--train", "a", "--toward", "1,2"], "2 targets for 1 outputs"),
        (["a*x", "a=4", "x=5", *TRAIN, "--loss", "hing"], "there is no loss 'hing'"),
        (["a*x", "a=4", "x=5", *TRAIN, "--steps", "-1"], "steps is -1"),
        (["a*x", "--steps", "many"], "argument --steps: invalid int value: 'many'"),
        (["a*x", "--stpes", "1"], "unrecognized arguments: --stpes"),
        (["a*x", "a=4", "x=5", "--svg", "nowhere/out.svg"], "'nowhere/out.svg' cannot be written"),
    ],
)
def test_what_cannot_mean_anything_is_told(gatescope, typed: list[str], happened: str) -> None:
    answer = gatescope("gates", *typed)
    assert (answer.code, answer.out) == (2, "")
    first, expected, fix = answer.err.splitlines()
    assert first.startswith(f"Error: {happened}")
    assert expected.startswith("  expected: ") and fix.startswith("  fix: ")


def test_no_letter_steers_the_terminal(gatescope) -> None:
    assert "\x1b" not in gatescope("gates", "x\x1b[2J*2").err
    assert "\x1b" not in gatescope("gates", "x", "x=\x1b[2J").err


def test_help_says_all_options(gatescope) -> None:
    answer = gatescope("gates", "--help")
    assert answer.out.startswith("Usage: gatescope gates EXPRESSION")
    for action in parser()._actions:
        assert not action.option_strings or action.option_strings[-1] in answer.out


def test_the_answer_loads_no_engine_and_nothing_slow() -> None:
    code = """
import sys
from gatescope.cli import main
try:
    main()
finally:
    heavy = {"tensorflow", "keras", "numpy", "pydantic", "rich", "typer", "igraph", "PIL"}
    print(*heavy & set(sys.modules), file=sys.stderr)
"""
    command = [sys.executable, "-c", code, "gates", "a*x", "a=4", "x=5", *TRAIN]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.split()) == (0, [])


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = "from gatescope.cli import main; main()"
    shell = f"'{sys.executable}' -c '{code}' gates '+'.join x=1 2>&1 | true"
    assert subprocess.run(["sh", "-c", shell], capture_output=True, text=True).stdout == ""
    long = "+".join(["x"] * 1_400)
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -c '{code}' gates '{long}' x=1 --json | head -c 10"],
        capture_output=True,
        text=True,
    )
    assert (done.stdout[:9], done.stderr) == ('{"express', "")


def test_colours_are_for_terminals_alone() -> None:
    import pty

    code = "from gatescope.cli import main; main()"

    def shown(**environment: str) -> bytes:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", code, "gates", "a*x", "a=4", "x=5"]
        subprocess.run(command, stdout=theirs, check=True, env={**os.environ, **environment})
        os.close(theirs)
        return os.read(ours, 10_000)

    assert b"\x1b[35m" in shown(TERM="xterm", NO_COLOR="")
    assert b"\x1b" not in shown(TERM="xterm", NO_COLOR="1")
