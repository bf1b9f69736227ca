"""The writer: what it keeps, what it costs, and that nothing it meets reaches the training."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from written_runs import LAYERS, STATISTICS, fill, record

from gatescope.errors import RunError
from gatescope.runs import record as module
from gatescope.runs.open import open_run
from gatescope.runs.record import record_in, safe_name, start_run


def test_a_run_is_a_folder_of_its_own(tmp_path: Path) -> None:
    writers = [record(tmp_path / "runs", "my net") for _ in range(3)]
    for writer in writers:
        writer.finish("finished")
    names = [writer.folder.name for writer in writers]
    assert len(set(names)) == 3
    for name in names:
        assert re.fullmatch(r"my-net-\d{8}-\d{6}(-\d)?", name)
    files = {path.name for path in writers[0].folder.iterdir()}
    assert {"run.sqlite", "run.lock"} == {name for name in files if not name.startswith("events")}


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../x", "x"), ("a b/c", "a-b-c"), ("", "run"), ("..", "run"), ("é_1.5", "é_1.5")],
)
def test_a_name_is_made_fit_for_a_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert len(safe_name("n" * 500)) == 60


def test_what_a_run_says_of_itself(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('hello')")
    configuration = {"rate": np.float32(0.5), "path": tmp_path, "loss": len, "bad": float("nan")}
    with record(tmp_path, configuration=configuration, script=script) as writer:
        writer.fact("cost", {"share": 0.03})
    run = open_run(writer.folder)
    assert (run.name, run.status, run.error, run.argv) == ("digits", "finished", None, ["--fast"])
    assert run.configuration["rate"] == 0.5 and run.configuration["path"] == str(tmp_path)
    assert run.configuration["loss"] == "<built-in function len>"
    assert np.isnan(run.configuration["bad"])
    assert run.script == {"path": str(script), "text": "print('hello')"}
    assert run.structure[1] == {"name": "output", "units": 1}
    assert {"platform", "processor", "cores", "python", "packages"} <= set(run.environment)
    assert run.environment["packages"]["numpy"] == np.__version__
    assert run.fact("cost") == {"share": 0.03}
    assert run.started <= run.seen <= time.time()


def test_a_script_that_cannot_be_read_is_no_failure(tmp_path: Path) -> None:
    with record(tmp_path, script=tmp_path / "absent.py") as writer:
        pass
    assert "not readable" in open_run(writer.folder).script["text"]


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (ValueError("no such layer"), "failed", "ValueError: no such layer"),
        (KeyboardInterrupt(), "interrupted", "interrupted from the keyboard"),
        (SystemExit(0), "finished", None),
        (SystemExit(3), "failed", "SystemExit: 3"),
    ],
)
def test_how_it_ended(tmp_path: Path, error: BaseException, status: str, told: str | None) -> None:
    with pytest.raises(type(error)), record(tmp_path) as writer:
        raise error
    run = open_run(writer.folder)
    assert (run.status, run.error) == (status, told)


def test_a_process_that_ends_without_a_word_is_interrupted(tmp_path: Path, python) -> None:
    done = python("import sys; fill(record(__import__('pathlib').Path(sys.argv[1])))", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = tmp_path.iterdir()
    run = open_run(folder)
    assert run.status == "interrupted" and len(run.metrics["step"]) == 102


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        writer.metrics(0, 0, {"loss": np.float32(0.5), "matrix": np.ones((2, 2)), "text": "x"})
        writer.metrics(1, 0, {"text": "x"})
    table = open_run(writer.folder).metrics
    assert list(table) == ["step", "epoch", "loss"]
    assert table["loss"].tolist() == [0.5]


def test_what_is_recorded_is_copied(tmp_path: Path) -> None:
    numbers_NLS, values = np.ones((1, 2, 2), np.float32), {"loss": 1.0}
    with record(tmp_path) as writer:
        writer.metrics(0, 0, values)
        writer.probes([0], LAYERS, STATISTICS, numbers_NLS)
        values["loss"], numbers_NLS[:] = 9.0, 9.0
    run = open_run(writer.folder)
    assert run.metrics["loss"].tolist() == [1.0]
    assert run.probes["mean"].tolist() == [1.0, 1.0]


def test_probes_that_do_not_fit_their_names_stop_recording_with_a_warning(tmp_path: Path) -> None:
    writer = record(tmp_path)
    with pytest.warns(RuntimeWarning, match=r"have shape \(3, 2, 2\), their names \(1, 2, 2\)"):
        writer.probes([0], LAYERS, STATISTICS, np.ones((3, 2, 2)))
    assert not writer.recording
    writer.metrics(0, 0, {"loss": 1.0})
    writer.finish("finished")
    run = open_run(writer.folder)
    assert (run.status, run.complete, len(run.metrics["step"])) == ("finished", False, 0)


def test_a_file_is_kept_whole_beside_the_database(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        assert writer.keep("batch/1.npz", b"content")
    (kept,) = open_run(writer.folder).kept
    assert (kept.name, kept.read_bytes()) == ("batch-1.npz", b"content")


def test_a_file_above_the_cap_is_not_kept_and_that_is_said(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        assert writer.keep("batch", b"content", cap=6) is False
    run = open_run(writer.folder)
    assert run.kept == []
    assert run.events["kind"].tolist() == ["not kept"]
    assert run.events["content"][0] == {"file": "batch", "bytes": 7, "cap": 6}
    assert module.KEEP_CAP == 64 * 2**20


def test_after_the_end_nothing_is_recorded_and_nothing_fails(tmp_path: Path) -> None:
    writer = record(tmp_path)
    writer.finish("finished")
    fill(writer)
    writer.flush()
    writer.finish("failed")
    run = open_run(writer.folder)
    assert run.status == "finished" and not len(run.metrics["step"])
    assert not writer.recording


def test_recording_costs_the_training_little(tmp_path: Path) -> None:
    with record(tmp_path, tensorboard=False) as writer:
        start = time.thread_time()
        for step in range(5000):
            writer.metrics(step, 0, {"loss": 1.0, "accuracy": 0.5})
        spent = time.thread_time() - start
    assert spent / 5000 < 100e-6  # microseconds in truth; a loaded machine gets room


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
writer = record(Path(sys.argv[1]))
step = 0
while True:
    writer.metrics(step, 0, {"loss": 1.0, "clock": time.time()})
    writer.probes([step], ["dense"], ["mean"], np.full((1, 1, 1), step))
    step += 1
    time.sleep(0.001)
"""


