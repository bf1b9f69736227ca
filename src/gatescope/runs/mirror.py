"""The TensorBoard mirror of a run: an event file beside the database, written without TensorFlow.

TensorBoard shows at most a thousand points of a curve, and its checksums are pure Python, so the
mirror thins: of a commit (half a second) at most ten rows of metrics with the same names, and the
last row of probes every two seconds. The database holds them all.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatescope.runs.rows import Metrics, Probes, Row, alike

_MOST_ROWS = 10
_PROBE_SECONDS = 2.0
_PATTERN = "events.out.tfevents.{seconds:010d}.gatescope"


class Mirror:
    """Writes metrics and statistics of layers as scalars that TensorBoard reads.

    Args:
        folder: The folder of the run.

    Raises:
        OSError: The file cannot be made.
        ImportError: The installation of `tensorboard` is broken.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._probed = 0.0
        self._file = (folder / _PATTERN.format(seconds=int(time.time()))).open("ab")
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the scalars of a batch of rows, thinned.

        Raises:
            OSError: The disk is full.
        """
        for metrics in alike(row for row in rows if isinstance(row, Metrics)):
            for row in _thinned(metrics):
                self._scalars(row.step, zip(row.names, row.numbers, strict=True))
        probes = [row for row in rows if isinstance(row, Probes)]
        if probes and time.monotonic() - self._probed >= _PROBE_SECONDS:
            self._probed = time.monotonic()
            for group in alike(probes):
                self._probe(group[-1])
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _probe(self, row: Probes) -> None:
        last_LS = row.numbers[-1]
        names = [f"{layer}/{statistic}" for layer in row.layers for statistic in row.statistics]
        scalars = zip(names, last_LS.ravel().tolist(), strict=True)
        self._scalars(int(row.steps[-1]), scalars)

    def _scalars(self, step: int, scalars: Iterable[tuple[str, float]]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=number) for tag, number in scalars]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _write(self, event: Any) -> None:
        """Frames an event as TFRecord does: length, its checksum, content, its checksum."""
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
        self._file.write(b"".join((length, sums[0], content, sums[1])))


def _thinned(rows: Sequence[Metrics]) -> list[Metrics]:
    """At most ten rows, evenly apart, the last among them."""
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    return [rows[place] for place in np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(int)]
