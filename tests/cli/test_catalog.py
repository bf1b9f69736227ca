"""`gatescope catalog`: what it lists, explains, draws and refuses, and how little it loads."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gatescope.catalog.lookup import CATALOG
from gatescope.catalog.view import facts


def test_without_a_kind_it_says_which_there_are(gatescope) -> None:
    answer = gatescope("catalog")
    assert (answer.code, answer.err) == (0, "")
    for many in CATALOG:
        assert many in answer.out


@pytest.mark.parametrize("many", CATALOG)
def test_a_list_names_every_entry(gatescope, many: str) -> None:
    answer = gatescope("catalog", many)
    assert (answer.code, answer.err) == (0, "")
    for name in CATALOG[many]:
        assert f" {name} " in answer.out


def test_names_are_never_folded(gatescope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "categorical_generalized_cross_entropy" in gatescope("catalog", "losses").out


@pytest.mark.parametrize("many", CATALOG)
def test_every_entry_explains_itself(gatescope, many: str) -> None:
    for entry in CATALOG[many].values():
        answer = gatescope("catalog", entry.kind, entry.name)
        assert (answer.code, answer.err) == (0, "")
        for text in (entry.keras, entry.formula[:40], "advice"):
            assert text in answer.out


def test_an_activation_shows_its_curve_beside_its_derivative(gatescope) -> None:
    out = gatescope("catalog", "activation", "relu").out
    assert "max(x, 0)" in out and "1 if x > 0, else 0" in out and "from −∞ to 0" in out
    heads = [line.strip("│ ").split() for line in out.splitlines()]
    assert ["output", "derivative"] in heads
    assert "⢀" in out and "\x1b" not in out


def test_on_a_narrow_terminal_they_stand_below_each_other(
    gatescope, monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("60", "30"):
        monkeypatch.setenv("COLUMNS", columns)
        lines = gatescope("catalog", "activation", "relu").out.splitlines()
        assert any(line.strip("│ ") == "derivative" for line in lines)
        assert max(map(len, lines)) <= int(columns)


def test_a_loss_says_what_it_goes_with(gatescope) -> None:
    out = gatescope("catalog", "loss", "BinaryCrossentropy").out
    assert "sigmoid; labels: 0 or 1, shaped as the output" in out
    assert "linear (from_logits=True); labels: 0 or 1" in out


def test_a_loss_is_drawn_for_a_target(gatescope) -> None:
    assert (
        "over prediction, target = 0.3"
        in gatescope("catalog", "loss", "bce", "--target", "0.3").out
    )


@pytest.mark.parametrize(
    "entry",
    [row for rows in CATALOG.values() for row in rows.values() if row.circuit],
    ids=lambda entry: entry.name,
)
def test_the_command_that_shows_the_gates_runs(gatescope, entry) -> None:
    command = dict(facts(entry))["as gates"]
    answer = gatescope(*shlex.split(command)[1:])
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.parametrize(
    ("typed", "start"),
    [
        (["losses"], b"\x89PNG"),
        (["activation", "relu"], b"\x89PNG"),
        (["schedule", "cosine_decay"], b"\x89PNG"),
        (["loss", "huber", "--target", "3"], b"\x89PNG"),
    ],
)
def test_plot_writes_a_picture(gatescope, tmp_path: Path, typed: list[str], start: bytes) -> None:
    picture = tmp_path / "out.png"
    answer = gatescope("catalog", *typed, "--plot", picture)
    assert (answer.code, answer.err) == (0, f"drawn in {picture}\n")
    assert picture.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("typed", "happened", "fix"),
    [
        (["lossses"], "the catalog has no 'lossses'", "did you mean 'losses'?"),
        (["loss", "hubert"], "there is no loss 'hubert'", "did you mean 'huber'?"),
        (["loss", "relu"], "there is no loss 'relu'", "it is one of the activations"),
        (["activation", "reul"], "there is no activation 'reul'", "did you mean 'relu'"),
        (["--plot", "out.png"], "--plot stands alone", "gatescope catalog losses"),
        (["losses", "--target", "1"], "--target stands alone", "gatescope catalog loss huber"),
        (["activation", "relu", "--target", "1"], "relu has no target", "gatescope catalog loss"),
        (["loss", "bce", "--target", "7"], "the target is 7", "leave --target out"),
        (["loss", "mse", "--target", "inf"], "the target is inf", "leave --target out"),
        (["losses", "--plot", "nowhere/o.png"], "'nowhere/o.png' cannot be written", "mkdir -p"),
        (["losses", "--plot", "out.doc"], "'out.doc' is no picture", "--plot out.png"),
        (["losses", "--plot", "out"], "'out' is no picture", "--plot out.png"),
        (["loss", "ctc", "--plot", "out.png"], "ctc has no curve", "leave --plot out"),
    ],
)
def test_what_cannot_mean_anything_is_told(
    gatescope, tmp_path: Path, monkeypatch, typed: list[str], happened: str, fix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = gatescope("catalog", *typed)
    assert (answer.code, answer.out) == (2, "")
    first, expected, how = answer.err.splitlines()
    assert first.startswith(f"Error: {happened}")
    assert expected.startswith("  expected: ")
    assert how.startswith(f"  fix: {fix}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_picture_s_place_is_refused(gatescope, tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    for folder in (tmp_path / "out.png", ".", ""):
        answer = gatescope("catalog", "losses", "--plot", folder)
        assert answer.code == 2 and "is a folder" in answer.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_write_protected_is_refused(gatescope, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    answer = gatescope("catalog", "losses", "--plot", tmp_path / "out.png")
    assert answer.code == 2 and "is write-protected" in answer.err


@pytest.mark.parametrize("plotted", [False, True])
def test_the_answer_loads_no_engine_and_matplotlib_for_plots_alone(
    tmp_path: Path, plotted: bool
) -> None:
    code = """
import sys
from gatescope.cli import main
try:
    main()
finally:
    heavy = {"tensorflow", "keras", "numpy", "matplotlib", "igraph", "PIL"}
    print("loaded", *sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    for typed in [["activation", "relu"]] if plotted else [["losses"], ["optimizer", "adam"]]:
        options = ["--plot", str(tmp_path / "out.png")] if plotted else []
        command = [sys.executable, "-c", code, "catalog", *typed, *options]
        done = subprocess.run(command, capture_output=True, text=True)
        loaded = done.stderr.splitlines()[-1].split()[1:]
        assert done.returncode == 0
        assert not {"tensorflow", "keras"} & set(loaded)
        assert ("matplotlib" in loaded) is plotted
        assert plotted or loaded == []