@pytest.mark.parametrize("seconds", [1.2, 1.7, 2.3])
def test_sigkill_loses_two_seconds_at_most(tmp_path: Path, seconds: float) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    code += f"from written_runs import record\n{KILLED}"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as training:
        while not list(tmp_path.glob("*/run.sqlite")):
            time.sleep(0.01)
        (folder,) = tmp_path.iterdir()
        assert open_run(folder).status == "running"
        time.sleep(seconds)
        training.send_signal(signal.SIGKILL)
        killed = time.time()
    run = open_run(folder)
    assert killed - run.last("clock") <= 2.0
    assert run.status == "died"
    steps = run.metrics["step"]
    assert len(steps) > 100 and (steps == np.arange(len(steps))).all()
    assert (run.probes["mean"] == run.probes["step"]).all()
    assert abs(len(run.probes["step"]) - len(steps)) <= 1


FORKED = """
import os, sys
from pathlib import Path
writer = record(Path(sys.argv[1]))
writer.metrics(0, 0, {"loss": 1.0})
child = os.fork()
if not child:
    fill(writer)
    writer.keep("file", b"")
    writer.flush()
    if sys.argv[2] == "finishes":
        writer.finish("failed")
    sys.exit(0)
os.waitpid(child, 0)
writer.metrics(1, 0, {"loss": 2.0})
writer.finish("finished")
"""


@pytest.mark.parametrize("child", ["finishes", "exits"])
def test_a_forked_child_writes_nothing(tmp_path: Path, python, child: str) -> None:
    done = python(FORKED, tmp_path, child)
    assert (done.returncode, done.stdout) == (0, "")
    run = open_run(next(tmp_path.iterdir()))
    assert run.status == "finished"
    assert run.metrics["loss"].tolist() == [1.0, 2.0]
    assert run.kept == [] and run.findings == []


FULL = """
import resource, sys, time, warnings
from pathlib import Path
writer = record(Path(sys.argv[1]), tensorboard=sys.argv[3] == "tensorboard")
if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
warnings.simplefilter(sys.argv[4])
for step in range(40):
    fill(writer, 1000)
    writer.keep(f"file{step}", b"x" * 40_000)
    writer.flush()
print(writer.recording)
writer.finish("finished")
"""


@pytest.mark.parametrize("mirror", ["tensorboard", "none"])
def test_a_file_that_cannot_grow_stops_recording_with_one_warning(
    tmp_path: Path, python, mirror: str
) -> None:
    done = python(FULL, tmp_path, 300_000, mirror, "always")
    assert (done.returncode, done.stdout) == (0, "False\n")
    assert done.stderr.count("RuntimeWarning") == 1
    assert "records no more of this training" in done.stderr
    run = open_run(next(tmp_path.iterdir()))
    assert run.status in ("finished", "died")  # there may be no room to say so
    assert len(run.metrics["step"]) >= 1000


