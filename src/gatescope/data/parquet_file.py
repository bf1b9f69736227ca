"""Tables of text cells from parquet files, read in chunks by pyarrow where that is installed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from gatescope.data.csv_file import CHUNK, Chunk
from gatescope.errors import DataError

MAGIC = b"PAR1"


class ParquetFile:
    """A parquet file as text cells, so that kinds of columns are told as those of any table.

    Args:
        path: The file.

    Raises:
        DataError: pyarrow is not installed, or the file is damaged or holds no column.

    Example:
        >>> ParquetFile(Path("houses.parquet")).columns[:2]  # doctest: +SKIP
        ('size', 'rooms')
    """

    decimal: Literal[".", ","] = "."

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, repr(str(path))
        self.columns: tuple[str, ...] = tuple(self._opened().schema_arrow.names)
        if not self.columns:
            raise DataError(f"{self.name} has no column", "a table", "export it again")

    def chunks(self) -> Iterator[Chunk]:
        """Reads the file from its start.

        Yields:
            Its rows, `CHUNK` at a time; their lines are the numbers of the rows from 1 on.

        Raises:
            DataError: The file is damaged.
        """
        first = 1
        batches = self._opened().iter_batches(batch_size=CHUNK)
        while (batch := self._next(batches)) is not None:
            cells = {
                name: tuple(map(_as_text, column.to_pylist()))
                for name, column in zip(self.columns, batch.columns, strict=True)
            }
            yield Chunk(range(first, first + batch.num_rows), cells)
            first += batch.num_rows

    def _next(self, batches: Iterator[Any]) -> Any:
        try:
            return next(batches, None)
        except (OSError, ValueError) as cause:
            raise self._damaged(cause) from cause

    def _opened(self) -> Any:
        try:
            parquet = import_module("pyarrow.parquet")
        except ImportError as cause:
            raise DataError(
                f"{self.name} is a parquet file, and pyarrow is not installed",
                "the package that reads parquet",
                "pip install 'gatescope[parquet]', or export the table as CSV",
            ) from cause
        try:
            return parquet.ParquetFile(self.path)
        except (OSError, ValueError) as cause:
            raise self._damaged(cause) from cause

    def _damaged(self, cause: Exception) -> DataError:
        return DataError(
            f"{self.name} cannot be read: {cause}",
            "a whole parquet file",
            "copy or export it again",
        )


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value).strip()
