"""Other tables, read as that of training was: signs, thousands, headers of years."""

import random

import numpy as np

from gatescope.data.encoding import TableReader
from gatescope.data.labelled import Wanted, labelled
from gatescope.data.sources import TableFile
from gatescope.data.splits import SplitConfig
from gatescope.data.table import TableConfig
from gatescope.recipes.running.new_inputs import from_paths

HEADER = "2019;2020;Preis\n"
FIFTHS = SplitConfig(dev=0.2, test=0.2, seed=0)


def trained(path):
    drawn = random.Random(0)
    rows = [
        f"{drawn.randint(1, 99)}.{drawn.randint(100, 999)};0,{drawn.randint(11, 99)} %;"
        f"{1000 + i},50 €"
        for i in range(100)
    ]
    path.write_text(HEADER + "\n".join(rows), encoding="utf-8")
    source = TableFile(path=path, table=TableConfig(target="Preis", split=FIFTHS))
    dataset = source.load()
    (target,) = dataset.targets
    return source, dataset.reader, target


def test_a_table_is_evaluated_and_predicted_as_it_was_read(tmp_path):
    source, reader, target = trained(tmp_path / "old.csv")
    assert isinstance(reader, TableReader)
    new = tmp_path / "new.csv"
    new.write_text(HEADER + "12.345;0,5 %;1.034,50 €\n1.000;5 %;-\n", encoding="utf-8")
    wanted = Wanted(target.name, "Preis", (), 0.0, 1.0)
    found = labelled(source, new, reader, wanted)
    assert found.part.y[target.name].tolist() == [[1034.5]]
    assert found.notes == ("1 rows have no 'Preis' and were left out",)
    raw = reader.encoder.plan.read_numbers({"2019": ["12.345"], "2020": ["0,5 %"]})
    scaled = ((raw - reader.mean) / reader.deviation).astype(np.float32)
    np.testing.assert_array_equal(found.part.x["numbers"], scaled)
    new.write_text("2019;2020\n12.345;5 %\n", encoding="utf-8")  # its sign is that of training
    (batch,) = from_paths(reader, [new])
    x = reader.read(batch.raw)["numbers"]
    assert x[0, 0] == scaled[0, 0]
