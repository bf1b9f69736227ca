"""After training: new inputs are read as training data were; answers and scores are right."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter
from scipy.io import wavfile
from sklearn import datasets as sklearn_data
from sklearn import metrics

from gatescope.data.bundled import Bundled
from gatescope.data.csv_file import CsvFile
from gatescope.data.datasets import Dataset, Source
from gatescope.data.images import ImagesConfig
from gatescope.data.reader import RawFile, Reader, Rows
from gatescope.data.readers import AnyReader
from gatescope.data.sounds import SoundsConfig
from gatescope.data.sources import ImageFiles, SoundFiles, TableFile, TextFiles
from gatescope.data.splits import SplitConfig
from gatescope.data.table import TableConfig
from gatescope.data.texts import TextsConfig, load_texts
from gatescope.errors import DataError, RunError, UsageError
from gatescope.models.dense import DenseConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
from gatescope.recipes.kinds.kept import INPUTS, Output, network_folder, open_network
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.running.evaluation import evaluate, result_of
from gatescope.recipes.running.evaluation_view import evaluation_page
from gatescope.recipes.running.new_inputs import from_json, from_paths
from gatescope.recipes.running.prediction import Batch, Refusal
from gatescope.training.fit import FitConfig

FIFTHS = SplitConfig(dev=0.2, test=0.2, seed=0)
RNG = np.random.default_rng(0)


def table(folder: Path) -> Source:
    words = ("a fine big house", "an old small one", "just a house by the sea", "nothing but walls")
    rows = "".join(
        f"{i if i % 7 else ''};{'ab'[i % 2]};{words[i % 4]} {i};{i % 28 + 1:02}.03.2020;{i / 3}\n"
        for i in range(60)
    )
    (folder / "a.csv").write_text("size;colour;about;built;price (EUR)\n" + rows)
    return TableFile(path=folder / "a.csv", table=TableConfig(target="price (EUR)", split=FIFTHS))


def images(folder: Path) -> Source:
    for name in ("cat", "dog", "owl"):
        (folder / name).mkdir()
        for place in range(10):
            pixels = RNG.integers(0, 256, (9, 7, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{place}.png")
    return ImageFiles(path=folder, images=ImagesConfig(height=6, width=6, channels=1, split=FIFTHS))


def sounds(folder: Path) -> Source:
    for name in ("yes", "no"):
        (folder / name).mkdir()
        for place in range(10):
            wave = RNG.integers(-9999, 9999, 800, np.int16)
            wavfile.write(folder / name / f"{place}.wav", 8000, wave)
    asked = SoundsConfig(rate=8000, seconds=0.1, mels=8, split=FIFTHS)
    return SoundFiles(path=folder, sounds=asked)


def texts(folder: Path) -> Source:
    for name, word in (("good", "fine"), ("bad", "dull")):
        lines = "".join(f"a {word} film of {i} scenes\n" for i in range(20))
        (folder / f"{name}.txt").write_text(lines)
    asked = TextsConfig(classes={"bad": "bad.txt", "good": "good.txt"}, split=FIFTHS)
    return TextFiles(path=folder, texts=asked)


def raw_samples(source: Source) -> object:
    """All samples of a source as people have them, read without its help."""
    if isinstance(source, TableFile):
        (chunk,) = CsvFile(source.path).chunks()
        return Rows("a.csv", chunk.cells)
    if isinstance(source, TextFiles):
        return load_texts(source.path, source.texts).texts
    files = sorted(each for each in source.path.rglob("*") if each.suffix in (".png", ".wav"))
    return [RawFile(str(each), each.read_bytes()) for each in files]


def as_kept(reader: Reader) -> Reader:
    """A reader after a way through JSON, as a run's folder has it."""
    adapter: TypeAdapter[Reader] = TypeAdapter(AnyReader)
    return adapter.validate_json(adapter.dump_json(reader))


