"""How well a network does, beside what is easy."""

from __future__ import annotations

import numpy as np
import pytest

from gatescope.doctor.outcome import Outcome, simple_skill, skill, skill_of_history, task_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("y", "loss", "task"),
    [
        (np.eye(3)[[0, 1, 2, 0]], None, "classes"),
        (np.array([[1, 0, 1], [0, 0, 0]]), None, "labels"),
        (np.array([0, 1, 1]), None, "binary"),
        (np.array([-1, 1, 1]), "hinge", "binary"),
        (np.tile([0, 1, 2], 20), None, "classes"),
        (np.tile([0, 1, 2], 20), "mean_squared_error", "numbers"),
        (np.array([0.5, 1.5]), None, "numbers"),
        (np.tile([0, 1, 2], (5, 4)), "sparse_categorical_crossentropy", "classes"),
        (np.array([3, 9, 700]), "sparse_categorical_crossentropy", "classes"),
    ],
)
def test_labels_tell_the_task(y: np.ndarray, loss: str | None, task: str) -> None:
    assert task_of(y, loss, 1) == task


def test_skill_is_zero_for_guessing_and_one_for_right() -> None:
    y = np.tile([0, 1, 2], 30)
    assert skill(y, np.eye(3)[y], "classes") == 1
    assert skill(y, np.tile([1.0, 0, 0], (90, 1)), "classes") == pytest.approx(0)
    numbers = RNG.normal(size=50)
    assert skill(numbers, numbers[:, None], "numbers") == pytest.approx(1)
    assert skill(numbers, np.full((50, 1), numbers.mean()), "numbers") == pytest.approx(0)
    assert skill(y, np.full((90, 3), np.nan), "classes") == -1


def test_each_position_of_a_sequence_counts() -> None:
    y = RNG.integers(0, 4, (20, 7))
    assert skill(y, np.eye(4)[y], "classes") == 1
    assert skill(y, np.eye(4)[(y + 1) % 4], "classes") < 0


def test_two_classes_under_any_names() -> None:
    y = np.array([-1, 1, 1, -1])
    assert skill(y, np.array([[-0.2], [0.1], [2.0], [-3.0]]), "binary") == 1
    assert skill((y + 1) // 2, np.array([0.2, 0.6, 0.9, 0.1]), "binary") == 1


def test_a_rare_class_that_is_never_found_shows() -> None:
    y = (np.arange(100) < 5).astype(int)
    assert skill(y, np.zeros((100, 1)), "binary") == pytest.approx(0)


def test_a_simple_model_learns_what_is_simple() -> None:
    x = RNG.normal(size=(300, 4))
    y = (x[:, 0] > 0).astype(int)
    assert (simple_skill(x[:200], y[:200], x[200:], y[200:], "binary") or 0) > 0.8
    noise = RNG.integers(0, 2, 300)
    assert abs(simple_skill(x[:200], noise[:200], x[200:], noise[200:], "binary") or 0) < 0.3


def test_history_is_read_beside_the_best_constant() -> None:
    y = np.array([0.0, 2.0] * 50)
    ends = {"loss": 0.25, "val_loss": 1.0}
    assert skill_of_history(ends, "mean_squared_error", y, "numbers", None, 1) == (0.75, 0.0)
    y = np.tile([0, 1], 50)
    ends = {"loss": 0.1, "accuracy": 0.9}
    assert skill_of_history(ends, "binary_crossentropy", y, "binary", None, 1)[0] == pytest.approx(
        0.8
    )
    assert skill_of_history({"loss": float("nan")}, None, None, None, None, None)[0] == -1


@pytest.mark.parametrize(
    ("outcome", "fails", "fine"),
    [
        (Outcome(0.9, simple=0.5), False, True),
        (Outcome(0.0, simple=0.5), True, False),
        (Outcome(0.5, simple=0.9), True, False),
        (Outcome(0.0, simple=0.0), False, False),
        (Outcome(0.0), True, False),
        (Outcome(None), False, False),
    ],
)
def test_what_fails_and_what_does_well(outcome: Outcome, fails: bool, fine: bool) -> None:
    assert (outcome.fails, outcome.fine) == (fails, fine)
