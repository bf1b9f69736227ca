"""Training from photos with captions to a bundle, whatever interrupts it."""

from __future__ import annotations

import errno
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file

from gatescope.caption import fitting
from gatescope.caption.bundle import Bundle, load_bundle
from gatescope.caption.examination import Examination
from gatescope.caption.fitting import CaptionRecipe, fit
from gatescope.caption.metrics import Scores
from gatescope.caption.training import StageTraining, encode_captions
from gatescope.caption.vocabulary import SPECIAL, SPECIAL_WORDS
from gatescope.data.captions import load_captions
from gatescope.data.photos import read_photo
from gatescope.errors import CheckpointError, ConfigurationError, UsageError
from gatescope.models.regions import RegionDetector
from gatescope.runs import files

SCRIPT = Path(__file__).with_name("tiny_fit.py")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_fit", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _script()
NOT = StageTraining(epochs=0, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def _small_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegionDetector, "imagenet", tiny.small_detector)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("data"))


def _log() -> Console:
    return Console(file=io.StringIO(), width=1000)


def _said(console: Console) -> str:
    return console.file.getvalue()


def _short(**changes: object) -> CaptionRecipe:
    """One epoch of teaching."""
    return tiny.tiny_recipe(**({"epochs": 1, "tune": NOT, "reward": NOT} | changes))


def _history(run: Path) -> list[dict[str, object]]:
    return json.loads((run / "history.json").read_text())


# A whole run.


@pytest.fixture(scope="module")
def told() -> Console:
    return _log()


