"""`gatescope recipes`, `gatescope train NAME` and `gatescope learn`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_recipes_are_listed_shown_and_copied(gatescope, tmp_path: Path) -> None:
    listed = gatescope("recipes")
    assert listed.code == 0 and "One gate" in listed.out and "minutes" in listed.out
    assert "CircuitRecipe(" in gatescope("recipes", "show", "gate").out
    mine = tmp_path / "own" / "mine.py"
    assert gatescope("recipes", "copy", "gate", mine).code == 0
    mine.write_text(mine.read_text().replace("toward=50", "toward=45"))
    answer = gatescope("train", mine, "--run", tmp_path / "run")
    # Its band is that of 50, so the change is said to be outside of it.
    assert answer.code == 1 and "output is 44.98, expected 49.97 to 50.03" in answer.err
    told = json.loads((tmp_path / "run" / "results.json").read_text())
    assert told["scores"]["output"] == pytest.approx(45, abs=0.05)


def test_a_recipe_runs_with_changes_and_shows_a_page(gatescope, tmp_path: Path) -> None:
    answer = gatescope("train", "gate", "--set", "steps=20", "--run", tmp_path / "a")
    assert answer.code == 0 and answer.err == ""
    page = (tmp_path / "a" / "lesson.html").read_text()
    assert "<svg" in page and "Descent" in page and "<script" not in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "gate", "--set", "step=20"), "there is no setting 'step'"),
        (("train", "gate", "--resume"), "--resume goes on in a folder"),
        (("train", "hiden"), "did you mean 'hidden'"),
        (("train", "nothing.py"), "there is no 'nothing.py'"),
        (("recipes", "copy", "gate", "my.txt"), "'my.txt' is no Python file"),
        (("recipes", "show", "gats"), "there is no recipe 'gats'"),
        (("learn", "scenes"), "scenes takes minutes and has options of its own"),
    ],
)
def test_what_cannot_be_run_is_said(gatescope, arguments, said: str) -> None:
    answer = gatescope(*arguments)
    assert answer.code == 2 and said in answer.err and "fix: " in answer.err


def test_what_a_recipe_must_be_given_is_said(gatescope, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        '"""Mine.\n\nText.\n\nData: my sheet, from my drawer.\n"""\n'
        "def recipe(data, target='price'):\n    return 3\n"
    )
    answer = gatescope("train", mine)
    assert answer.code == 2 and "the recipe 'mine' needs --data" in answer.err
    assert "expected: my sheet, from my drawer." in answer.err
    answer = gatescope("train", mine, "--data", mine, "--target", "price")
    assert answer.code == 2 and "recipe() of mine.py returned int" in answer.err
    assert "--target" not in gatescope("train", "gate", "--help").out


def test_a_file_that_is_no_recipe_is_said(gatescope, tmp_path: Path) -> None:
    file = tmp_path / "other.py"
    file.write_text('"""Nothing."""\n')
    answer = gatescope("train", file, "--run", tmp_path / "run")
    assert answer.code == 2 and "has no function recipe()" in answer.err
    existing = tmp_path / "there.py"
    existing.write_text("")
    assert "exists" in gatescope("recipes", "copy", "gate", existing).err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = (\n", ["line 1: x = (", "SyntaxError: '(' was never closed"]),
        ("import nosuchmodule\n", [
            "line 1: import nosuchmodule", "ModuleNotFoundError: No module named 'nosuchmodule'",
            "fix: install 'nosuchmodule', or mend its name",
        ]),
        ("0\nrecipe = made_up\n", [
            "line 2: recipe = made_up", "NameError: name 'made_up' is not defined",
        ]),
        ("def two():\n    return 1 / 0\n\n\ndef recipe():\n    return two()\n", [
            "line 6: return two()", "line 2: return 1 / 0", "ZeroDivisionError: division by zero",
        ]),
        ("from gatescope.training.fit import FitConfig\n\n\ndef recipe():\n"
         "    return FitConfig(epochs='many')\n", [
            "line 5: return FitConfig(epochs='many')", "ValidationError: 1 validation error",
        ]),
        (b"# caf\xe9\n", ["UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9"]),
    ],
)  # fmt: skip
def test_an_error_in_a_recipe_of_ones_own_is_told_by_its_lines(
    gatescope, tmp_path: Path, source: str | bytes, said: list[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    answer = gatescope("train", file, "--run", tmp_path / "run")
    assert answer.code == 2 and answer.err.startswith(f"Error: '{file}', line ")
    assert "Traceback" not in answer.err and "site-packages" not in answer.err
    assert "expected: a recipe that Python runs to its end" in answer.err
    for one in said:
        assert one in answer.err


def test_lessons_are_walked_through(gatescope, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers = iter(["10", "q"])
    monkeypatch.setattr("typer.prompt", lambda *asked, **more: next(answers))
    answer = gatescope("learn", "gate")
    assert answer.code == 0
    assert "Predict: what is `a`" in answer.out and "You predicted: 10" in answer.out
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_lesson_that_needs_data_says_how_to_run_it(
    gatescope, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.prompt", lambda *asked, **more: "q")
    answer = gatescope("learn", "sentiment")
    assert answer.code == 0
    assert "To run it: gatescope train sentiment --data PATH" in answer.out
    assert not (tmp_path / "runs").exists()


def test_a_table_of_a_file_is_refused_with_what_would_do(gatescope, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("size,price\n" + "1,2.5\n3,4.5\n" * 9)
    answer = gatescope("train", "table", "--data", tmp_path / "a.csv")
    assert answer.code == 2 and "name the one to predict: --target COLUMN" in answer.err
    answer = gatescope("train", "table", "--data", tmp_path / "a.csv", "--target", "prize")
    assert answer.code == 1 and "did you mean 'price'" in answer.err
    assert not (tmp_path / "runs").exists()
