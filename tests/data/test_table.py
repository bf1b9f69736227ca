"""Tables: what is found out, what training gets, and what is refused."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from gatescope.data.csv_file import CHUNK
from gatescope.data.encoding import TableReader
from gatescope.data.houses import house_cells
from gatescope.data.reader import Rows
from gatescope.data.splits import SPLITS, SplitConfig
from gatescope.data.table import SAMPLE_TABLES, TableConfig, load_table, sample_table
from gatescope.errors import DataError, UsageError

WORDS = ("buys", "sells", "old", "new", "cars", "houses", "boats")
FIFTHS = SplitConfig(dev=0.2, test=0.2, seed=0)
NONE_LEFT = "no column of 't.csv' is left to predict 'y' from: 'x' has one value only"
BIRTHS = Path(__file__).parents[3] / "shared" / "data" / "low_birth_weight.csv"


def put(folder, lines):
    path = folder / "table.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def people(rows=200, seed=0):
    """Rows of every kind; `rich` goes with income, not exactly."""
    drawn = random.Random(seed)
    lines = ["id,age,income,town,joined,remark,planet,person,rich"]
    for number in range(rows):
        age, income = drawn.randint(18, 80), drawn.gauss(40_000, 9_000)
        town = drawn.choice(["Rome", "Oslo", "Lima", ""])
        remark = " ".join(drawn.choices(WORDS, k=6))
        day = f"{drawn.randint(1, 28):02}.{drawn.randint(1, 12):02}.2020"
        rich = "yes" if income + drawn.gauss(0, 5_000) > 42_000 else "no"
        cells = [f"{number}", "" if number % 10 == 3 else f"{age}", f"{income:.2f}", town, day]
        lines.append(",".join([*cells, f"{remark} {number}", "Earth", f"p{number % 40}", rich]))
    return lines


def config(target="rich", **more):
    return TableConfig(target=target, split=FIFTHS, **more)


def refusal(path, settings):
    with pytest.raises(DataError) as caught:
        load_table(path, settings)
    assert caught.value.expected
    assert caught.value.fix
    error = caught.value
    return DataError(error.happened.replace(str(path), "t.csv"), error.expected, error.fix)


@pytest.fixture
def table(tmp_path):
    return load_table(put(tmp_path, people()), config())


def test_kinds_and_uses_of_columns(table):
    found = {column.name: (column.kind, column.use) for column in table.columns}
    assert found == {
        "id": ("id", "left out"),
        "age": ("number", "input"),
        "income": ("number", "input"),
        "town": ("category", "input"),
        "joined": ("date", "input"),
        "remark": ("text", "input"),
        "planet": ("constant", "left out"),
        "person": ("category", "input"),
        "rich": ("category", "target"),
    }
    assert table.target.classes == ("no", "yes")
    assert table.encoder.numbers == ("age", "income", "joined", "age missing")
    assert table.sizes == {"train": 120, "dev": 40, "test": 40}


def test_notes_say_what_was_left_out_and_what_is_missing(table):
    assert table.notes == (
        "'id' was left out: it names rows, nearly each has its own; to keep it: "
        """--set 'data.table.kinds={"id": "number"}', or kinds={'id': 'number'} in Python""",
        "'age' is missing in 20 of 200 rows",
        table.notes[2],
        "'planet' was left out: it has one value only",
    )
    assert table.notes[2].startswith("'town' is missing in ")


def test_arrays_have_their_shapes_and_types(table):
    inputs, targets = table.arrays("train")
    assert {name: (array.shape[0], array.dtype.name) for name, array in inputs.items()} == {
        "numbers": (120, "float32"),
        "town": (120, "int32"),
        "person": (120, "int32"),
        "remark": (120, "int32"),
    }
    assert inputs["numbers"].shape == (120, 4)
    assert inputs["remark"].shape == (120, 7)
    assert (targets.shape, targets.dtype) == ((120,), np.int32)


def test_numbers_are_scaled_by_training_rows_alone(table):
    numbers = table.arrays("train")[0]["numbers"]
    np.testing.assert_allclose(numbers[:, 1:3].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(numbers[:, 1:3].std(0), 1, atol=1e-6)
    assert np.abs(table.arrays("test")[0]["numbers"][:, 1:3].mean(0)).min() > 1e-4


def test_a_missing_number_is_the_mean_and_flagged(table):
    numbers = np.concatenate([table.arrays(split)[0]["numbers"] for split in SPLITS])
    flagged = numbers[:, 3] == 1
    assert flagged.sum() == 20
    assert (numbers[flagged, 0] == 0).all()


def test_categories_of_training_rows_have_indices_and_all_others_share_one(table):
    (column, towns) = table.encoder.categories["town"]
    assert (column, towns) == ("town", ("Lima", "Oslo", "Rome", "missing"))
    cells = {name: [""] * 3 for name in [column.name for column in table.columns]}
    encoded = table.encoder.encode(cells | {"town": ["Rome", "Atlantis", "NA"]})
    assert encoded["town"].tolist() == [3, 0, 4]


def test_nothing_is_learned_from_dev_and_test(tmp_path):
    """Every cell of them replaced, what training gets stays the same, to the bit."""
    rows = [f"{number / 7},k{number % 5},{number % 2}" for number in range(100)]
    before = load_table(put(tmp_path, ["x,kind,y", *rows]), config("y"))
    train = set(before.arrays("train")[0]["numbers"].ravel().tolist())
    wholes = [before.encoder.encode({"x": [f"{n / 7}"], "kind": [""]}) for n in range(100)]
    kept = [whole["numbers"].item() in train for whole in wholes]
    assert sum(kept) == 60
    changed = [
        row if keep else f"{1e6 + number},new,{number % 2}"
        for number, (row, keep) in enumerate(zip(rows, kept, strict=True))
    ]
    after = load_table(put(tmp_path, ["x,kind,y", *changed]), config("y"))
    for name, array in before.arrays("train")[0].items():
        np.testing.assert_array_equal(after.arrays("train")[0][name], array)
    assert set(after.arrays("test")[0]["kind"].tolist()) == {0}


def test_classes_have_the_same_share_in_each_split(table):
    shares = [table.arrays(split)[1].mean() for split in SPLITS]
    assert np.ptp(shares) < 0.03


def test_no_group_is_in_two_splits(tmp_path):
    table = load_table(put(tmp_path, people()), config(group="person"))
    assert "person" not in table.encoder.categories
    groups = [set(), set(), set()]
    for dealt in table._rows.dealt():
        for person, split in zip(dealt.cells["person"], dealt.of, strict=True):
            groups[split].add(person)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 40
    assert min(table.sizes.values()) >= 30


def test_a_stream_has_the_rows_of_the_arrays(table):
    inputs, targets = table.arrays("dev")
    stream = table.stream("dev", 16)
    assert stream.cardinality() == 3
    streamed = list(stream.as_numpy_iterator())
    assert [len(y) for _, y in streamed] == [16, 16, 8]
    np.testing.assert_array_equal(np.concatenate([y for _, y in streamed]), targets)
    for name, array in inputs.items():
        np.testing.assert_array_equal(np.concatenate([x[name] for x, _ in streamed]), array)


def test_an_epoch_shuffles_by_seed_and_number_alone(table):
    def rows(epochs, number):
        return np.concatenate([x["numbers"] for x, _ in epochs(number).as_numpy_iterator()])

    epochs = table.epochs(32, seed=3)
    first, second = rows(epochs, 0), rows(epochs, 1)
    np.testing.assert_array_equal(rows(table.epochs(32, seed=3), 1), second)
    assert (first != second).any()
    everything = table.arrays("train")[0]["numbers"]
    for shuffled in (first, second):
        np.testing.assert_array_equal(sorted(shuffled.tolist()), sorted(everything.tolist()))


def test_a_number_as_target_is_scaled_and_restored():
    table = sample_table("diabetes", config("target"))
    assert table.target.classes == ()
    _, targets = table.arrays("train")
    assert (targets.shape, targets.dtype) == ((265, 1), np.float32)
    np.testing.assert_allclose([targets.mean(), targets.std()], [0, 1], atol=1e-5)
    restored = np.concatenate([table.target.restore(table.arrays(split)[1]) for split in SPLITS])
    np.testing.assert_allclose(np.sort(restored.ravel()), np.sort(load_diabetes().target), 1e-5)


@pytest.mark.parametrize("name", [name for name in SAMPLE_TABLES if name != "houses"])
def test_every_sample_table_is_split_and_leaks_nothing(name):
    table = sample_table(name, config("target"))
    inputs, targets = table.arrays("train")
    assert set(inputs) == {"numbers"}
    assert np.isfinite(inputs["numbers"]).all()
    assert len(targets) == table.sizes["train"]
    assert not [note for note in table.notes if "alone tells" in note]


def test_houses_have_columns_of_every_kind_and_the_same_for_a_seed():
    table = sample_table("houses", config("price"))
    kinds = {column.name: column.kind for column in table.columns}
    assert kinds == {
        "size": "number", "rooms": "number", "age": "number", "district": "category",
        "sold": "date", "advertisement": "text", "price": "number",
    }  # fmt: skip
    assert all("is missing in" in note for note in table.notes) and len(table.notes) == 2
    assert house_cells(rows=50) == house_cells(rows=50) != house_cells(rows=50, seed=8)


@pytest.mark.skipif(not BIRTHS.exists(), reason=f"{BIRTHS} is not here")
def test_birth_weights():
    table = load_table(BIRTHS, config("low", kinds={"race": "category"}))
    assert table.target.classes == ("0", "1")
    left_out = "'column 1' was left out: it names rows, nearly each has its own; to keep it: "
    assert any(note.startswith(left_out) for note in table.notes)
    (leak,) = [note for note in table.notes if "alone tells" in note]
    assert leak == (
        "'bwt' alone tells 'low', to 100.0%: if it was made from it, leave it out: --drop 'bwt', "
        "or drop=('bwt',) in Python"
    )
    assert table.encoder.categories["race"] == ("race", ("1", "2", "3"))
    honest = load_table(BIRTHS, config("low", drop=("bwt",)))
    assert not [note for note in honest.notes if "alone tells" in note]


def test_keras_trains_on_a_table(table):
    inputs = {"numbers": keras.Input((4,), name="numbers"), "town": keras.Input((), name="town")}
    town = keras.layers.Embedding(5, 2)(inputs["town"])
    hidden = keras.layers.Concatenate()([inputs["numbers"], town])
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy")
    keep = table.stream("train", 32).map(lambda x, y: ({name: x[name] for name in inputs}, y))
    history = model.fit(keep, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("unit", ["number", "category"])
def test_few_whole_numbers_are_classes_unless_said_otherwise(tmp_path, unit):
    path = put(tmp_path, ["x,y", *(f"{i / 3},{i % 3 + 9}.0" for i in range(60))])
    table = load_table(path, config("y", kinds={"y": unit}))
    assert table.target.classes == (("9", "10", "11") if unit == "category" else ())


def test_what_was_read_as_classes_is_said(tmp_path):
    path = put(tmp_path, ["x,y", *(f"{i / 3},{i % 3}" for i in range(60))])
    assert load_table(path, config("y")).notes[0] == (
        "'y' is read as 3 classes; to read it as a number: "
        """--set 'data.table.kinds={"y": "number"}', or kinds={'y': 'number'} in Python"""
    )


def test_rows_without_a_target_are_left_out_and_said(tmp_path):
    rows = [f"{i / 3},{'' if i % 10 == 0 else 'ab'[i % 2]}" for i in range(100)]
    table = load_table(put(tmp_path, ["x,y", *rows]), config("y"))
    assert sum(table.sizes.values()) == 90
    assert table.notes[0] == "10 rows have no 'y' and were left out"


def test_rare_classes_that_a_split_lacks_are_said(tmp_path):
    rows = [f"{i / 3},{'rare' if i == 5 else 'ab'[i % 2]}" for i in range(100)]
    table = load_table(put(tmp_path, ["x,y", *rows]), config("y"))
    assert "no sample of 'rare' is in dev" in table.notes
    assert "no sample of 'rare' is in test" in table.notes


def test_classes_that_only_held_out_groups_have_are_said(tmp_path):
    """Groups stay whole: of three people with a class each, training gets one."""
    rows = [f"{i * 0.37:.2f},p{i % 3},{'abc'[i % 3]}" for i in range(90)]
    table = load_table(put(tmp_path, ["x,person,kind", *rows]), config("kind", group="person"))
    trained = set(table.arrays("train")[1].tolist())
    (only,) = trained
    others = [name for place, name in enumerate("abc") if place != only]
    assert f"no sample of {others[0]!r}, {others[1]!r} is in train" in table.notes
    assert table.target.classes == ("a", "b", "c")


def test_a_column_missing_where_the_target_is_known_to_be_one_leaks(tmp_path):
    rows = [f"{random.Random(i).random()},{'' if i % 2 else i / 7},{i % 2}" for i in range(200)]
    table = load_table(put(tmp_path, ["x,ended,y", *rows]), config("y"))
    (leak,) = [note for note in table.notes if "'ended missing' alone tells 'y'" in note]
    assert "drop=('ended',)" in leak


def test_a_target_that_is_not_there_is_refused_with_the_nearest(tmp_path):
    error = refusal(put(tmp_path, people()), config("ritch"))
    assert error.happened == "'t.csv' has no column 'ritch'"
    assert error.fix == "did you mean 'rich'?"
    assert "'id', 'age', 'income'" in error.expected


def test_a_title_above_the_header_is_blamed(tmp_path):
    error = refusal(
        put(tmp_path, ["Report,,", ",,", "a,b,y", *["1,2,0", "2,3,1"] * 9]), config("y")
    )
    assert error.happened == (
        "'t.csv' has no column 'y': its first line does not have it, line 3 has"
    )
    assert error.fix == "delete what stands above line 3: the names of columns stand first"


def test_years_are_names_of_columns_where_the_target_is_one_of_them(tmp_path):
    years = ["region,2019,2020,2021"]
    years += [f"{'NSEW'[i % 4]},{i / 7:.2f},{i % 9 / 4},{i % 11 / 3}" for i in range(60)]
    path = put(tmp_path, years)
    table = load_table(path, config("2021"))
    assert [column.name for column in table.columns] == ["region", "2019", "2020", "2021"]
    error = refusal(path, config("2012"))
    assert "its first line was taken for data, since it has numbers in it" in error.happened
    assert "name a column that is in the first line" in error.fix


def test_german_thousands_and_units_are_numbers_for_new_rows_too(tmp_path):
    lines = ["Einwohner;Quote;Umsatz;Temp;Größe"]
    lines += [
        f"{i % 90 + 1}.{100 + i};0,{57 + i % 13};1.{200 + i},50 €;"
        f"{'−' if i % 3 else ''}{i % 17},5 °C;"
        f"{'groß' if i % 2 else 'klein'}"
        for i in range(100)
    ]
    table = load_table(put(tmp_path, lines), config("Größe"))
    assert table.encoder.plan.numbers == ("Einwohner", "Quote", "Umsatz", "Temp")
    assert "'Umsatz' is read as numbers without their '€'" in table.notes
    assert "'Temp' is read as numbers without their '°C'" in table.notes
    reader = TableReader.model_validate_json(TableReader.of(table.encoder).model_dump_json())
    row = {"Einwohner": "12.345", "Quote": "0,5", "Umsatz": "1.034,50 €", "Temp": "−3,5 °C"}
    given = Rows("new", {name: [cell] for name, cell in row.items()}, ",")
    raw = reader.encoder.plan.read_numbers(given.cells)
    assert raw.tolist() == [[12345.0, 0.5, 1034.5, -3.5]]
    bare = Rows(
        "new", {"Einwohner": ["12345"], "Quote": ["0.5"], "Umsatz": ["1034.5"], "Temp": ["-3.5"]}
    )
    np.testing.assert_array_equal(reader.read(bare)["numbers"], reader.read(given)["numbers"])
    other = replace(given, cells=given.cells | {"Umsatz": ["5 $"]})
    with pytest.raises(DataError, match=r"new has '5 \$' as 'Umsatz' in row 1"):
        reader.read(other)


@pytest.mark.parametrize("cell", ["${:,.2f}", "{:.1f}%", "{:.0f} kg"])
def test_a_target_with_a_unit_is_a_number(tmp_path, cell):
    rows = [f'{i / 3},"{cell.format(5000 + 17.25 * i)}"' for i in range(60)]
    table = load_table(put(tmp_path, ["x,y", *rows]), config("y"))
    assert table.target.classes == ()
    assert 5000 < table.target.mean < 7000
    assert table.notes[0].startswith("'y' is read as numbers without their ")


def test_few_kinds_with_a_unit_stay_as_they_are_written(tmp_path):
    rows = [f"{i / 3},{i % 2 * 2 + 2} door" for i in range(60)]
    assert load_table(put(tmp_path, ["x,y", *rows]), config("y")).target.classes == (
        "2 door",
        "4 door",
    )


def test_a_target_of_names_is_refused_with_an_example(tmp_path):
    error = refusal(put(tmp_path, ["x,y", *(f"{i / 3},name{i}" for i in range(200))]), config("y"))
    assert error.happened == (
        "the column 'y' of 't.csv' has 200 different texts in 200 rows, as 'name0' in line 2: "
        "too many to be classes"
    )
    assert "name another target" in error.fix
    path = put(tmp_path, ["x,y", *(f"{i / 3},name{i * 3 // 5}" for i in range(200))])
    assert "120 different texts in 200 rows" in refusal(path, config("y")).happened
    said = config("y", kinds={"y": "category"})
    assert len(load_table(path, said).target.classes) == 120


def test_a_date_as_target_is_refused(tmp_path):
    rows = [f"{i / 3},2020-01-{i % 28 + 1:02}" for i in range(60)]
    error = refusal(put(tmp_path, ["x,y", *rows]), config("y"))
    assert error.happened == (
        "the column 'y' of 't.csv' holds dates, as '2020-01-01' in line 2, "
        "and dates are not predicted"
    )
    assert "days" in error.fix


def test_classes_that_differ_in_case_or_spaces_are_said(tmp_path):
    rows = [f"{i / 3},{('yes', 'Yes ', 'not yet', 'notyet')[i % 4]}" for i in range(80)]
    notes = load_table(put(tmp_path, ["x,y", *rows]), config("y")).notes
    assert "the classes 'Yes' and 'yes' of 'y' differ in case or spaces only" in notes
    assert "the classes 'not yet' and 'notyet' of 'y' differ in case or spaces only" in notes


def test_what_could_be_another_date_is_said(tmp_path):
    rows = [f"{i % 9 + 1}/{i % 7 + 1}/2020,{i % 2}" for i in range(60)]
    assert (
        "'x' is read as month/day/year: day/month/year would fit all of its rows, too"
        in load_table(put(tmp_path, ["x,y", *rows]), config("y")).notes
    )


def test_signs_for_nothing_are_missing_among_numbers_and_classes_elsewhere(tmp_path):
    rows = [
        f"{'-' if i % 5 else i / 7},{'.' if i % 7 == 0 else i / 3},{'+-'[i % 2]}" for i in range(70)
    ]
    table = load_table(put(tmp_path, ["a,b,y", *rows]), config("y"))
    assert table.target.classes == ("+", "-")
    assert {column.name: (column.kind, column.missing) for column in table.columns} == {
        "a": ("number", 56), "b": ("number", 10), "y": ("category", 0),
    }  # fmt: skip


def test_columns_left_out_are_named_where_none_is_left(tmp_path):
    lines = ["id,name,planet,y", *(f"{i},n{i},Earth,{i % 2}" for i in range(60))]
    error = refusal(put(tmp_path, lines), config("y", drop=("name",)))
    assert error.happened == (
        "no column of 't.csv' is left to predict 'y' from: 'id' names rows, nearly each has its own"
        ", 'name' is dropped, 'planet' has one value only"
    )
    assert """--set 'data.table.kinds={"id": "number"}'""" in error.fix


@pytest.mark.parametrize("more", [{"drop": ("twon",)}, {"kinds": {"twon": "text"}}])
def test_other_columns_that_are_not_there_are_refused_too(tmp_path, more):
    assert refusal(put(tmp_path, people()), config(**more)).fix == "did you mean 'town'?"


@pytest.mark.parametrize(
    ("lines", "happened"),
    [
        (["x,y"], "none of the 0 rows of 't.csv' has a 'y'"),
        (["x,y", "1,", "2,NA"], "none of the 2 rows of 't.csv' has a 'y'"),
        (["x,y", *["1,a", "2,a"] * 9], "the column 'y' of 't.csv' has one value only: 'a'"),
        (["x,y", *["1,0.5", "2,0.5"] * 9], "the column 'y' of 't.csv' has one value only: '0.5'"),
        (["x,y", *["1,a", "1,b"] * 9], NONE_LEFT),
        (["x,y", "1,a", "2,b", "1.5,a"], "of 3 samples none is left for dev"),
        (
            ["x,y", *(f"{i / 7},{i / 3}" for i in range(30)), "5,much"],
            "the column 'y' of 't.csv' has text in line 32: 'much'; "
            "30 of its 31 values are numbers",
        ),
        (
            ["x,y", *(f"{i / 7},{i % 2}" for i in range(30)), "many,1"],
            "the column 'x' of 't.csv' has text in line 32: 'many'; "
            "30 of its 31 values are numbers",
        ),
        (
            ["x,y", *(f"{i / 7},{i % 2}" for i in range(30)), "inf,1"],
            "the column 'x' of 't.csv' has an infinite number in line 32: inf",
        ),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, lines, happened):
    assert refusal(put(tmp_path, lines), config("y")).happened == happened


def test_a_split_without_rows_is_refused(tmp_path):
    settings = TableConfig(target="rich", split=SplitConfig(dev=0.2, test=0, seed=0))
    table = load_table(put(tmp_path, people()), settings)
    with pytest.raises(UsageError, match="the split 'test' has no rows"):
        table.arrays("test")
    with pytest.raises(UsageError, match="there is no split 'valid'"):
        table.stream("valid", 8)


def test_an_unknown_sample_is_refused():
    with pytest.raises(UsageError, match="did you mean 'iris'"):
        sample_table("irises", config("target"))


PEAK = """
import resource, sys
from pathlib import Path
from gatescope.data import table
from gatescope.data.splits import SplitConfig
table._KEPT_BYTES = 0
config = table.TableConfig(target="y", split=SplitConfig(dev=0.1, test=0.1, seed=0))
made = table.load_table(Path(sys.argv[1]), config)
rows = sum(len(targets) for _, targets in made.epochs(512, seed=0)(0).as_numpy_iterator())
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_all_splits_are_read_at_once_and_are_those_asked_for_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr("gatescope.data.table._KEPT_BYTES", 0)
    table = load_table(put(tmp_path, people(3 * CHUNK + 7)), config())
    one_by_one = {split: table.arrays(split) for split in SPLITS}
    reads, chunks = [], type(table._rows.source).chunks

    def counted(source):
        reads.append(source)
        return chunks(source)

    monkeypatch.setattr(type(table._rows.source), "chunks", counted)
    for split, (inputs, targets) in table.all_arrays().items():
        assert set(inputs) == set(one_by_one[split][0])
        for name, array in inputs.items():
            np.testing.assert_array_equal(array, one_by_one[split][0][name])
        np.testing.assert_array_equal(targets, one_by_one[split][1])
    assert len(reads) == 1


def test_memory_stays_flat_when_the_file_grows_tenfold(tmp_path):
    """Neither file is kept; the larger one would take 40 MB more as cells in memory."""
    peaks = []
    for rows in (4 * CHUNK, 40 * CHUNK):
        path = tmp_path / f"{rows}.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write("a,b,kind,y\n")
            for number in range(rows):
                x = number * 2654435761 % 2**32 / 2**32
                file.write(f"{x:.7f},{x * 7:.7f},{'uvw'[number % 3]},{number % 2}\n")
        command = [sys.executable, "-c", PEAK, str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        read, peak = map(int, result.stdout.split())
        assert read == pytest.approx(rows * 0.8, abs=2)
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 20
