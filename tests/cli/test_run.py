"""`gatescope run`: scripts print and end as they do without it, and their trainings are runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import gatescope as gs
from gatescope.runs.folder import list_runs
from gatescope.runs.open import Run, open_run

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE / "scripts").glob("*.py"))
NAMES = [script.stem for script in SCRIPTS]
TIMES = re.compile(r"\d+[mu]?s(/step|/epoch)?\b")
"""What Keras' progress says of how long something took."""
RUNS_OF = {"two_fits": 2, "kfold": 3, "train_on_batch": 2, "transfer": 2, "save_load": 2}


NOT_TO_THE_BIT = ("autoencoder", "own_loop_function")
"""TensorFlow's optimizer of graphs joins operations whose result is read by one other alone; a
gradient that is looked at is read by two, and its last bit may be another."""
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


class Both(NamedTuple):
    """What all scripts did, by their names, and where they did it."""

    shut: dict[str, Any]
    opened: dict[str, Any]
    folder: Path

    def runs(self, name: str) -> list[Run]:
        """The runs of a script with the hood open, the first first."""
        return runs_in(self.folder / "open" / name / "runs")


def runs_in(folder: Path) -> list[Run]:
    """The runs of a folder, the first first."""
    return [open_run(folder / one.run) for one in list_runs(folder).runs[::-1]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """All scripts without Gatescope in one process, and under its hood in another."""
    folder = tmp_path_factory.mktemp("scripts")
    started = {}
    for how in ("shut", "open"):
        (folder / how).mkdir()
        command = [
            sys.executable,
            str(HERE / "many.py"),
            how,
            str(folder / how),
            *map(str, SCRIPTS),
        ]
        started[how] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    told = {}
    for how, process in started.items():
        out, err = process.communicate(timeout=1200)
        assert process.returncode == 0, err[-3000:]
        told[how] = json.loads(out.split("\nthe results: ")[1])
    return Both(told["shut"], told["open"], folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_prints_and_ends_as_without_the_hood(both: Both, name: str) -> None:
    shut, opened = both.shut[name], both.opened[name]
    if name in NOT_TO_THE_BIT:
        assert NUMBER.sub("#", opened["out"]) == NUMBER.sub("#", shut["out"])
        found, wanted = (NUMBER.findall(one["out"]) for one in (opened, shut))
        assert np.allclose(np.float64(found), np.float64(wanted), rtol=1e-4, atol=0)
    else:
        assert TIMES.sub("…", opened["out"]) == TIMES.sub("…", shut["out"])
    assert (opened["code"], opened["crash"]) == (shut["code"], shut["crash"])
    assert opened["err"] == shut["err"]


@pytest.mark.parametrize("name", NAMES)
def test_each_training_of_a_script_is_a_run(both: Both, name: str) -> None:
    runs = both.runs(name)
    assert len(runs) == RUNS_OF.get(name, len(runs)) >= 1
    assert len(both.opened[name]["said"]) == len(runs)
    for run, said in zip(runs, both.opened[name]["said"], strict=True):
        assert said.startswith(f"runs/{run.folder.name}: ")
        assert run.script is not None and run.script["path"].endswith(f"{name}.py")
        if run.status == "finished":
            assert run.fact("watch")["steps"] > 0
            assert np.isfinite(run.metrics["batch_loss"]).any()


def test_there_are_thirty_scripts() -> None:
    assert len(SCRIPTS) >= 30


def test_a_crash_in_a_training_is_kept_in_its_run(both: Both) -> None:
    first, second = both.runs("crashes")
    assert (first.status, second.status) == ("finished", "failed")
    crash = second.fact("crash")
    assert crash["type"] == "ValueError"
    assert crash["text"].startswith("Argument")
    assert crash["frames"][-1]["code"] == "model.fit(x, np.arange(20) % 3, verbose=0)"
    assert crash["frames"][-1]["line"] == 11


def test_loops_of_ones_own_are_probed(both: Both) -> None:
    for name in ("own_loop", "own_loop_function", "wgan_gp"):
        (run,) = both.runs(name)
        assert run.layers and "dense" in run.layers[0]
        found = run.probes
        assert (found["weight"] > 0).any() and (found["gradient"] > 0).any(), name
        assert (found["update_ratio"] > 0).any(), name
        assert any("validation" in line for line in run.fact("lost"))


def test_a_loops_losses_are_what_it_printed(both: Both) -> None:
    (run,) = both.runs("own_loop")
    printed = re.findall(r"loss ([\d.]+)", both.shut["own_loop"]["out"])
    assert np.allclose(run.metrics["batch_loss"][::2], list(map(float, printed)))


def test_lines_of_the_script_are_kept(both: Both) -> None:
    run = both.runs("dense_classifier")[0]
    called = run.fact("called")
    assert called["compile"]["code"].startswith("model.compile(")
    assert called["training"]["code"].startswith("history = model.fit(")


def test_what_evaluate_said_after_a_training_is_added(both: Both) -> None:
    events = both.runs("dense_classifier")[0].events
    told = zip(events["kind"], events["content"], strict=True)
    (content,) = [one for kind, one in told if kind == "evaluate"]
    assert str(content["result"]) in both.shut["dense_classifier"]["out"]
    assert content["kept"]["file"] == "evaluate.npz"
    assert "evaluate.npz" in {file.name for file in both.runs("dense_classifier")[0].kept}


AFTER = """
import numpy as np
from tensorflow import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
history = model.fit(np.ones((64, 2)), np.ones(64), verbose=0)
print(history.history["val_mae"])
"""


def test_a_crash_after_a_training_is_told_in_its_run(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(AFTER)
    command = [sys.executable, "-m", "gatescope", "run", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 1
    assert "KeyError after that training: gatescope doctor explains it" in done.stderr
    (run,) = runs_in(tmp_path / "runs")
    assert run.status == "finished"
    told = dict(zip(run.events["kind"], run.events["content"], strict=True))
    assert told["crash"]["type"] == "KeyError"
    (crash,) = [one for one in gs.diagnose(run, prove=False).standing if one.kind == "crash"]
    assert crash.where is not None and crash.where.line == 7


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Start = Callable[..., tuple[Answer, Answer]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """A script in a process of its own, without Gatescope and under it."""

    def run(text: str, *arguments: str, options: tuple[str, ...] = (), **variables: str) -> Any:
        script = tmp_path / "script.py"
        script.write_text(text)
        environment = {**os.environ, **variables}
        answers = []
        for command in ([], ["-m", "gatescope", "run", *options]):
            done = subprocess.run(
                [sys.executable, *command, "script.py", *arguments],
                capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300,
            )  # fmt: skip
            answers.append(Answer(done.returncode, done.stdout, done.stderr))
        return tuple(answers)

    return run


def without_last_line(text: str) -> str:
    lines = text.splitlines(keepends=True)
    assert lines[-1].startswith("Gatescope: ")
    return "".join(lines[:-1])


WORLD = """
import os, sys, pickle, warnings
class Mine: pass
pickle.loads(pickle.dumps(Mine()))
names = ("__name__", "__file__", "__package__", "__spec__", "__cached__", "__doc__")
print({name: globals()[name] for name in names}, type(__loader__).__name__, __annotations__)
print(sys.argv, sys.path[0], os.getcwd(), sys.modules["__main__"].Mine is Mine)
print({name: os.environ[name] for name in os.environ if name.startswith("TF_")})
print(sorted({"typer", "rich", "numpy", "tensorflow", "keras"} & set(sys.modules)))
warnings.warn("careful")
print(sys.stdout.errors, sys.stdout.encoding)
"""


def test_the_world_of_a_script_is_as_it_was(start: Start) -> None:
    plain, opened = start(WORLD, "--name", "x", "-h")
    assert opened[:2] == plain[:2]
    assert without_last_line(opened.err) == plain.err
    assert "the script did not import Keras" in opened.err


ENDINGS = {
    "error": "def f(n):\n    1 / n\ntry:\n    {}['x']\nexcept KeyError:\n    f(0)",
    "syntax": "print('x'\n",
    "code": "import sys; sys.exit(3)",
    "text": "import sys; sys.exit('a text')",
    "nothing": "",
    "interrupted": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)",
    "hook": "import sys\n"
    "sys.excepthook = lambda kind, error, trace: print(kind, trace.tb_lineno)\n1/0",
    "at exit": "import atexit\natexit.register(print, 'bye')\nprint('hello')",
    "thread": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()\nprint('early')",
    "os error": "open('/does/not/exist')",
    "import error": "import there_is_no_such_module",
    "bytes": "# -*- coding: latin-1 -*-\nprint('a')\nraise SystemExit",
    "fork": "import os, sys\n"
    "if os.fork() == 0:\n    print('child', flush=True); sys.exit(4)\n"
    "print('parent', os.waitstatus_to_exitcode(os.wait()[1]))",
    "spawn": "import multiprocessing\n"
    "def square(x): return x * x\n"
    "if __name__ == '__main__':\n"
    "    multiprocessing.set_start_method('spawn')\n"
    "    with multiprocessing.Pool(1) as pool: print(pool.map(square, [1, 2, 3]))",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_script_ends_as_it_would(start: Start, ending: str) -> None:
    plain, opened = start(ENDINGS[ending])
    assert opened[:2] == plain[:2]
    assert without_last_line(opened.err) == plain.err


@pytest.mark.parametrize("what", ["folder", "app.zip"])
def test_folders_and_archives_run_as_python_runs_them(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "__main__.py").write_text(f"import inner\n{WORLD}\n1 / inner.zero")
    (folder / "inner.py").write_text("zero = 0")
    shutil.make_archive(str(tmp_path / "app"), "zip", folder)
    answers = []
    for command in ([], ["-m", "gatescope", "run"]):
        done = subprocess.run(
            [sys.executable, *command, what, "--name", "x"],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        answers.append((done.returncode, re.sub("0x[0-9a-f]+", "0x…", done.stdout)))
        error = done.stderr
    assert answers[0] == answers[1]
    assert "ZeroDivisionError" in error and "gatescope" not in error
    assert "did not import Keras" in error.splitlines()[-1]


def test_killed_by_a_signal(start: Start) -> None:
    plain, opened = start("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
    assert opened == plain == (-signal.SIGTERM, "", "")


REFUSED = {
    ("absent.py",): "there is no 'absent.py'",
    (".",): "fix: name the script itself, such as fine.py",
    ("empty",): "'empty' holds no __main__.py",
    ("book.ipynb",): "put   %load_ext gatescope   into its first cell",
    (): "the following arguments are required: SCRIPT\n",
    ("--seconds", "0", "fine.py"): "--seconds is 0.0",
    ("--max-epochs", "-2", "fine.py"): "--max-epochs is -2",
    ("--overhead", "0", "fine.py"): "--overhead is 0.0",
    ("--runs", "fine.py", "fine.py"): "'fine.py' is a file",
    ("--fast", "fine.py"): "--fast",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=lambda arguments: " ".join(arguments) or "none")
def test_what_cannot_be_run_is_refused(
    gatescope: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("fine.py", "book.ipynb"):
        (tmp_path / name).write_text("{}")
    answer = gatescope("run", *arguments)
    assert answer.code == 2
    assert REFUSED[arguments] in answer.err
    assert "expected: " in answer.err and "fix: " in answer.err


TRAINS = """
import numpy as np
from tensorflow import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
history = model.fit(np.ones((64, 2)), np.ones(64), batch_size=1, epochs=5000, verbose=0)
print(len(history.epoch))
"""


def test_a_long_script_is_limited_by_time_and_by_epochs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(TRAINS)
    for options, least in ((("--seconds", "4"), 2), (("--max-epochs", "2", "--no-data"), 2)):
        command = [sys.executable, "-m", "gatescope", "run", "--name", "short", *options]
        done = subprocess.run(
            [*command, "script.py"], capture_output=True, text=True, cwd=tmp_path, timeout=300
        )
        assert done.returncode == 0, done.stderr
        assert least <= int(done.stdout) < 5000
    timed, limited = runs_in(tmp_path / "runs")
    assert limited.name == timed.name == "short"
    assert limited.kept == [] and timed.kept != []
    assert timed.fact("cut") == "--seconds"
    assert limited.fact("cut") == "at most 2 of 5000 epochs"
    assert int(done.stdout) == 2


NOT_FINITE = """
import numpy as np
from tensorflow import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(1e6), "mse")
model.fit(np.ones((256, 2)), np.zeros(256), epochs=2, verbose=0)
"""


def test_a_training_that_is_not_finite_ends_with_what_to_type(start: Start) -> None:
    _, opened = start(NOT_FINITE, options=("--runs", "my runs"))
    line = opened.err.splitlines()[-1]
    found = re.fullmatch(
        r"Gatescope: (my runs/\S+): 16 steps, \d+ probed, at a cost of .+; not finite from step "
        r"\d+ on: gatescope replay '(.+)', gatescope doctor '(.+)'",
        line,
    )
    assert found and found[1] == found[2] == found[3]


def test_a_folder_that_cannot_be_made_is_the_reason_that_is_said(start: Start) -> None:
    plain, opened = start(TRAINS.replace("5000", "1"), options=("--runs", "script.py/runs"))
    assert opened[:2] == plain[:2]
    warned = re.search(r"^(.*script\.py):(\d+): RuntimeWarning: (.*)\n  (.*)", opened.err, re.M)
    assert warned and warned[4].startswith("history = model.fit(")
    assert "records nothing of this training" in warned[3] and "Not a directory" in warned[3]
    assert opened.err.splitlines()[-1] == (
        "Gatescope: nothing was recorded: no run can be begun in 'script.py/runs' "
        "(Not a directory)."
    )


FORKS = """
import os
if os.fork() == 0:
    exec(os.environ["TRAINS"])
    os._exit(0)
os.wait()
"""


def test_what_forked_processes_recorded_is_said(start: Start, tmp_path: Path) -> None:
    _, opened = start(FORKS, TRAINS=TRAINS.replace("5000", "1"))
    (run,) = (tmp_path / "runs").iterdir()
    assert opened.err.splitlines()[-1] == (
        f"Gatescope: recorded by processes that the script forked: runs/{run.name}"
    )


def test_where_keras_3_was_recorded_nothing_is_said_of_keras_2(start: Start) -> None:
    script = TRAINS.replace("from tensorflow import keras", "import keras").replace("5000", "1")
    _, opened = start(script, TF_USE_LEGACY_KERAS="1")
    assert "legacy" not in opened.err and "64 steps" in opened.err.splitlines()[-1]


def test_a_script_that_is_diagnosed_sees_the_users_environment(start: Start) -> None:
    variables = "import os; print(sorted(name for name in os.environ if name.startswith('TF_')))"
    plain, opened = start(variables, options=("--doctor",), TF_CPP_MIN_LOG_LEVEL="0")
    assert opened[:2] == plain[:2]


QUIET = {
    "predicts": ("import keras\nkeras.Sequential([keras.layers.Dense(1)])(keras.ops.ones((1, 2)))",
                 {}, "the script trained nothing"),
    "legacy": ("print('x')", {"TF_USE_LEGACY_KERAS": "1"}, "legacy Keras 2"),
    "numpy": ("import keras", {"KERAS_BACKEND": "numpy"}, "Keras runs on numpy"),
    "torch": ("import keras", {"KERAS_BACKEND": "torch"}, "Keras runs on torch"),
}  # fmt: skip


@pytest.mark.parametrize("kind", QUIET)
def test_why_nothing_was_recorded_is_said(start: Start, kind: str) -> None:
    text, variables, said = QUIET[kind]
    plain, opened = start(text, **variables)
    assert opened[:2] == plain[:2]
    assert said in opened.err.splitlines()[-1]
