"""Parquet files give the table that their CSV does; without pyarrow one is told what to install."""

import sys

import numpy as np
import pytest

from gatescope.data.csv_file import CHUNK
from gatescope.data.houses import house_cells
from gatescope.data.splits import SplitConfig
from gatescope.data.table import TableConfig, load_table, open_cells
from gatescope.errors import DataError

CONFIG = TableConfig(target="price", split=SplitConfig(dev=0.2, test=0.2, seed=0))


def test_a_parquet_file_gives_what_its_csv_does(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    csv = pytest.importorskip("pyarrow.csv")
    cells = house_cells(rows=CHUNK + 100)
    # Numbers and days as themselves, and empty cells as null.
    typed = {
        "size": [float(cell) for cell in cells["size"]],
        "age": [int(cell) if cell else None for cell in cells["age"]],
        "sold": np.array(cells["sold"], "datetime64[D]"),
    }
    table = arrow.table({**cells, **typed})
    parquet.write_table(table, tmp_path / "houses.parquet")
    csv.write_csv(table, tmp_path / "houses.csv")
    of_parquet, of_csv = (
        load_table(tmp_path / f"houses.{kind}", CONFIG) for kind in ("parquet", "csv")
    )
    assert of_parquet.columns == of_csv.columns
    assert of_parquet.notes == of_csv.notes
    for split in ("train", "test"):
        for mine, other in zip(of_parquet.arrays(split), of_csv.arrays(split), strict=True):
            np.testing.assert_equal(mine, other)
    lines = [line for chunk in open_cells(tmp_path / "houses.parquet").chunks()
             for line in chunk.lines]  # fmt: skip
    assert lines == list(range(1, CHUNK + 101))


def test_a_damaged_parquet_file_is_refused(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing that follows")
    with pytest.raises(DataError, match="cannot be read"):
        load_table(tmp_path / "a.parquet", CONFIG)


def test_without_pyarrow_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError) as caught:
        load_table(tmp_path / "a.parquet", CONFIG)
    assert caught.value.happened.endswith("is a parquet file, and pyarrow is not installed")
    assert caught.value.fix == "pip install 'gatescope[parquet]', or export the table as CSV"