def multiset(x: dict[str, np.ndarray]) -> list[bytes]:
    names = sorted(x)
    return sorted(
        b"".join(x[name][place].tobytes() for name in names) for place in range(len(x[names[0]]))
    )


def whole(data: Dataset) -> dict[str, np.ndarray]:
    parts = (data.train, data.dev, data.test)
    return {name: np.concatenate([part.x[name] for part in parts]) for name in data.train.x}


@pytest.mark.parametrize("make", [table, images, sounds, texts])
def test_what_is_kept_reads_raw_inputs_to_the_bits_of_training(make, tmp_path: Path) -> None:
    source = make(tmp_path)
    data = source.load()
    reader = as_kept(data.reader)
    assert reader == data.reader
    found, expected = reader.read(raw_samples(source)), whole(data)
    assert {name: one.dtype for name, one in found.items()} == {
        name: one.dtype for name, one in expected.items()
    }
    assert multiset(found) == multiset(expected)


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes", "digits"])
@pytest.mark.parametrize("other", [{}, {"scaled": False}, {"flat": True}])
def test_bundled_tables_are_read_to_the_bits_of_training(name: str, other: dict) -> None:
    data = Bundled(name=name, **other).load()
    reader, bunch = as_kept(data.reader), getattr(sklearn_data, f"load_{name}")()
    if reader.takes == "images":
        found = {"image": reader.finish(bunch.images[..., None])}
    else:
        columns = zip(bunch.feature_names, bunch.data.T, strict=True)
        cells = {column: [repr(float(one)) for one in numbers] for column, numbers in columns}
        found = reader.read(Rows("bunch", cells))
    assert multiset(found) == multiset(whole(data))


def test_a_file_of_a_digit_is_read_on_the_scale_of_training() -> None:
    data, digit = Bundled(name="digits").load(), sklearn_data.load_digits().images[3]
    grey = Image.fromarray((digit * 255 / 16).round().astype(np.uint8))
    file = io.BytesIO()
    grey.save(file, "png")
    read = data.reader.read([RawFile("digit.png", file.getvalue())])["image"]
    np.testing.assert_allclose(read[0, :, :, 0], digit / 16, atol=0.5 / 255 + 1e-6)


def test_targets_that_are_scaled_know_their_unit() -> None:
    data = Bundled(name="diabetes").load()
    (target,) = data.targets
    raw = Bundled(name="diabetes", scaled=False).load().test.y["progression"]
    back = data.test.y["progression"] * target.deviation + target.mean
    np.testing.assert_allclose(back, raw, rtol=1e-5)


