"""Safeguards told apart: by intervals that do not meet, of whatever sign and order."""

import dataclasses

import pytest
from synthetic_results import SMALL, make

from safebench.report import discrimination
from safebench.report.stats import Estimate


def cell(safeguard, final, task="pendulum", learner="shac", certified=True):
    made = make(task=task, safeguard=safeguard, learner=learner, final=final, **SMALL)
    record = dataclasses.replace(made.safeguard, certified=certified)
    return dataclasses.replace(made, safeguard=record)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, -1, 1), (3, 2, 4), True),
        ((3, 2, 4), (0, -1, 1), True),
        ((0, -1, 1), (1.5, 1, 2), False),  # they touch
        ((0, -5, 5), (0, -1, 1), False),
    ],
)
def test_intervals_that_meet_are_not_disjoint(first, second, expected):
    assert discrimination.disjoint(Estimate(*first), Estimate(*second)) == expected


def test_the_share_of_pairs_and_the_extremes():
    near, also, far = (
        cell("ray-mask", -8.4),
        cell("boundary-projection", -8.4),
        cell("ray-mask+passthrough", -50.0),
    )
    unguarded = cell("none", 5000.0, certified=False)
    (row,) = discrimination.discrimination([near, also, far, unguarded]).rows
    assert row[:3] == ("pendulum", "shac", 3)
    assert row[3] == pytest.approx(100 * 2 / 3)
    assert row[4] in ("ray-mask", "boundary-projection")
    assert row[5:] == ("ray-mask+passthrough", "yes")
    (row,) = discrimination.discrimination([near, also, unguarded]).rows
    assert row[3] == 0
    assert row[-1] == "no"


def test_safeguards_that_are_not_certified_are_compared_but_win_nothing():
    two = [cell("ray-mask", -8.4), cell("cbf-qp", 100.0, certified=False)]
    (row,) = discrimination.discrimination(two).rows
    assert row[2:] == (2, 100.0, None, None, None)


def test_learners_and_tasks_are_not_mixed():
    cells = [
        cell("ray-mask", -8.4),
        cell("boundary-projection", -50.0, learner="ppo"),
        cell("replacement", -50.0, task="quadrotor"),
    ]
    assert not discrimination.discrimination(cells).rows
