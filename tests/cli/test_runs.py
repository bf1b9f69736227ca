"""`gatescope runs`: list, show, compare, delete."""

from __future__ import annotations

import json
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from written_runs import FINDING, fill, record

from gatescope.runs.findings import keep_findings
from gatescope.runs.folder import RUNS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two() -> list[str]:
    """Two runs in ./runs, and a captioner's folder."""
    names = []
    for name, rate in (("slow", 0.01), ("quick", 0.1)):
        configuration = {"optimizer": {"learning_rate": rate}, "note": "[red]\x1b[2J"}
        with record(RUNS, name, configuration=configuration) as writer:
            fill(writer, scale=1 + rate)
        keep_findings(writer.folder, [FINDING])
        names.append(writer.folder.name)
    (RUNS / "f8k").mkdir()
    return names


def test_the_list_names_every_run(gatescope, two: list[str]) -> None:
    answers = [gatescope("runs"), gatescope("runs", "runs"), gatescope("runs", "list", "runs")]
    assert answers[0] == answers[1] == answers[2]
    answer = answers[0]
    assert (answer.code, answer.err) == (0, "not runs: f8k\n")
    for name in two:
        (line,) = (line for line in answer.out.splitlines() if name in line)
        assert line.split()[1] == "finished" and line.split()[-3:] == [
            "99",
            "0.0101" if "slow" in name else "0.011",
            "1",
        ]