@pytest.mark.parametrize("mirror", ["tensorboard", "none"])
def test_a_full_disk_stops_recording_with_one_warning(small_disk: Path, python, mirror) -> None:
    done = python(FULL, small_disk, 0, mirror, "always")
    assert (done.returncode, done.stdout) == (0, "False\n")
    assert done.stderr.count("RuntimeWarning") == 1
    run = open_run(next(small_disk.iterdir()))
    assert (run.status, run.complete) in (("finished", False), ("died", True))
    assert len(run.metrics["step"]) >= 1000
    assert not list(run.folder.glob("kept/.*"))


def test_where_warnings_are_errors_the_training_goes_on_too(tmp_path: Path, python) -> None:
    done = python(FULL, tmp_path, 300_000, "none", "error")
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_a_disk_that_is_write_protected_stops_recording_with_one_warning(
    small_disk: Path,
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    check_nothing_is_recorded(small_disk / "runs")


def test_a_folder_that_cannot_be_made_stops_recording_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_nothing_is_recorded(tmp_path / "file" / "runs")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def check_nothing_is_recorded(root: Path) -> None:
    with pytest.warns(RuntimeWarning) as caught, record(root) as writer:
        fill(writer)
        assert writer.keep("file", b"") is None
    assert len(caught) == 1
    assert not writer.recording


def test_a_broken_mirror_does_not_stop_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> None:
        raise ImportError("no module named 'tensorboard'")

    monkeypatch.setattr(module, "Mirror", broken)
    with (
        pytest.warns(RuntimeWarning, match="no more for TensorBoard") as caught,
        record(tmp_path) as writer,
    ):
        fill(writer)
        writer.flush()
        fill(writer)
    assert len(caught) == 1
    assert len(open_run(writer.folder).metrics["step"]) == 204


def test_a_failure_while_it_starts_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(database: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "create", full)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        record(tmp_path).finish("finished")
    assert list(tmp_path.iterdir()) == []


def test_whatever_fails_while_it_starts_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no processor")

    monkeypatch.setattr(module, "environment", fail)
    check_nothing_is_recorded(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_slow_disk_takes_stops_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 1000)
    with pytest.warns(RuntimeWarning, match="too slow"), record(tmp_path) as writer:
        fill(writer)
    assert not open_run(writer.folder).complete


def test_writing_needs_no_tensorflow_and_the_mirror_loads_late() -> None:
    code = (
        "import sys, gatescope.runs.record;"
        "print({'tensorflow', 'keras', 'tensorboard', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_a_configuration_stays_readable_for_other_programs(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer = start_run(tmp_path, "x", configuration={"é": {1: {2}}})
        writer.finish("finished")
    assert json.loads(json.dumps(open_run(writer.folder).configuration)) == {"é": {"1": [2]}}


def test_a_folder_of_the_callers_is_recorded_in_and_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(b"stays")
    with pytest.raises(OSError), record_in(tmp_path, configuration={"epochs": 2}) as run:
        run.metrics(step=4, epoch=0, values={"loss": 2.0})
        raise OSError("the first life ends")
    failed = open_run(tmp_path)
    assert (failed.status, failed.error) == ("failed", "OSError: the first life ends")
    with record_in(tmp_path, configuration={"epochs": 2}) as run:
        assert open_run(tmp_path).status == "running"
        run.metrics(step=9, epoch=1, values={"loss": 1.0})
    whole = open_run(tmp_path)
    assert (whole.status, whole.error, whole.name) == ("finished", None, tmp_path.name)
    assert whole.configuration == {"epochs": 2}
    assert whole.metrics["loss"].tolist() == [2.0, 1.0]
    assert (tmp_path / "last.safetensors").read_bytes() == b"stays"


def test_a_folder_that_another_training_records_in_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(RunError, match="another training writes into")
    with record_in(tmp_path, configuration={}), refused:
        record_in(tmp_path, configuration={})
    assert open_run(tmp_path).status == "finished"


def test_a_folder_that_is_missing_costs_the_record_and_not_the_training(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="records nothing of this training"):
        run = record_in(tmp_path / "nowhere", configuration={})
    run.metrics(step=0, epoch=0, values={"loss": 1.0})
    run.finish("finished")
    assert not run.begun
