import subprocess
import sys
from pathlib import Path

import pytest


def lines_of(log):
    """Maps (epoch, step) to what a training saw there, as exact text; a cut last line is left."""
    whole = log.read_text().split("\n")[:-1]
    return {tuple(line.split(" ", 2)[:2]): line.split(" ", 2)[2] for line in whole}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """One whole training, and those that were killed one after the other up to the last."""
    folder = tmp_path_factory.mktemp("killed")
    script = Path(__file__).with_name("killed_training.py")
    subprocess.run([sys.executable, script, folder], check=True, timeout=600)
    killed = [lines_of(log) for log in sorted(folder.glob("killed*.log"))]
    return lines_of(folder / "whole.log"), killed


def test_a_killed_and_resumed_training_sees_the_same_losses_to_the_bit(trainings):
    whole, killed = trainings
    for seen in killed:
        assert seen == {key: whole[key] for key in seen}
    assert set(whole) == set().union(*killed)


def test_each_training_went_on_after_the_last_epoch_that_was_saved(trainings):
    _, killed = trainings
    first = [min(int(epoch) for epoch, _ in seen) for seen in killed]
    assert first == sorted(first) and first[0] == 0 < first[1], first