@pytest.mark.parametrize("columns", ["80", "20"])
def test_a_narrow_list_keeps_names_and_words_whole(
    gatescope, two: list[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    with record(RUNS, "a-name-of-a-run-that-takes-room") as writer:
        pass
    monkeypatch.setenv("COLUMNS", columns)
    lines = gatescope("runs").out.splitlines()
    assert lines[0].split() == ["run", "status", "step", "loss", "findings"]
    assert {*two, writer.folder.name} == {line.split()[0] for line in lines[2:5]}


def test_colours_of_a_stored_error_are_left_out(gatescope) -> None:
    with pytest.raises(ValueError, match="Input"), record(RUNS) as writer:
        raise ValueError("\x1b[1mInput 0 is wrong\x1b[0m")
    assert "ValueError: Input 0 is wrong " in gatescope("runs", "show", writer.folder).out


def test_a_list_for_programs(gatescope, two: list[str]) -> None:
    answer = gatescope("runs", "--json")
    told = json.loads(answer.out)
    assert sorted(run["run"] for run in told["runs"]) == sorted(two)
    assert told["others"] == ["f8k"] and told["unreadable"] == {}
    assert {"status", "started", "last_step", "loss", "findings"} <= set(told["runs"][0])


def test_where_there_is_none_that_is_said(gatescope, here: Path) -> None:
    assert gatescope("runs") == (0, "no runs: there is no folder 'runs' here\n", "")
    assert json.loads(gatescope("runs", "--json").out)["runs"] == []
    (here / "runs").mkdir()
    assert gatescope("runs") == (0, "no runs in runs\n", "")


def test_what_cannot_be_read_is_in_the_list_and_no_failure(gatescope, two: list[str]) -> None:
    (RUNS / two[0] / "run.sqlite").write_text("nonsense")
    answer = gatescope("runs")
    assert answer.code == 0 and "unreadable" in answer.out
    assert f"{two[0]}: 'runs/{two[0]}/run.sqlite' cannot be read" in answer.err


def test_a_killed_and_a_running_one_are_told_apart(gatescope) -> None:
    code = (
        "import os; from pathlib import Path; from written_runs import record;"
        "record(Path('runs'), 'killed'); os._exit(9)"
    )
    path = str(Path(__file__).parent.parent / "runs")
    subprocess.run([sys.executable, "-c", f"import sys; sys.path = {[path, *sys.path]}; {code}"])
    with record(RUNS, "alive"):
        lines = gatescope("runs").out.splitlines()
    states = {line.split("-")[0].strip(): line.split()[1] for line in lines if "-2" in line}
    assert states == {"killed": "died", "alive": "running"}


def test_show_shows_all_of_a_run(gatescope, two: list[str]) -> None:
    by_name, by_path = gatescope("runs", "show", two[0]), gatescope("runs", "show", RUNS / two[0])
    assert by_name.out == by_path.out and by_name.code == 0
    for text in (
        "finished",
        "--fast",
        "optimizer.learning_rate",
        "platform",
        "keras",
        "2 layers: mean, dead",
        "val_loss",
        "⣀",
        "checkpoint",
        "findings: 1",
        "symptom: dead units",
        "[red]",
    ):
        assert text in by_name.out
    assert "\x1b" not in by_name.out


def test_show_fits_a_narrow_terminal(
    gatescope, two: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("100", "60", "40"):
        monkeypatch.setenv("COLUMNS", columns)
        out = gatescope("runs", "show", two[0]).out
        assert max(map(len, out.splitlines())) <= int(columns)


def test_show_for_programs(gatescope) -> None:
    with record(RUNS) as writer:
        writer.metrics(0, 0, {"loss": float("nan"), "accuracy": float("inf")})
    told = json.loads(gatescope("runs", "show", writer.folder, "--json").out)
    assert told["metrics"] == {"step": [0], "epoch": [0], "loss": ["NaN"], "accuracy": ["inf"]}
    assert told["configuration"]["optimizer"] == {"name": "adam", "learning_rate": 0.01}
    assert told["status"] == "finished" and told["layers"] == []


@pytest.mark.parametrize("losses", [[], [1.0], [float("nan")] * 3, [2.0, 2.0], [float("inf"), 1.0]])
def test_show_draws_what_can_be_drawn(gatescope, losses: list[float]) -> None:
    with record(RUNS) as writer:
        for step, loss in enumerate(losses):
            writer.metrics(step, 0, {"loss": loss})
    answer = gatescope("runs", "show", writer.folder)
    assert (answer.code, answer.err) == (0, "")
    assert "findings: none" in answer.out


def test_long_curves_are_drawn_with_their_peaks(gatescope) -> None:
    with record(RUNS) as writer:
        for step in range(5000):
            writer.metrics(step, 0, {"loss": 1000.0 if step == 2345 else 1.0})
    assert "1e+03 ┤" in gatescope("runs", "show", writer.folder).out


def test_compare_says_what_differs(gatescope, two: list[str]) -> None:
    answer = gatescope("runs", "compare", *two)
    assert (answer.code, answer.err) == (0, "")
    lines = [line.split() for line in answer.out.splitlines()]
    assert ["optimizer.learning_rate", "0.01", "0.1"] in lines
    for text in ("environment: equal", "structure: equal", "script: equal"):
        assert text in answer.out
    assert any(line[:5] == ["loss", "part", "from", "step", "0;"] for line in lines)
    assert any(line[:2] == ["accuracy", "equal"] for line in lines)


def test_delete_asks(gatescope, two: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert gatescope("runs", "delete", two[0]).code == 1
    assert (RUNS / two[0]).exists()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    answer = gatescope("runs", "delete", two[0])
    assert answer.code == 0 and f"deleted runs/{two[0]}" in answer.out
    assert not (RUNS / two[0]).exists() and (RUNS / two[1]).exists()


def test_delete_with_yes_takes_several(gatescope, two: list[str]) -> None:
    answer = gatescope("runs", "delete", two[0], RUNS / two[1], two[0], "--yes")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [f"deleted runs/{name}" for name in two]
    assert [path.name for path in RUNS.iterdir()] == ["f8k"]


def test_where_one_is_refused_none_is_deleted(gatescope, two: list[str]) -> None:
    answer = gatescope("runs", "delete", two[0], "f8k", "--yes")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("Error: 'runs/f8k' is no run")
    assert (RUNS / two[0]).exists() and (RUNS / "f8k").exists()


def test_delete_refuses_a_running_one_and_one_elsewhere(gatescope, here: Path) -> None:
    with record(RUNS) as writer:
        answer = gatescope("runs", "delete", writer.folder.name, "--yes")
        assert answer.code == 1 and "is being written by a training" in answer.err
    with record(here / "other") as elsewhere:
        pass
    answer = gatescope("runs", "delete", elsewhere.folder, "--yes")
    assert answer.code == 1 and "does not stand in 'runs'" in answer.err
    fix = shlex.split(answer.err.splitlines()[-1].removeprefix("  fix: gatescope "))
    assert gatescope(*fix, "--yes").code == 0 and not elsewhere.folder.exists()


@pytest.mark.parametrize("typed", ["runs", "../d", ".", "link"])
def test_what_is_no_run_is_not_offered_to_delete_elsewhere(
    gatescope, two: list[str], here: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    (here / "d").mkdir()
    (here / "in").mkdir()
    monkeypatch.chdir(here / "in")
    (here / "in" / "runs").mkdir()
    (here / "in" / "runs" / "link").symlink_to(here / "runs" / two[0])
    answer = gatescope("runs", "delete", typed, "--yes")
    assert (answer.code, answer.out) == (1, "")
    if typed == "link":  # to a run that stands elsewhere
        fix = shlex.split(answer.err.splitlines()[-1].removeprefix("  fix: gatescope "))
        assert gatescope(*fix, "--yes").code == 0 and not (here / "runs" / two[0]).exists()
    else:
        assert " is no run\n" in answer.err and "--runs" not in answer.err


def test_a_damaged_run_is_an_error_and_no_half_of_a_page(gatescope, two: list[str]) -> None:
    with sqlite3.connect(RUNS / two[0] / "run.sqlite") as connection:
        connection.execute("UPDATE metric_chunks SET numbers = x'00'")
    connection.close()
    answer = gatescope("runs", "show", two[0])
    assert (answer.code, answer.out) == (1, "")
    assert "cannot be read" in answer.err


@pytest.mark.parametrize(
    ("typed", "code", "happened", "fix"),
    [
        ("show absent", 2, "there is no 'absent'", "check the path"),
        ("nowhere", 2, "there is no 'nowhere'", "check the path"),
        ("shwo", 2, "there is no 'shwo'", "did you mean 'show'?"),
        ("file", 2, "'file' is a file", "name its folder"),
        ("show file", 1, "'file' is no run", "gatescope runs"),
        ("compare . .", 1, "'.' is no run", "gatescope runs"),
        ("delete absent --yes", 2, "there is no 'absent'", "check the path"),
    ],
)
def test_what_is_not_there_is_told(
    gatescope, here: Path, typed: str, code: int, happened: str, fix: str
) -> None:
    (here / "file").touch()
    answer = gatescope("runs", *typed.split())
    assert (answer.code, answer.out) == (code, "")
    first, expected, how = answer.err.splitlines()
    assert first.startswith(f"Error: {happened}")
    assert expected.startswith("  expected: ") and how.startswith(f"  fix: {fix}")


def test_a_mistyped_run_is_answered_by_its_name(gatescope, two: list[str]) -> None:
    answer = gatescope("runs", "show", two[0][:-1])
    assert answer.code == 2 and f"did you mean 'runs/{two[0]}'" in answer.err


def test_the_list_loads_neither_engine_nor_drawing_libraries(two: list[str]) -> None:
    code = """
import sys
from gatescope.cli import main
sys.argv = ["gatescope", "runs"]
try:
    main()
finally:
    heavy = {"tensorflow", "keras", "matplotlib", "skimage", "sklearn", "tensorboard"}
    print(*heavy & set(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.split("\n")[-2:] == ["", ""]
