"""`gatescope predict`, `evaluate` and `export` on the run of a small network."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import ModuleType

import pytest

from gatescope.data.sources import TableFile
from gatescope.data.splits import SplitConfig
from gatescope.data.table import TableConfig
from gatescope.models.dense import DenseConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.training.fit import FitConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("after")
    rows = "".join(f"{i * 7 % 41},{'ab'[i % 2]},{i / 3}\n" for i in range(40))
    (folder / "a.csv").write_text("size,colour,price\n" + rows)
    split = SplitConfig(dev=0.2, test=0.2, seed=0)
    source = TableFile(path=folder / "a.csv", table=TableConfig(target="price", split=split))
    data = source.load()
    network = DenseConfig(inputs=inputs_of(data), outputs=outputs_of(data))
    recipe = NetworkRecipe(
        data=source, network=network, training=FitConfig(epochs=1), baselines=(), expected={}
    )
    recipe.run(ModuleType("mine"), folder / "run", resume=False, console=None)
    return folder / "run"


def test_files_and_lines_of_json_are_answered_alike(
    gatescope, run: Path, tmp_path: Path, monkeypatch
) -> None:
    new = tmp_path / "new.csv"
    new.write_text("colour;size;more\na;12;x\nb;3,5;y\n")
    answer = gatescope("predict", run, new, "--json")
    assert answer.code == 0
    told = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["input"] for one in told] == ["new.csv 1", "new.csv 2"]
    lines = '{"colour": "a", "size": 12}\n{"size": 3.5, "colour": "b"}\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    again = [json.loads(line) for line in gatescope("predict", run, "-", "--json").out.splitlines()]
    for one, other in zip(told, again, strict=True):
        assert one["outputs"]["price"]["number"] == pytest.approx(
            other["outputs"]["price"]["number"], rel=1e-5
        )
    shown = gatescope("predict", run, new).out
    assert "new.csv 2" in shown and "price" in shown


def test_a_row_that_cannot_be_read_does_not_stop_the_others(
    gatescope, run: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.csv"
    new.write_text("colour,size\na,12\nb,large\na,7\n")
    answer = gatescope("predict", run, new, "--json")
    told = [json.loads(line) for line in answer.out.splitlines()]
    assert answer.code == 1 and ["error" in one for one in told] == [False, True, False]
    assert "has 'large' as 'size' in row 2" in answer.err and "fix: mend the cell" in answer.err


def test_a_line_that_is_no_json_does_not_stop_the_others(gatescope, run: Path, monkeypatch) -> None:
    good = b'{"colour": "a", "size": 12}\n'
    lines = good + b'{"colour": \n{"colour": "caf\xe9", "size": 1}\n"words"\n[1]\n' + good
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines), encoding="utf-8"))
    answer = gatescope("predict", run, "-", "--json")
    told = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["input"] for one in told] == [f"line {number}" for number in range(1, 7)]
    assert ["error" in one for one in told] == [False, True, True, True, True, False]
    assert answer.code == 1
    assert "line 2 is no JSON: " in told[1]["error"] and "line 3 is no JSON: " in told[2]["error"]
    assert "Error: line 4 is not what the network takes\n  expected: an object" in answer.err


def test_a_path_that_cannot_be_read_does_not_stop_the_others(
    gatescope, run: Path, tmp_path: Path
) -> None:
    good, bad, head = (tmp_path / name for name in ("good.csv", "bad.csv", "head.csv"))
    good.write_text("colour,size\na,12\n")
    bad.write_text("colour,size\na,12,7,8\n")
    head.write_text("colour,size\n")
    paths = [good, tmp_path / "no.csv", bad, head, good]
    answer = gatescope("predict", run, *paths, "--json")
    told = [json.loads(line) for line in answer.out.splitlines()]
    assert ["error" in one for one in told] == [False, True, True, True, False]
    assert told[1] == {"input": str(paths[1]), "error": f"there is no file '{paths[1]}'"}
    assert "has 4 cells" in told[2]["error"] and answer.code == 1
    assert f"'{head}' has no row below its first line\n  expected: a row" in answer.err
    shown = gatescope("predict", run, *paths)
    assert shown.code == 1 and shown.out.count("good.csv 1") == 2 and "no.csv" in shown.err


def test_a_folder_in_the_place_of_a_table_is_said(gatescope, run: Path, tmp_path: Path) -> None:
    answer = gatescope("predict", run, tmp_path)
    assert (
        answer.code == 1 and f"Error: '{tmp_path}' is a folder\n  expected: a table" in answer.err
    )
    # Parquet is told by how it begins, as in training.
    (tmp_path / "new.parquet").write_bytes(b"PAR1")
    assert "parquet" in gatescope("predict", run, tmp_path / "new.parquet").err


def test_nothing_on_standard_input_is_said(gatescope, run: Path, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    answer = gatescope("predict", run, "-")
    assert answer.code == 1 and "Error: there is no line of JSON\n  expected: an" in answer.err


def test_what_training_did_not_have_is_said_beside_the_answer(
    gatescope, run: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.csv"
    new.write_text("colour,size\nred,\na,7\nb,\n")
    answer = gatescope("predict", run, new, "--json")
    first, second, third = (json.loads(line)["notes"] for line in answer.out.splitlines())
    missing = "'size' is missing, as in no row of training: the mean of training, "
    assert first[0].startswith(missing) and third == first[:1] and second == []
    assert first[1:] == ["'colour' is 'red', as in no row of training: it is read as unseen"]
    shown = gatescope("predict", run, new)
    assert answer.code == shown.code == 0
    assert f"note: 'new.csv 1', 'new.csv 3': {missing}" in shown.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", "{run}"), "there is nothing to predict from"),
        (("predict", "{run}", "--text", "x"), "a text was given, and the network takes rows"),
        (("predict", "{run}", "no.csv"), "there is no 'no.csv'"),
        (("evaluate", "{run}", "--beam", "2"), "--beam means nothing for a network"),
        (("export", "{run}", "--format", "pmml"), "'pmml'"),
    ],
)
def test_what_means_nothing_is_said(gatescope, run: Path, arguments, said: str) -> None:
    answer = gatescope(*(one.format(run=run) for one in arguments))
    assert answer.code == 2 and said in answer.err and "fix: " in answer.err


def test_a_network_is_scored_with_a_page_and_exported(gatescope, run: Path, tmp_path: Path) -> None:
    scores, page = tmp_path / "scores.json", tmp_path / "page.html"
    answer = gatescope("evaluate", run, "--out", scores, "--html", page)
    assert answer.code == 0 and "mean absolute error" in answer.out
    told = json.loads(scores.read_text())
    assert told["samples"] == 8 and set(told["importance"]) == {"size", "colour"}
    assert "Which columns count" in page.read_text()
    made = gatescope("export", run, "--format", "savedmodel", "--out", tmp_path / "saved")
    assert made.code == 0 and "says what the network says of 8 samples" in made.out
    assert (tmp_path / "saved" / "saved_model.pb").is_file()


def test_a_captioners_export_is_its_bundle(gatescope, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    answer = gatescope("export", tmp_path, "--format", "onnx")
    assert answer.code == 2 and "copy its bundle: that folder is its export" in answer.err
    html = gatescope("evaluate", tmp_path, "--html", tmp_path / "page.html")
    assert html.code == 2 and "--html means nothing for a captioner" in html.err
