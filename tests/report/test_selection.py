"""Which results are shown, and in which order."""

from synthetic_results import grid, make

from safebench.record.admission import grouped
from safebench.report.selection import by_task_and_learner, largest_first, one_per_cell, ordered


def test_a_cell_in_two_suites_is_shown_once():
    kept, others = one_per_cell([make(seeds=2, suite="quick"), make(seeds=3, suite="paper")])
    assert [cell.suite for cell in kept] == ["paper"]
    assert grouped(others) == ["pendulum/ray-mask--shac (quick): shown from suite paper"]


def test_of_equals_that_of_the_largest_suite_is_shown():
    cells = [make(suite="analytic"), make(suite="paper"), make(suite="paper", safeguard="none")]
    for order in (cells, cells[::-1]):
        kept, others = one_per_cell(order)
        assert {cell.suite for cell in kept} == {"paper"}
        assert grouped(others) == ["pendulum/ray-mask--shac (analytic): shown from suite paper"]


def test_results_are_listed_by_task_and_learner_with_the_unguarded_first():
    shuffled = grid()[::-1]
    names = [(cell.task.name, cell.learner.name, cell.safeguard.name) for cell in ordered(shuffled)]
    assert names[:3] == [("pendulum", "ppo", name) for name in ("none", "boundary-projection", "ray-mask")]
    groups = by_task_and_learner(shuffled)
    assert list(groups) == [
        (task, learner) for task in ("pendulum", "quadrotor") for learner in ("ppo", "shac")
    ]
    assert [cell for cells in groups.values() for cell in cells] == ordered(shuffled)


def test_the_largest_come_first_and_equals_keep_their_order():
    cells = [
        make(seeds=2, suite="a"),
        make(seeds=3, suite="b"),
        make(seeds=1, interactions=300_000, suite="c"),
    ]
    assert [cell.suite for cell in largest_first(cells)] == ["b", "c", "a"]
