"""Reading a run: its tables, thinned curves, and what cannot be read."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from written_runs import FINDING, LAYERS, STATISTICS, fill, record

import gatescope as gs
from gatescope.errors import RunError, UsageError
from gatescope.runs.findings import keep_findings
from gatescope.runs.open import Run, open_run

KILL = """
import os, signal, sys
from pathlib import Path
writer = record(Path(sys.argv[1]))
fill(writer)
writer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path: Path, python) -> Path:
    assert python(KILL, tmp_path / "runs").returncode == -9
    (folder,) = (tmp_path / "runs").iterdir()
    return folder


def test_metrics_are_columns_of_one_length(finished: Run) -> None:
    table = finished.metrics
    assert list(table) == ["step", "epoch", "loss", "accuracy", "val_loss"]
    assert {column.shape for column in table.values()} == {(102,)}
    assert table["step"].tolist() == sorted([*range(100), 49, 99])
    within = ~np.isnan(table["loss"])
    assert np.array_equal(table["loss"][within], 1 / np.arange(1, 101))
    assert table["val_loss"][~within].tolist() == [2.0, 2.0]
    assert table["epoch"][~within].tolist() == [0, 1]


def test_one_metric_stands_where_it_was_recorded(finished: Run) -> None:
    assert finished.metric_names == ["loss", "accuracy", "val_loss"]
    table = finished.metric("val_loss")
    assert (table["step"].tolist(), table["value"].tolist()) == ([49, 99], [2.0, 2.0])
    assert finished.last("loss") == 0.01 and finished.last("absent") is None
    assert finished.last_step == 99