def test_samples_are_told_as_they_were(tmp_path: Path) -> None:
    data = table(tmp_path).load()
    read = data.reader.read(
        Rows("new", {"size": ["12", ""], "colour": ["a", "z"], "about": ["a fine house", "walls"],
                     "built": ["02.01.1970", "03.01.1970"]})
    )  # fmt: skip
    first, second = data.reader.told(read)
    assert first == "size 12, built 1, colour a, about a fine house"
    assert second == "size missing, built 2, colour (unseen), about walls"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"sizes": ["1"]}, "has no column 'size', 'colour', 'about', 'built'[\\s\\S]*"
                           "'size': did you mean 'sizes'"),
        ({"size": ["x"], "colour": ["a"], "about": ["b"], "built": ["01.01.2020"]},
         "has 'x' as 'size' in row 1"),
        ({"size": ["1"], "colour": ["a"], "about": ["b"], "built": ["soon"]},
         "has 'soon' as 'built' in row 1"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_said(cells, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        table(tmp_path).load().reader.read(Rows("new.csv", cells))


def test_numbers_that_are_missing_or_too_few_are_said() -> None:
    reader = Bundled(name="iris").load().reader
    with pytest.raises(DataError, match="has 3 values a row, the network takes 4"):
        reader.read(Rows("line 1", {str(i): ["1"] for i in range(3)}, named=False))
    with pytest.raises(DataError, match=r"has no 'sepal length \(cm\)' in row 1"):
        reader.read(Rows("line 1", {str(i): [""] for i in range(4)}, named=False))


def test_values_without_names_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    reader = table(tmp_path).load().reader
    assert reader.columns == ("size", "colour", "about", "built")
    lines = [
        '[12, "a", "a house", "02.01.1970"]',
        '{"built": "02.01.1970", "colour": "a", "about": "a house", "size": 12}',
    ]
    listed, named = (reader.read(batch.raw) for batch in from_json(reader, lines))
    for name, values in listed.items():
        np.testing.assert_array_equal(values, named[name])
    (short,) = from_json(reader, ["[12]"])
    with pytest.raises(
        DataError,
        match=r"has 1 values.* takes 4\n  .* in this order: 'size', 'colour', 'about', 'b",
    ):
        reader.read(short.raw)
    # A run of before tells no order: its reader has the one that it had.
    plan = reader.plan.__class__(**{**vars(reader.plan), "order": ()})
    assert reader.model_copy(update={"plan": plan}).columns == ("size", "built", "colour", "about")


def test_what_training_did_not_have_is_noted(tmp_path: Path) -> None:
    reader = table(tmp_path).load().reader
    cells = {"size": ["", "1", "2"], "colour": ["a", "z", ""], "about": ["house"] * 3,
             "built": ["01.03.2020", "", "02.03.2020"]}  # fmt: skip
    # The size was missing in training, too, and has a second column there.
    assert reader.notes(Rows("new.csv", cells)) == [
        [],
        [
            "'built' is missing, as in no row of training: the mean of training, 2020-03-13, "
            "stands for it",
            "'colour' is 'z', as in no row of training: it is read as unseen",
        ],
        ["'colour' is missing, as in no row of training: it is read as unseen"],
    ]


def test_columns_in_capitals_are_recognised_in_messages(tmp_path: Path) -> None:
    source = table(tmp_path)
    cells = {name.upper(): ["1"] for name in ("size", "colour", "about", "built")}
    with pytest.raises(
        DataError, match=r"'size': did you mean 'SIZE'\?; 'colour': did you mean 'C"
    ):
        source.load().reader.read(Rows("new.csv", cells))
    with pytest.raises(DataError, match="add it; the columns here are 'colour', 'about', 'built'"):
        source.load().reader.read(
            Rows("new.csv", {name: ["1"] for name in ("colour", "about", "built")})
        )
    other = tmp_path / "other.csv"
    other.write_text("PRICE (EUR);size\n1;2\n")
    kept = open_network(trained(source, tmp_path / "run"))
    with pytest.raises(DataError, match=r"no column 'price \(EUR\)'[\s\S]*mean 'PRICE \(EUR\)'"):
        evaluate(kept, path=other)
    other.write_text("price (EUR);size;colour;about;built\n;2;a;house;01.03.2020\n")
    with pytest.raises(DataError, match=r"none of the 1 rows of .* has a 'price \(EUR\)'"):
        evaluate(kept, path=other)
    rows = "".join(f"1;2;new {number};house;01.03.2020\n" for number in range(7))
    other.write_text("price (EUR);size;colour;about;built\n" + rows)
    notes = evaluate(kept, path=other).notes
    assert len(notes) == 6 and notes[-1] == "2 more values are unlike those of training"
    assert notes[0].startswith("in 1 of 7 rows 'colour' is 'new ")


def trained(source: Source, folder: Path) -> Path:
    data = source.load()
    network = DenseConfig(inputs=inputs_of(data), hidden=(4,), outputs=outputs_of(data))
    asked = NetworkRecipe(
        data=source, network=network, training=FitConfig(epochs=1), baselines=(), expected={}
    )
    asked.run(ModuleType("mine"), folder, resume=False, console=None)
    return folder


@pytest.mark.parametrize("make", [table, images, texts])
def test_a_run_can_be_scored_again_and_shown(make, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    source = make(tmp_path / "data")
    kept = open_network(trained(source, tmp_path / "run"))
    found = evaluate(kept)
    data, (output,) = source.load(), found.outputs
    said = keras.models.load_model(kept.folder / "model.keras").predict(data.test.x, verbose=0)
    if output.output.is_number:
        right = data.test.y["price_EUR"] * data.targets[0].deviation + data.targets[0].mean
        assert output.scores["mean absolute error"] == pytest.approx(
            np.abs(said * data.targets[0].deviation + data.targets[0].mean - right).mean(), rel=1e-4
        )
        assert {one.column for one in found.importance} == {"size", "colour", "about", "built"}
    else:
        chosen = said.argmax(-1) if said.shape[1] > 1 else said[:, 0] > 0.5
        assert output.scores["accuracy"] == pytest.approx((chosen == data.test.y["class"]).mean())
        assert output.confusion.sum() == len(data.test)
    page = evaluation_page(found, kept.inputs.reader)
    assert "The worst mistakes" in page and "<script" not in page
    json.dumps(found.to_dict(), allow_nan=False)
    # All of the same data, read as other data: as many samples as there are.
    assert len(evaluate(kept, path=source.path).part) == sum(
        map(len, (data.train, data.dev, data.test))
    )
    assert evaluate(kept, path=source.path, split="test").to_dict() == found.to_dict()


def test_files_and_folders_are_answered_in_order_with_those_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    source = images(tmp_path)
    reader, (cat, dog) = source.load().reader, (tmp_path / "cat", tmp_path / "dog" / "1.png")
    (tmp_path / "empty").mkdir()
    paths = [dog, tmp_path / "no.png", cat, tmp_path / "empty", dog]
    found = list(from_paths(reader, paths))
    assert [each.input if isinstance(each, Refusal) else len(each.names) for each in found] == [
        1, str(paths[1]), 10, str(paths[3]), 1,
    ]  # fmt: skip
    told = [str(each.error) for each in found if isinstance(each, Refusal)]
    assert "no.png' cannot be read: No such file or directory\n  expected: a file" in told[0]
    assert "empty' holds no file that the network could read\n  expected: files" in told[1]
    (missing,) = from_json(reader, ['{"image": "no.png"}'])
    assert missing.input == "line 1" and "'no.png' cannot be read: No such" in str(missing.error)


def test_files_without_a_text_do_not_stop_the_others(tmp_path: Path) -> None:
    reader = texts(tmp_path).load().reader
    for name, content in (("one", b"fine\n\ndull"), ("none", b"\n"), ("other", b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
    found = list(from_paths(reader, [tmp_path / name for name in ("none", "one", "other")]))
    assert isinstance(found[1], Batch) and found[1].raw == ["fine", "dull"]
    assert "none' has no text\n  expected: texts, one a line" in str(found[0].error)
    assert "other' is no text in UTF-8" in str(found[2].error)


def test_a_text_of_unknown_words_alone_is_noted(tmp_path: Path) -> None:
    reader = texts(tmp_path).load().reader
    note = "no word of it was in training: each is read as unknown"
    assert reader.notes(["a fine day", "xyzzy"]) == [[], [note]]


def test_other_data_have_no_parts_and_no_other_classes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    kept = open_network(trained(texts(tmp_path / "data"), tmp_path / "run"))
    other = tmp_path / "other"
    other.mkdir()
    for name in ("good", "bad"):
        lines = "".join(f"{name} number {i}\n" for i in range(10))
        (other / f"{name}.txt").write_text(lines)
    assert len(evaluate(kept, path=other).part) == 20
    with pytest.raises(UsageError, match="are not the data that the network was trained on"):
        evaluate(kept, path=other, split="test")
    (tmp_path / "pets").mkdir()
    kept = open_network(trained(images(tmp_path / "pets"), tmp_path / "petrun"))
    (tmp_path / "pets" / "dog").rename(tmp_path / "pets" / "dogs")
    with pytest.raises(DataError, match=r"not in training: 'dogs'[\s\S]*'dog'"):
        evaluate(kept, path=tmp_path / "pets")


def test_what_other_data_leave_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    source = images(tmp_path / "pets")
    kept = open_network(trained(source, tmp_path / "run"))
    (tmp_path / "pets" / "owl" / "3.png").write_bytes(b"no image")
    found = evaluate(kept, path=source.path)
    (note,) = found.notes
    assert note == "1 of 30 files cannot be read and were left out: 'owl/3.png'"
    assert len(found.part) == 29 and found.to_dict()["notes"] == [note]
    assert "owl/3.png" in evaluation_page(found, kept.inputs.reader)


def test_rows_without_a_target_are_told(tmp_path: Path) -> None:
    source = table(tmp_path)
    kept = open_network(trained(source, tmp_path / "run"))
    with source.path.open("a") as file:
        file.write("3;a;a fine big house;01.03.2020;\n")
    found = evaluate(kept, path=source.path)
    assert (
        found.notes == ("1 rows have no 'price (EUR)' and were left out",) and len(found.part) == 60
    )


def test_other_data_tell_one_output(tmp_path: Path) -> None:
    kept = open_network(trained(table(tmp_path), tmp_path / "run"))
    inputs = kept.inputs.model_copy(update={"outputs": kept.inputs.outputs * 2})
    with pytest.raises(
        UsageError, match=r"has 2 outputs, and other data tell one: price \(EUR\), price"
    ):
        evaluate(replace(kept, inputs=inputs), path=tmp_path / "a.csv")


def test_what_is_no_run_or_not_finished_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no trained network"):
        network_folder(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text("{}")
    with pytest.raises(RunError, match=r"the training in '.*/run' is not finished"):
        network_folder(tmp_path)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(RunError, match="is not finished"):
        network_folder(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.keras").touch()
        (tmp_path / name / INPUTS).write_text("{")
    with pytest.raises(UsageError, match=r"holds 2 networks[\s\S]*/a, "):
        network_folder(tmp_path)


def classes(kind: str, names: tuple[str, ...], **more: object) -> Output:
    return Output(name="class", kind=kind, classes=names, **more)


def test_scores_are_those_of_scikit_learn() -> None:
    true = RNG.integers(0, 3, 200)
    said = RNG.dirichlet((1, 1, 1), 200)
    found = result_of(classes("classes", ("a", "b", "c")), true, said)
    assert found.scores["accuracy"] == pytest.approx((said.argmax(1) == true).mean())
    assert found.scores["log loss"] == pytest.approx(metrics.log_loss(true, said))
    assert found.scores["area under ROC"] == pytest.approx(
        metrics.roc_auc_score(true, said, multi_class="ovr")
    )
    worst = found.worst[0]
    wrong = said.argmax(1) != true
    assert wrong[worst] and said[worst, true[worst]] == said[wrong, true[wrong]].min()


def test_calibration_is_perfect_where_it_says_what_happens_and_bad_where_it_boasts() -> None:
    share = RNG.uniform(0, 1, 20_000)
    true = (RNG.uniform(0, 1, 20_000) < share).astype(int)
    output = classes("binary", ("no", "yes"))
    honest = result_of(output, true, share[:, None])
    assert honest.scores["expected calibration error"] < 0.02
    boasting = result_of(output, true, np.round(share)[:, None])
    # It is always sure, and right three times of four.
    assert boasting.scores["expected calibration error"] == pytest.approx(0.25, abs=0.02)


def test_outputs_of_a_hinge_loss_are_parted_at_0_and_are_no_probabilities() -> None:
    output = classes("binary", ("no", "yes"), probable=False)
    found = result_of(output, np.array([0, 1, 1]), np.array([[-0.2], [0.3], [-0.1]]))
    assert found.scores["accuracy"] == pytest.approx(2 / 3)
    assert found.calibration is None and found.worst == [2]
