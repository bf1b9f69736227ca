"""The command as a whole: what it answers, with which exit code, and what it loads for that."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from gatescope.cli.app import app
from gatescope.cli.recipe_group import recipe_names

COMMANDS = [
    "gates",
    "demo",
    "caption",
    "evaluate",
    "export",
    "predict",
    "recipes show",
    "recipes copy",
    "learn",
    *(f"{verb} {name}" for verb in ("train", "rate", "sweep") for name in recipe_names()),
    "train caption",
    "train scenes",
    "train regions",
    "data check",
    "data get",
    "catalog",
    "trace",
    "doctor",
    "replay",
    "run",
    "runs list",
    "runs show",
    "runs compare",
    "runs delete",
    "report",
    "studio",
]


def raising(error: BaseException) -> Callable[..., None]:
    def run(*_: object) -> None:
        raise error

    return run


def test_help_names_every_command(gatescope) -> None:
    answer = gatescope("--help")
    assert answer.code == 0
    for command in COMMANDS:
        assert command.split()[0] in answer.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(gatescope, command: str) -> None:
    answer = gatescope(*command.split(), "--help")
    assert (answer.code, answer.err) == (0, "")
    assert f"Usage: gatescope {command} " in answer.out


def inside(group: Any) -> list[str]:
    return group.list_commands(typer.Context(group))


def test_the_list_of_commands_here_is_complete() -> None:
    tree = typer.main.get_command(app)
    found = {
        " ".join([name, *inner])
        for name, command in tree.commands.items()
        for inner in ([[sub] for sub in inside(command)] if hasattr(command, "commands") else [[]])
    }
    assert found == {*COMMANDS}


def test_version_is_the_installed_one(fresh) -> None:
    assert fresh("--version") == (0, f"gatescope {version('gatescope')}\n", "")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    code = """
import sys
from gatescope.cli import main
try:
    main()
finally:
    heavy = {"tensorflow", "keras", "numpy", "pydantic", "PIL", "matplotlib", "skimage", "sklearn"}
    print(*heavy & set(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True)
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    ("typed", "meant"), [("trian", "train"), ("captoin", "caption"), ("train scene", "scenes")]
)
def test_a_mistyped_command_is_answered_by_the_nearest(gatescope, typed: str, meant: str) -> None:
    answer = gatescope(*typed.split())
    assert answer.code == 2
    assert f"fix: did you mean '{meant}'" in answer.err


@pytest.mark.parametrize(
    "typed",
    [
        "nonsense",
        "caption",
        "caption --beam 0 photo.jpg",
        "caption --beam 101 photo.jpg",
        "caption --beam many photo.jpg",
        "evaluate",
        "export",
        "predict",
        "evaluate run --split all",
        "doctor",
        "doctor run --seconds many",
        "replay",
        "runs show",
        "runs show run --jsno",
        "runs compare one",
        "runs delete",
        "train caption --run r",
        "train caption --data d",
        "train scenes",
        "data check",
        "demo more",
        "--nonsense",
    ],
)
def test_usage_errors_exit_with_2_and_say_how_it_goes(gatescope, typed: str) -> None:
    answer = gatescope(*typed.split())
    assert (answer.code, answer.out) == (2, "")
    happened, expected, fix = answer.err.splitlines()
    assert happened.startswith("Error: ")
    assert expected.startswith("  expected: gatescope ") and fix.startswith("  fix: gatescope ")


def test_nothing_typed_is_answered_by_the_help(gatescope) -> None:
    answer = gatescope()
    assert (answer.code, answer.err) == (2, "") and "Usage: gatescope" in answer.out


USAGE = {
    "runs show": "Error: missing argument 'RUN'\n"
    "  expected: gatescope runs show [OPTIONS] RUN\n"
    "  fix: gatescope runs show --help\n",
    "caption --beam 0 photo.jpg": "Error: invalid value for '--beam': it should be greater than or "
    "equal to 1\n"
    "  expected: gatescope caption [OPTIONS] PHOTO_OR_FOLDER...\n"
    "  fix: gatescope caption --help\n",
    "runs show --runs": "Error: option '--runs' requires an argument\n"
    "  expected: gatescope COMMAND [OPTIONS]\n"
    "  fix: gatescope --help\n",
}