@pytest.fixture(scope="module")
def finished(data: Path, told: Console, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all three stages, two epochs each."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RegionDetector, "imagenet", tiny.small_detector)
        fit(tiny.tiny_recipe(), data, run, console=told)
    return run


def test_a_finished_run_keeps_its_bundle_its_history_and_its_checkpoints(finished: Path) -> None:
    stages = ("teach", "tune", "reward")
    assert sorted(path.name for path in finished.iterdir()) == sorted(
        [
            "recipe.json",
            "history.json",
            "bundle",
            *(f"{stage}.{which}" for stage in stages for which in ("best", "last")),
        ]
    )


def test_history_has_every_epoch_with_its_loss_and_scores(finished: Path) -> None:
    history = _history(finished)
    assert [(line["stage"], line["epoch"]) for line in history] == [
        (stage, epoch) for stage in ("teach", "tune", "reward") for epoch in (0, 1)
    ]
    assert history[1]["loss"] < history[0]["loss"]
    assert set(history[0]["scores"]) == set(Scores.__dataclass_fields__)


def test_what_happens_is_told(told: Console, finished: Path) -> None:
    said = _said(told)
    assert "16 photos to train on, 4 to choose on" in said
    assert "teach: 2 epochs" in said and "tune 2: dev CIDEr-D" in said


def test_alarms_are_told_and_kept(told: Console, finished: Path) -> None:
    alarms = [alarm for line in _history(finished) for alarm in line["alarms"]]
    assert alarms and all(f"look: {alarm}" in _said(told) for alarm in alarms)


def test_the_bundle_says_what_it_scored_as_it_is(data: Path, finished: Path) -> None:
    scores = load_bundle(finished / "bundle").description.scores
    assert (scores["split"], scores["photos"], scores["beam"]) == ("dev", 4, 2)
    evaluation = pytest.importorskip("gatescope.caption.evaluation")
    found = evaluation.evaluate(finished / "bundle", data, split="dev", beam=2)
    # The cache rounds features to half precision, which a near tie between words may notice.
    assert scores["cider"] == pytest.approx(found.scores.cider, abs=0.2)


def test_the_returned_bundle_is_the_one_on_disk(finished: Path, data: Path) -> None:
    returned = fit(tiny.tiny_recipe(), data, finished, resume=True)
    loaded = load_bundle(finished / "bundle")
    assert returned.description == loaded.description
    for one, other in zip(returned.decoder.weights, loaded.decoder.weights, strict=True):
        assert np.array_equal(one, other)


def test_resuming_a_finished_run_trains_nothing(
    finished: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_prepare", None)
    fit(tiny.tiny_recipe(), data, finished, resume=True)


def test_a_recipe_of_before_a_setting_was_added_is_still_the_same(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    file = tmp_path / "run" / "recipe.json"
    asked = json.loads(file.read_text())
    del asked["recipe"]["words"]
    file.write_text(json.dumps(asked))
    fit(tiny.tiny_recipe(), data, tmp_path / "run", resume=True)


def test_regions_that_are_of_no_use_go_and_maps_stay(tmp_path: Path) -> None:
    for name in ("maps-1", "regions-1", "regions-2.unfinished"):
        (tmp_path / name).mkdir()
    fitting._discard_regions(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["maps-1"]


# Interruptions.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="every life of the training is a fork")
def test_a_run_killed_in_every_stage_ends_as_an_uninterrupted_one(
    data: Path, tmp_path: Path
) -> None:
    told = subprocess.run(
        [sys.executable, SCRIPT, data, tmp_path, "1"], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert _history(killed) == _history(whole)
    for name in ("teach.best", "teach.last", "tune.best", "tune.last", "reward.last"):
        # By place: Keras numbers layers by what the process built before.
        one, other = (sorted(load_file(run / name).items()) for run in (whole, killed))
        pairs = zip(one, other, strict=True)
        assert all(np.array_equal(mine, theirs) for (_, mine), (_, theirs) in pairs), name
    for name in ("weights.safetensors", "vocabulary.json", "replay.safetensors", "bundle.json"):
        assert (killed / "bundle" / name).read_bytes() == (whole / "bundle" / name).read_bytes()
    assert sorted(path.name for path in killed.iterdir()) == sorted(
        path.name for path in whole.iterdir()
    )


def test_a_full_disk_leaves_the_checkpoint_before_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, write = tmp_path / "run" / "teach.last", files.atomic_write
    kept: list[bytes] = []

    def full(path: Path, content: object) -> None:
        if path == last and last.exists():
            kept.append(last.read_bytes())
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    _script_scores(monkeypatch, [0.1, 0.2])
    monkeypatch.setattr("gatescope.training.checkpoints.atomic_write", full)
    with pytest.raises(CheckpointError, match="could not be saved: No space left"):
        fit(_short(epochs=2), data, last.parent)
    assert last.read_bytes() == kept[0]


# Choosing.


class _Scripted:
    """An examiner that finds what the test wrote; the bundle at a stage's end scores 0."""

    def __init__(self, ciders: list[float]) -> None:
        self.ciders = iter(ciders)

    def examine(self, regions: object) -> Examination:
        scores = Scores(0, 0, 0, 0, 0, next(self.ciders, 0.0), 0, 1)
        return Examination(("a dog",) * 4, np.array([-1.0, -2.0, -1.5, -3.0]), scores, 1, 0)

    def quality(self, examination: Examination) -> tuple[float, ...]:
        return (0.1, 0.2, 0.3, 0.4)


def _script_scores(patch: pytest.MonkeyPatch, ciders: list[float]) -> None:
    script = _Scripted(ciders)
    final = _Scripted([])
    patch.setattr(fitting.Course, "_examiner", script)
    patch.setattr(fitting.Course, "_examiner_of", lambda course, decoder: final)


def _rounded(checkpoint: Path) -> list[np.ndarray]:
    """The decoder's weights in a checkpoint, as a bundle keeps them."""
    tensors = load_file(checkpoint)
    return [
        tensor.astype(np.float16)
        for name, tensor in sorted(tensors.items())
        if "caption_decoder" in name and "adamw" not in name and "seed" not in name
    ]


def _bundled(run: Path) -> list[np.ndarray]:
    tensors = load_file(run / "bundle" / "weights.safetensors")
    return [tensor for name, tensor in sorted(tensors.items()) if name.startswith("decoder/")]


def test_a_stage_ends_when_patience_does_and_its_best_epoch_is_bundled(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script_scores(monkeypatch, [0.1, 0.5, 0.4, 0.5, 0.9])
    run = tmp_path / "run"
    fit(_short(epochs=5, patience=2), data, run)
    assert [line["scores"]["cider"] for line in _history(run)] == [0.1, 0.5, 0.4, 0.5]
    best, last, bundled = _rounded(run / "teach.best"), _rounded(run / "teach.last"), _bundled(run)
    assert all(map(np.array_equal, best, bundled))
    assert not all(map(np.array_equal, last, bundled))


def test_a_stage_that_makes_it_worse_changes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script_scores(monkeypatch, [0.5, 0.4])
    run = tmp_path / "run"
    fit(_short(reward=StageTraining(epochs=1, learning_rate=1e-2)), data, run)
    assert all(map(np.array_equal, _rounded(run / "teach.best"), _bundled(run)))
    assert not all(map(np.array_equal, _rounded(run / "reward.last"), _bundled(run)))


def test_a_loss_that_is_no_number_ends_the_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        fit(_short(epochs=2, learning_rate=1e30, warmup=0), data, tmp_path / "run")
    assert str(error.value) in {
        f"the loss of epoch {epoch} of the teach stage is {loss}\n"
        "  expected: a finite number\n"
        "  fix: start a new run with a lower rate than the stage's 1e+30"
        for epoch in (1, 2)
        for loss in ("nan", "inf")
    }


# Kinds of networks.


def test_a_gru_in_bfloat16_on_proposals_from_a_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(folder: Path, detector: RegionDetector) -> None:
        named.append(folder)
        detector.network.set_weights([weight * 0 for weight in detector.network.get_weights()])

    named: list[Path] = []
    monkeypatch.setattr(fitting, "load_proposals", load)
    recipe = _short(cell="gru", precision="bfloat16")
    regions = recipe.regions.model_copy(update={"proposals": 2})
    recipe = recipe.model_copy(update={"regions": regions, "proposals": "runs/mine"})
    bundle = fit(recipe, data, tmp_path / "run")
    assert named == [Path("runs/mine")]
    assert not any(weight.any() for weight in bundle.detector.network.get_weights())
    assert bundle.description.decoder.cell == "gru"
    assert bundle.decoder.compute_dtype == "float32"


# Starting from another bundle.


@pytest.fixture(scope="module")
def other_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.write_data(tmp_path_factory.mktemp("other"))
    with (folder / "captions.csv").open("a") as file:
        file.write("cat-left.png,A zebra,train\n")
    return folder


def test_a_start_keeps_words_and_weights_and_learns_new_words(
    finished: Path, other_data: Path, tmp_path: Path
) -> None:
    old = load_bundle(finished / "bundle")
    recipe = _short(learning_rate=1e-30, weight_decay=0.0)
    new = fit(recipe, other_data, tmp_path / "run", start=finished / "bundle")
    count = len(old.vocabulary)
    assert new.vocabulary.words == (*old.vocabulary.words, "zebra")
    for before, after in zip(old.decoder.weights, new.decoder.weights, strict=True):
        assert np.array_equal(before.numpy(), after.numpy()[: before.shape[0]])
    assert np.abs(new.decoder.words.embeddings.numpy()[count:]).sum() > 0
    wrote = [photo.captions for photo in load_captions(other_data).split("train")]
    ids = encode_captions(wrote, new.vocabulary, count=2, longest=6)
    # A new word starts at its frequency, one added to each count.
    frequency = (1 + (ids == count).sum()) / (len(new.vocabulary) + (ids >= SPECIAL.end).sum())
    np.testing.assert_allclose(new.decoder.word_bias[count], np.log(frequency), rtol=1e-3)
    assert new.description.tuned and _same(old.detector.top, new.detector.top)


def test_a_start_that_only_gets_worse_stays(
    finished: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script_scores(monkeypatch, [0.5, 0.4, 0.5])
    run = tmp_path / "run"
    fit(_short(epochs=2, learning_rate=1e-2), data, run, start=finished / "bundle")
    lines = [(line["stage"], line["epoch"], line["loss"] is None) for line in _history(run)]
    assert lines == [("start", 0, True), ("teach", 0, False), ("teach", 1, False)]
    assert all(map(np.array_equal, _bundled(finished), _bundled(run)))
    assert not all(map(np.array_equal, _rounded(run / "teach.last"), _bundled(run)))


def test_a_start_of_another_size_is_refused(
    finished: Path, other_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as error:
        fit(_short(cell="gru"), other_data, tmp_path / "run", start=finished / "bundle")
    assert "the recipe's regions or decoder differ from the bundle's" in str(error.value)
    assert "cell='lstm'" in error.value.expected
    assert error.value.fix == "leave those settings out of --set, or train without --from"


# Folders.


def test_a_run_is_not_overwritten(finished: Path, data: Path) -> None:
    with pytest.raises(UsageError) as error:
        fit(tiny.tiny_recipe(), data, finished)
    assert str(error.value) == (
        f"{finished} holds a training already\n"
        "  expected: a new folder, or --resume\n"
        f"  fix: add --resume to go on with it, or choose another --run than {finished}"
    )


def test_there_must_be_something_to_resume(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError) as error:
        fit(tiny.tiny_recipe(), data, tmp_path, resume=True)
    assert str(error.value) == (
        f"{tmp_path} holds no training to resume\n"
        "  expected: a folder with recipe.json\n"
        "  fix: leave --resume out to start one there"
    )


@pytest.mark.parametrize("what", ["recipe", "data", "start"])
def test_only_the_same_training_is_resumed(
    finished: Path, data: Path, other_data: Path, what: str
) -> None:
    recipe = _short() if what == "recipe" else tiny.tiny_recipe()
    with pytest.raises(ConfigurationError) as error:
        fit(
            recipe,
            other_data if what == "data" else data,
            finished,
            resume=True,
            start=finished / "bundle" if what == "start" else None,
        )
    happened, expected, fix = str(error.value).split("\n")
    assert happened == f"{finished} was started with another recipe, other data or another start"
    named = {"recipe": "recipe.", "data": "data", "start": "start"}[what]
    assert expected.startswith(f"  expected: the same as in {finished / 'recipe.json'}: {named}")
    assert fix == (
        "  fix: repeat the --data, --from and --set of the first command, or start a new run"
    )


def test_a_recipe_that_cannot_be_read_is_told(tmp_path: Path, data: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"recipe": ')
    with pytest.raises(ConfigurationError, match=r"recipe\.json cannot be read: Invalid JSON"):
        fit(tiny.tiny_recipe(), data, tmp_path, resume=True)


# The real backbone.


def test_the_real_backbone_trains_and_captions(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    tune = StageTraining(epochs=1, learning_rate=1e-3)
    recipe = _short(epochs=0, tune=tune, batch_size=16, mirror=False)
    bundle: Bundle = fit(recipe, data, tmp_path / "run")
    regions = bundle.detector.regions(read_photo(data / "cat-left.png", size=64)[None])
    assert regions.features.shape == (1, 5, 1280)
    assert bundle.description.tuned
    assert replace(bundle).vocabulary.words[:4] == SPECIAL_WORDS


def _same(one: object, other: object) -> bool:
    return all(map(np.array_equal, one.get_weights(), other.get_weights()))
