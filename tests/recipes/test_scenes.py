"""A tiny version of the recipe; its full numbers are made by benchmarks/scenes.py."""

import json

import pytest

from gatescope.data.scenes import HELD_OUT
from gatescope.errors import ConfigurationError, UsageError
from gatescope.recipes import scenes
from gatescope.recipes.kinds.settings import override

TINY = ["scenes=48", "test_scenes=4", "examples=1", "epochs=2", "batch_size=16", "decoding.beam=1"]


def tiny(*settings):
    return override(scenes.recipe(), [*TINY, *settings])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("scenes") / "run"
    return run, scenes.run(tiny(), run, resume=False, console=None)


def test_a_run_that_was_killed_ends_like_one_that_was_not(finished, tmp_path, monkeypatch):
    saved = scenes.save_checkpoint

    def save_and_die(*args, **kwargs):
        saved(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scenes, "save_checkpoint", save_and_die)
        scenes.run(tiny(), tmp_path, resume=False, console=None)
    resumed = scenes.run(tiny(), tmp_path, resume=True, console=None)
    assert resumed.losses == finished[1].losses


def test_a_run_keeps_its_request_its_weights_and_its_numbers(finished):
    run, result = finished
    assert {file.name for file in run.iterdir()} == {
        scenes.RECIPE,
        scenes.CHECKPOINT,
        scenes.RESULTS,
    }
    numbers = json.loads((run / scenes.RESULTS).read_text())
    assert numbers["losses"] == list(result.losses)
    assert numbers["exact_held_out"] == result.exact_held_out
    assert set(numbers) == set(vars(result)) - {"examples"}


def test_examples_of_both_splits_tell_what_would_be_right(finished):
    examples = finished[1].examples
    assert len(examples) == 2
    _, test, held_out = scenes._make_splits(tiny())
    for view, scene in zip(examples, (test[0], held_out[0]), strict=True):
        right = view.text in scene.captions
        assert right == (view.note == "Exactly right.")
        assert right or scene.captions[0] in view.note


def test_a_folder_holds_one_run_and_resumes_no_other(finished):
    run, _ = finished
    with pytest.raises(UsageError, match="holds a training already"):
        scenes.run(tiny(), run, resume=False, console=None)
    with pytest.raises(ConfigurationError, match="started with another recipe"):
        scenes.run(tiny("seed=7"), run, resume=True, console=None)
    with pytest.raises(UsageError, match="no training to resume"):
        scenes.run(tiny(), run / "empty", resume=True, console=None)


def test_no_test_scene_and_no_held_out_pair_is_seen_in_training():
    train, test, held_out = scenes._make_splits(tiny("scenes=300", "test_scenes=100"))
    seen = {scene.image.tobytes() for scene in train}
    assert not any(scene.image.tobytes() in seen for scene in (*test, *held_out))
    pairs = [{(thing.colour, thing.shape) for thing in scene.objects} for scene in train + test]
    assert not any(found & set(HELD_OUT) for found in pairs)
    for scene in held_out:
        assert sum((thing.colour, thing.shape) in HELD_OUT for thing in scene.objects) == 1


def test_seeds_never_share_a_split():
    firsts = [
        split[0].image.tobytes()
        for seed in range(3)
        for split in scenes._make_splits(tiny(f"seed={seed}"))[:2]
    ]
    assert len(set(firsts)) == len(firsts)