def test_what_is_read_at_one_moment_is_of_that_moment(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        fill(writer)
        writer.flush()
        run = open_run(writer.folder)
        with run.at_one_moment():
            before = len(run.probe(LAYERS[0], STATISTICS[0])["step"])
            numbers = np.ones((50, len(LAYERS), len(STATISTICS)), np.float32)
            writer.probes(np.arange(1000, 1050), LAYERS, STATISTICS, numbers)
            writer.flush()
            assert len(run.probe(LAYERS[0], STATISTICS[1])["step"]) == before
        assert len(run.probe(LAYERS[0], STATISTICS[1])["step"]) == before + 50


def test_nan_and_infinity_are_kept(tmp_path: Path) -> None:
    losses = [1.0, float("nan"), float("inf"), -float("inf")]
    with record(tmp_path) as writer:
        for step, loss in enumerate(losses):
            writer.metrics(step, 0, {"loss": loss, "accuracy": 0.5})
    keep_findings(writer.folder, [{"evidence": {"loss": float("nan")}}])
    run = open_run(writer.folder)
    assert np.array_equal(run.metric("loss")["value"], losses, equal_nan=True)
    assert np.isnan(run.findings[0]["evidence"]["loss"])


def test_probes_are_a_row_for_each_step_and_layer(finished: Run) -> None:
    table = finished.probes
    assert list(table) == ["step", "layer", *STATISTICS]
    assert {column.shape for column in table.values()} == {(20,)}
    assert table["step"].tolist() == np.repeat(np.arange(0, 100, 10), 2).tolist()
    assert table["layer"].tolist() == LAYERS * 10
    assert np.array_equal(np.stack([table["mean"], table["dead"]], 1).ravel(), np.arange(40))
    assert table["mean"].dtype == np.float32


def test_probes_of_other_layers_and_statistics_stand_in_one_table(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        writer.probes([1], ["a"], ["mean"], [[[1]]])
        writer.probes([0, 2], ["a", "b"], ["dead", "mean"], np.arange(8).reshape(2, 2, 2))
        writer.probes([3], [], [], np.zeros((1, 0, 0)))
    run = open_run(writer.folder)
    assert (run.layers, run.statistics) == (["a", "b"], ["mean", "dead"])
    table = run.probes
    assert table["step"].tolist() == [0, 0, 1, 2, 2]
    assert table["layer"].tolist() == ["a", "b", "a", "a", "b"]
    assert table["mean"].tolist() == [1, 3, 1, 5, 7]
    assert np.array_equal(table["dead"], [0, 2, np.nan, 4, 6], equal_nan=True)
    assert run.probe("a", "mean")["mean"].tolist() == [1, 1, 5]


def test_an_empty_run_has_empty_tables(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        pass
    run = open_run(writer.folder)
    assert {name: len(column) for name, column in run.metrics.items()} == {"step": 0, "epoch": 0}
    assert {name: len(column) for name, column in run.probes.items()} == {"step": 0, "layer": 0}
    assert len(run.events["kind"]) == 0
    assert (run.findings, run.layers, run.last_step, run.last("loss")) == ([], [], None, None)


def test_tables_are_what_pandas_takes(finished: Run) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(finished.metrics)
    assert frame.loc[frame["step"] == 49, "val_loss"].max() == 2.0
    assert pandas.DataFrame(finished.probes).groupby("layer")["mean"].max()["dense"] == 36
    assert pandas.DataFrame(finished.events)["kind"].tolist() == ["checkpoint"]
    assert pandas.DataFrame(finished.findings)["layer"].tolist() == ["dense"]


def test_tables_are_mappings_of_flat_columns(finished: Run) -> None:
    """What pandas asks for, where it is not installed."""
    for table in (finished.metrics, finished.probes, finished.events):
        assert all(isinstance(name, str) for name in table)
        assert all(type(column) is np.ndarray and column.ndim == 1 for column in table.values())
        assert len({len(column) for column in table.values()}) == 1


def test_a_thinned_probe_loses_no_peak(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=(10_000, 1, 1)).astype(np.float32)
    numbers[5003], numbers[7777], numbers[123], numbers[4000:4010] = 50, -60, np.nan, np.inf
    with record(tmp_path) as writer:
        writer.probes(np.arange(10_000), ["a"], ["mean"], numbers)
    run = open_run(writer.folder)
    table = run.probe("a", "mean", points=300)
    assert {column.shape for column in table.values()} == {(300,)}
    assert table["maximum"].max() == 50 and table["minimum"].min() == -60
    assert table["nonfinite"].sum() == 11
    finite = np.where(np.isfinite(numbers), numbers, np.nan)[:, 0, 0]
    ends = [*table["step"], 10_000]
    for place in (0, 3, 150, 299):
        stretch = finite[ends[place] : ends[place + 1]]
        assert table["minimum"][place] == np.nanmin(stretch)
        assert table["maximum"][place] == np.nanmax(stretch)
        assert table["mean"][place] == pytest.approx(np.nanmean(stretch))


def test_a_stretch_of_a_probe_is_thinned_by_itself(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        writer.probes(np.arange(1000), ["a"], ["mean"], np.arange(1000.0).reshape(-1, 1, 1))
    run = open_run(writer.folder)
    table = run.probe("a", "mean", points=50, between=(300, 329))
    assert table["step"].tolist() == table["mean"].tolist() == list(range(300, 330))
    assert len(run.probe("a", "mean", points=50, between=(100, 900))["step"]) == 50
    assert len(run.probe("a", "mean", between=(2000, 3000))["step"]) == 0


def test_what_was_probed_at_a_step(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        for start in (0, 50):  # in two chunks
            steps = np.arange(start, start + 50, 10)
            writer.probes(steps, LAYERS, STATISTICS, np.full((5, 2, 2), steps[:, None, None]))
            writer.flush()
        writer.probes([60], ["other"], ["mean"], [[[7]]])
    run = open_run(writer.folder)
    for step, found in ((0, 0), (49, 40), (50, 50), (1000, 90)):
        table = run.probed_at(step)
        there = [name in LAYERS for name in table["layer"]]
        assert set(table["step"][there]) == set(table["mean"][there]) == {found}
        assert set(table["dead"][there]) == {found}
    assert run.probed_at(70)["layer"].tolist() == ["other", *LAYERS]
    assert len(run.probed_at(-1)["layer"]) == 0


def test_a_short_probe_is_whole(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        writer.probes([3, 4], ["a"], ["mean"], np.array([1, np.nan]).reshape(2, 1, 1))
    table = open_run(writer.folder).probe("a", "mean")
    assert table["step"].tolist() == [3, 4]
    for name in ("minimum", "maximum", "mean"):
        assert np.array_equal(table[name], [1, np.nan], equal_nan=True)
    assert table["nonfinite"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("asked", "happened", "fix"),
    [
        (("dens", "mean"), "no layer 'dens' was probed", "did you mean 'dense'?"),
        (("dense", "men"), "no statistic 'men' was probed", "did you mean 'mean'?"),
        (("dense", "mean", 0), "points is 0", "leave it out"),
    ],
)
def test_a_probe_that_is_not_there_is_told(finished: Run, asked, happened, fix) -> None:
    with pytest.raises(RunError, match=happened) as caught:
        finished.probe(*asked)
    assert caught.value.fix.startswith(fix)


def test_a_metric_that_is_not_there_is_told(finished: Run) -> None:
    with pytest.raises(RunError, match="has no metric 'los'") as caught:
        finished.metric("los")
    assert caught.value.fix.startswith("did you mean 'loss'")


def test_a_run_is_read_while_it_trains(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        run = open_run(writer.folder)
        assert (run.status, len(run.metrics["step"])) == ("running", 0)
        writer.metrics(0, 0, {"loss": 1.0})
        writer.flush()
        assert run.metrics["loss"].tolist() == [1.0]
        writer.metrics(1, 0, {"loss": 2.0})
        time.sleep(1.2)  # what nobody asks to flush is there soon
        assert run.metrics["loss"].tolist() == [1.0, 2.0]
        assert (run.status, run.last_step) == ("running", 1)
    assert run.status == "finished"
    assert run.metrics["loss"].tolist() == [1.0, 2.0]


def test_reading_a_run_that_ended_leaves_nothing_behind(finished: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.folder.iterdir()}
    assert finished.probes and finished.metrics and finished.status == "finished"
    assert {path: path.stat().st_mtime_ns for path in finished.folder.iterdir()} == before


def test_what_writes_a_run_opens_it(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        assert open_run(writer).status == "running"
    assert open_run(open_run(writer)).folder == writer.folder


@pytest.mark.parametrize("what", [3, None, ["runs"]])
def test_what_is_no_path_is_told(what: object) -> None:
    with pytest.raises(UsageError) as caught:
        open_run(what)  # type: ignore[arg-type]
    happened, expected, fix = str(caught.value).splitlines()
    assert happened == f"{what!r} is no run"
    assert expected == "  expected: the folder of a run, or the run itself"
    assert fix.startswith('  fix: gs.open_run("runs/')


def test_the_database_itself_opens_the_run(finished: Run) -> None:
    assert open_run(str(finished.folder / "run.sqlite")).name == "digits"
    assert gs.open_run(finished.folder).name == "digits"
    assert repr(finished).startswith("<Run 'digits' finished, ")


def test_a_killed_run_shows_everything_up_to_its_last_commit(killed: Path) -> None:
    run = open_run(killed)
    assert (run.status, run.last_step) == ("died", 99)
    assert len(run.metrics["step"]) == 102 and len(run.probes["step"]) == 20
    keep_findings(killed, [FINDING])
    assert open_run(killed).findings == [FINDING]


@pytest.mark.parametrize("lost", [[], ["run.sqlite-shm"], ["run.sqlite-shm", "run.lock"]])
def test_a_killed_run_opens_where_nothing_may_be_written(
    killed: Path, small_disk: Path, lost: list[str]
) -> None:
    folder = small_disk / "run"
    shutil.copytree(killed, folder)
    for name in lost:
        (folder / name).unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    run = open_run(folder)
    assert (run.status, run.last_step, len(run.metrics["step"])) == ("died", 99, 102)


def test_a_finished_run_opens_where_nothing_may_be_written(finished: Run, small_disk: Path) -> None:
    shutil.copytree(finished.folder, small_disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    run = open_run(small_disk / "run")
    assert (run.status, len(run.metrics["step"])) == ("finished", 102)


def broken(folder: Path, how: str) -> None:
    database = folder / "run.sqlite"
    match how:
        case "absent":
            shutil.rmtree(folder)
        case "no record":
            database.unlink()
        case "empty":
            database.write_bytes(b"")
        case "text":
            database.write_text("hello, this is no database at all. " * 100)
        case "foreign":
            database.unlink()
            sqlite3.connect(database).execute("CREATE TABLE notes (text)").connection.close()
        case "newer":
            sqlite3.connect(database).execute("PRAGMA user_version = 7").connection.close()
        case "older":
            sqlite3.connect(database).execute("PRAGMA user_version = 0").connection.close()
        case "cut":
            database.write_bytes(database.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("how", "happened", "fix"),
    [
        ("absent", "there is no", "gatescope runs"),
        ("no record", "is no run: it holds no run.sqlite", "gatescope runs"),
        ("empty", "cannot be read: it is empty", "restore it"),
        ("text", "cannot be read: file is not a database", "restore it"),
        ("foreign", "was not written by Gatescope", "name another folder"),
        ("newer", r"is of another version \(7\)", "pip install --upgrade gatescope"),
        ("older", r"is of another version \(0\)", "open it with the Gatescope that wrote it"),
        ("cut", "cannot be read: it ends after 5,000 of ", "restore it"),
    ],
)
def test_what_cannot_be_opened_is_told(finished: Run, how: str, happened: str, fix: str) -> None:
    broken(finished.folder, how)
    with pytest.raises(RunError, match=happened) as caught:
        open_run(finished.folder)
    assert caught.value.fix.startswith(fix)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.7, 0.99])
def test_a_run_cut_anywhere_is_told(tmp_path: Path, share: float) -> None:
    with record(tmp_path) as writer:
        fill(writer, 3000)
    database = writer.folder / "run.sqlite"
    database.write_bytes(database.read_bytes()[: int(share * database.stat().st_size)])
    with pytest.raises(RunError, match=r"cannot be read: (it ends after|file is not)"):
        open_run(writer.folder)


@pytest.mark.parametrize("place", range(8))
def test_a_damaged_run_is_read_or_told(tmp_path: Path, place: int) -> None:
    with record(tmp_path) as writer:
        fill(writer, 3000)
    database = writer.folder / "run.sqlite"
    content = bytearray(database.read_bytes())
    start = 100 + place * len(content) // 8
    content[start : start + 5000] = b"\xff" * len(content[start : start + 5000])
    database.write_bytes(content)
    for read in ("metrics", "probes", "events", "findings", "status", "last_step", "structure"):
        with suppress(RunError):
            getattr(open_run(writer.folder), read)


def test_numbers_that_do_not_fit_are_told(finished: Run) -> None:
    connection = sqlite3.connect(finished.folder / "run.sqlite")
    connection.execute("UPDATE metric_chunks SET numbers = x'00'")
    connection.execute("UPDATE findings SET content = '{'")
    connection.commit()
    connection.close()
    for read in ("metrics", "findings"):
        with pytest.raises(RunError, match="cannot be read"):
            getattr(finished, read)


def test_a_public_name_opens_runs_without_the_engine() -> None:
    code = "import sys, gatescope; gatescope.open_run; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"