@pytest.mark.parametrize("typed", USAGE)
def test_usage_errors_are_told_in_three_parts(gatescope, typed: str) -> None:
    assert gatescope(*typed.split()).err == USAGE[typed]


@pytest.mark.parametrize(
    "typed",
    [
        "caption absent.jpg",
        "caption photo.jpg --html nowhere/out.html",
        "caption photo.jpg --html .",
        "caption photo.jpg --boxes absent.json",
        "evaluate absent",
        "evaluate . --out nowhere/scores.json",
        "train caption --data absent --run r",
        "train caption --data . --run photo.jpg",
        "train caption --data . --run r --from absent",
        "train scenes --run photo.jpg",
        "train regions --data absent --run r",
        "data check absent",
        "demo --out nowhere/report.html",
    ],
)
def test_wrong_paths_are_told_before_the_engine_starts(
    gatescope, no_engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").touch()
    answer = gatescope(*typed.split())
    assert (answer.code, answer.out) == (2, "")
    happened, expected, fix = answer.err.splitlines()
    assert happened.startswith("Error: ")
    assert expected.startswith("  expected: ")
    assert fix.startswith("  fix: ")


def test_without_tensorflow_the_extra_is_named(fresh, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    answer = fresh("caption", "photo.jpg")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.splitlines() == [
        "Error: TensorFlow is not installed",
        "  expected: one of Gatescope's engine extras",
        "  fix: pip install 'gatescope[cpu]'   (with an NVIDIA GPU: pip install 'gatescope[gpu]')",
    ]


def test_another_engine_is_refused(gatescope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    answer = gatescope("demo")
    assert answer.code == 1
    assert answer.err.splitlines() == [
        "Error: KERAS_BACKEND is 'torch'",
        "  expected: tensorflow, the one engine that Gatescope runs on",
        "  fix: unset KERAS_BACKEND",
    ]


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = "from gatescope.cli import main; main()"
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -c '{code}' --help | true"],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def test_an_interruption_exits_with_130(gatescope, demo_does) -> None:
    demo_does(raising(KeyboardInterrupt()))
    answer = gatescope("demo")
    assert answer.code == 130
    assert "Traceback" not in answer.err


def test_a_full_disk_is_told_and_what_stays(gatescope, demo_does) -> None:
    demo_does(raising(OSError(errno.ENOSPC, "No space left on device", "runs/a/last")))
    answer = gatescope("demo")
    assert answer.code == 1
    assert answer.err.splitlines() == [
        "Error: the disk is full at 'runs/a/last'",
        "  expected: free space for what is being written",
        "  fix: free some space and run the command again; files finished before are whole, and "
        "a training goes on with --resume",
    ]


def test_no_name_can_steer_the_terminal(gatescope, demo_does) -> None:
    demo_does(raising(PermissionError(errno.EACCES, "Permission denied\x1b[2J")))
    assert "\x1b" not in gatescope("demo").err


def test_a_bug_of_ours_keeps_its_traceback(gatescope, demo_does) -> None:
    demo_does(raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        gatescope("demo")


def test_a_broken_installation_keeps_its_traceback(gatescope, demo_does) -> None:
    demo_does(raising(ModuleNotFoundError("No module named 'rich'", name="rich")))
    with pytest.raises(ModuleNotFoundError, match="rich"):
        gatescope("demo")


def test_the_demo_gets_the_report_it_is_to_write(gatescope, demo_does, tmp_path: Path) -> None:
    demo_does(lambda out, console: console.print(f"wrote {out.name}"))
    assert gatescope("demo", "--out", tmp_path / "here.html") == (0, "wrote here.html\n", "")
