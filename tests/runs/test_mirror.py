"""The event file, read by TensorBoard itself."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from written_runs import LAYERS, STATISTICS, record

from gatescope.runs.mirror import Mirror
from gatescope.runs.rows import Metrics


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_tensorboard_reads_metrics_and_probes(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        for step in range(5):
            writer.metrics(step, 0, {"loss": 1 / (step + 1)})
        writer.metrics(4, 0, {"val_loss": 0.5})
        writer.probes([3, 4], LAYERS, STATISTICS, np.arange(8).reshape(2, 2, 2))
    found = read(writer.folder)
    assert found["loss"] == [(step, pytest.approx(1 / (step + 1))) for step in range(5)]
    assert found["val_loss"] == [(4, 0.5)]
    probed = {"dense/mean": 4, "dense/dead": 5, "output/mean": 6, "output/dead": 7}
    for tag, number in probed.items():
        assert found[tag] == [(4, number)]


def test_many_rows_are_thinned_and_the_last_is_there(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    mirror.add([Metrics(step, 0, ("loss",), (float(step),)) for step in range(1000)])
    mirror.close()
    steps = [step for step, _ in read(tmp_path)["loss"]]
    assert len(steps) == 10 and steps[0] == 0 and steps[-1] == 999


def test_checksums_are_tensorflow_s(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    mirror.add([Metrics(0, 0, ("loss",), (float("nan"),))])
    mirror.close()
    (file,) = tmp_path.iterdir()
    code = f"import tensorflow as tf; print(len(list(tf.data.TFRecordDataset({str(file)!r}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2\n", done.stderr
    assert struct.unpack("<Q", file.read_bytes()[:8])[0] > 0


def test_it_can_be_left_out(tmp_path: Path) -> None:
    with record(tmp_path, tensorboard=False) as writer:
        writer.metrics(0, 0, {"loss": 1.0})
    assert not list(writer.folder.glob("events*"))


def test_it_loads_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gatescope.runs.mirror import Mirror;"
        f"Mirror(Path({str(tmp_path)!r})).close(); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"
