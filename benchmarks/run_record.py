"""What recording a training costs it, and how quickly a long run opens.

    python benchmarks/run_record.py [--steps 1000000] [--layers 10] [--statistics 12]

Writes a run of so many probed steps (half a gigabyte of them), fifty a call, as a probe does that
reads its buffer rarely, and the metrics of every step. Then a fresh interpreter opens it and reads
one statistic of one layer, thinned to 2,000 points; the median of five, the file in memory. With
`--pause` it sleeps between steps, as a training would compute; the processor's time is that of the
whole process, the thread that writes included.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gatescope.runs.open import open_run
from gatescope.runs.record import start_run

OPEN = """
import sys, time
start = time.perf_counter()
import gatescope as gs
run = gs.open_run(sys.argv[1])
loaded = time.perf_counter()
curve = run.probe(run.layers[-1], run.statistics[-1], points=2000)
drawn = time.perf_counter()
last = run.last("loss"), run.last_step, run.status
told = time.perf_counter()
losses = run.metric("loss")
read = time.perf_counter()
print(loaded - start, drawn - loaded, told - drawn, read - told)
"""
CALL = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--statistics", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between steps")
    parser.add_argument("--no-mirror", action="store_true", help="write nothing for TensorBoard")
    parser.add_argument("--folder", type=Path, help="where, if not in the folder for such files")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        run = write(Path(folder), asked)
        times = [opened(run) for _ in range(5)]
    names = ("import and open", "one curve, thinned", "status, last loss", "all losses")
    for name, each in zip(names, zip(*times, strict=True), strict=True):
        print(f"{name:20} {statistics.median(each):.3f} s")
    print(f"{'all but the losses':20} {statistics.median(sum(one[:3]) for one in times):.3f} s")


def write(folder: Path, asked: argparse.Namespace) -> Path:
    layers = [f"layer{place}" for place in range(asked.layers)]
    names = [f"statistic{place}" for place in range(asked.statistics)]
    shape = (CALL, asked.layers, asked.statistics)
    numbers_NLS = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    metrics = probes = 0.0
    start, cpu = time.perf_counter(), time.process_time()
    with start_run(folder, "long", configuration={}, tensorboard=not asked.no_mirror) as writer:
        for step in range(asked.steps):
            before = time.perf_counter()
            writer.metrics(step, 0, {"loss": 1 / (step + 1), "accuracy": 0.5, "rate": 0.1})
            between = time.perf_counter()
            if step % CALL == CALL - 1:
                probed = np.arange(step - CALL + 1, step + 1)
                writer.probes(probed, layers, names, numbers_NLS)
            metrics, probes = metrics + between - before, probes + time.perf_counter() - between
            time.sleep(asked.pause)
    spent, cpu = time.perf_counter() - start, time.process_time() - cpu
    size = (writer.folder / "run.sqlite").stat().st_size
    rows = asked.steps * asked.layers
    print(f"{asked.steps:,} steps, {rows:,} probe rows of {asked.statistics} statistics")
    whole = "whole" if open_run(writer.folder).complete else "incomplete"
    print(f"record {whole}, {size / 2**20:,.0f} MiB in {spent:,.0f} s, {cpu:.2f} s of processor")
    print(f"metrics: {metrics / asked.steps * 1e6:.1f} µs a step")
    print(f"probes: {probes / asked.steps * 1e6:.1f} µs a step of {CALL} a call")
    return writer.folder


def opened(run: Path) -> list[float]:
    done = subprocess.run([sys.executable, "-c", OPEN, run], capture_output=True, text=True)
    return [float(number) for number in done.stdout.split()]


if __name__ == "__main__":
    main()
