"""How often is looked, for what it costs."""

from __future__ import annotations

import pytest

from gatescope.scope.budget import Budget, in_words


def run(budget: Budget, calls: int, plain: float, looking: float, own: float = 0.0) -> list[bool]:
    looks = []
    for _ in range(calls):
        looked = budget.is_due()
        looks.append(looked)
        budget.account(looked, (looking if looked else plain) + own, 1, own)
    return looks


@pytest.mark.parametrize("overhead", [0.02, 0.05, 0.5])
@pytest.mark.parametrize("looking", [1.2, 2.0, 10.0])
def test_the_budget_is_used_and_kept(overhead: float, looking: float) -> None:
    budget = Budget(overhead)
    looks = run(budget, 3_000, 1.0, looking)
    spent = (sum(looks) - 1) * (looking - 1.0) / 3_000  # the first is not counted
    assert spent <= overhead * 1.02 + 0.01
    assert spent >= min(overhead, (looking - 1) / 3) * 0.85
    assert budget.cost == pytest.approx(spent, rel=0.05)
    assert (budget.steps, budget.probed) == (3_000, sum(looks))


def test_what_every_step_takes_counts() -> None:
    budget = Budget(0.05)
    budget.tell(0.03)
    budget.tell(0.9)  # its thread was paused
    looks = run(budget, 3_000, 1.03, 1.5)
    assert budget.cost == pytest.approx(0.05, abs=0.003)
    assert 0 < sum(looks) < 150


def test_what_a_look_costs_the_call_after_it_counts() -> None:
    budget, before, took = Budget(0.05), False, 0.0
    for _ in range(3_000):
        looked = budget.is_due()
        seconds = 1.3 if looked else 1.1 if before else 1.0
        budget.account(looked, seconds, 1)
        took, before = took + seconds - 1.0, looked
    assert 0.04 < took / 3_000 <= 0.0505


def test_work_in_other_threads_counts() -> None:
    budget = Budget(0.05)
    for _ in range(3_000):
        looked = budget.is_due()
        budget.account(looked, 1.5 if looked else 1.0, 1, aside=0.02)
    assert budget.cost == pytest.approx(0.05, abs=0.003)
    assert 120 < budget.probed < 190  # three of the five percent are left for looks


def test_short_steps_are_looked_at_all_the_same() -> None:
    budget = Budget(0.05)
    looks = run(budget, 3_000, 1.0, 1.5, own=0.2)
    assert budget.cost > 0.19
    assert 5 < sum(looks) < 100


def test_pauses_of_the_machine_cost_no_looks() -> None:
    budget = Budget(0.05)
    for number in range(2_000):
        looked = budget.is_due()
        seconds = 1.5 if looked else 1.0
        budget.account(looked, seconds * (20 if number % 37 == 0 else 1), 1)
    assert budget.probed > 100


def test_first_calls_build_and_are_not_counted() -> None:
    budget = Budget(0.05)
    assert not budget.is_due()
    budget.account(False, 60.0, 1)
    assert budget.is_due()
    assert budget.is_first(True)
    budget.account(True, 90.0, 1)
    assert budget.cost == 0
    assert not budget.is_due()  # never twice in a row
    budget.build_again()
    assert budget.is_first(False)
    assert budget.steps == 2


def test_each_training_is_looked_at_early_as_long_as_that_takes_next_to_nothing() -> None:
    budget, looked = Budget(0.02), 0
    for _ in range(100):
        budget.begin()
        looked += any(run(budget, 4, 0.001, 0.051))
    assert 8 <= looked <= 20  # half a second's worth, and what the budget has
    assert in_words(*budget.since((0.0, 0.0))).startswith("0.")


def test_what_a_training_took_is_told_from_its_beginning() -> None:
    budget = Budget(0.05)
    run(budget, 500, 1.0, 1.5)
    mark = budget.mark
    assert budget.since(mark) == (0.0, 0.0)
    looks = run(budget, 500, 1.0, 1.5)
    seconds, share = budget.since(mark)
    assert seconds == pytest.approx(sum(looks) * 0.5)
    assert share == pytest.approx(seconds / 500)
