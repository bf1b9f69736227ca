"""Where the trials of a sweep run: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from gatescope.errors import UsageError
from gatescope.recipes.running.trial import (
    ASKED,
    LOG,
    OUTCOME,
    Outcome,
    TrialAsked,
    run_trial,
    write_outcome,
)
from gatescope.runs.files import atomic_write

_LOOK = 0.1  # seconds between two looks at processes


class Trial(NamedTuple):
    """What is asked, and the folder that it is kept in."""

    asked: TrialAsked
    folder: Path

    @property
    def outcome(self) -> Outcome | None:
        """What came of it; None where it has not ended."""
        file = self.folder / OUTCOME
        return Outcome.model_validate_json(file.read_bytes()) if file.exists() else None


def in_processes(trials: Sequence[Trial], workers: int) -> Iterator[tuple[Trial, Outcome]]:
    """Runs trials, each in a process of its own, and tells what came of it when it ends.

    Args:
        trials: What to run.
        workers: How many at once; they share the processor's cores.
    """
    waiting, running = deque(trials), dict[int, tuple[Trial, subprocess.Popen[bytes]]]()
    threads = threads_of(workers)
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                trial = waiting.popleft()
                process = _started(trial, threads)
                running[process.pid] = trial, process
            time.sleep(_LOOK)
            for number, (trial, process) in list(running.items()):
                if (code := process.poll()) is not None:
                    del running[number]
                    yield trial, trial.outcome or Outcome(failure=_death(code, trial))
    finally:
        for _, process in running.values():
            process.kill()
            process.wait()


def threads_of(workers: int) -> int:
    """How many threads each of several processes gets of this machine's cores."""
    return max(1, (os.cpu_count() or 1) // workers)


def _started(trial: Trial, threads: int) -> subprocess.Popen[bytes]:
    trial.folder.mkdir(parents=True, exist_ok=True)
    atomic_write(trial.folder / ASKED, trial.asked.model_dump_json(indent=1).encode())
    command = [sys.executable, "-m", "gatescope.recipes.running.trial", str(trial.folder)]
    with (trial.folder / LOG).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (our own module)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(threads)
        )


def _environment(threads: int) -> dict[str, str]:
    return {**os.environ, **_threads(threads)}


def _threads(count: int) -> dict[str, str]:
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys(names, str(count))


def _death(code: int, trial: Trial) -> str:
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"its process {how}; see {trial.folder / LOG}"


def on_ray(trials: Sequence[Trial]) -> Iterator[tuple[Trial, Outcome]]:
    """Runs trials on a Ray cluster, one core each; see `in_processes`.

    The cluster is the one that `RAY_ADDRESS` names, or that runs on this machine; where there is
    none, Ray starts one here. Its nodes need Gatescope, and data under the same path.

    Args:
        trials: What to run.

    Raises:
        UsageError: Ray is not installed.
    """
    ray = _ray()
    ray.init(log_to_driver=False, logging_level="error", runtime_env={"env_vars": _threads(1)})
    try:
        # A process of its own for each, lest one that dies takes others with it.
        remote = ray.remote(num_cpus=1, max_calls=1, max_retries=0)(_on_node)
        running = {remote.remote(trial.asked.model_dump_json()): trial for trial in trials}
        while running:
            (done, *_), _ = ray.wait(list(running))
            trial = running.pop(done)
            try:
                outcome = Outcome.model_validate_json(ray.get(done))
            except ray.exceptions.RayError as error:
                yield trial, Outcome(failure=str(error).strip().splitlines()[-1])
                continue
            trial.folder.mkdir(parents=True, exist_ok=True)
            write_outcome(outcome, trial.folder)
            yield trial, outcome
    finally:
        ray.shutdown()


def _on_node(asked: str) -> str:
    with TemporaryDirectory() as folder:
        outcome = run_trial(TrialAsked.model_validate_json(asked), Path(folder))
    return outcome.model_dump_json()


def _ray() -> Any:
    # It would tell its makers of each use.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as cause:
        raise UsageError(
            "Ray is not installed", "the extra 'ray'", "pip install 'gatescope[ray]'"
        ) from cause
    return ray
