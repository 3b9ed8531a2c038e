"""Results of one cell with different physics, side by side."""

import dataclasses

import pytest
from synthetic_results import SMALL, make

from safebench.record.result import Evaluation
from safebench.report.physics import physics


def test_a_pair_that_agrees_and_one_that_does_not():
    (row,) = physics([make(physics="mjx", **SMALL), make(physics="compiled", suite="paper", **SMALL)]).rows
    assert row[:5] == ("pendulum", "shac", "ray-mask", "compiled, mjx", "4, 4")
    assert row[7].value == 0
    assert row[7].low <= 0 <= row[7].high
    assert row[8] == "yes"
    (row,) = physics([make(physics="mjx", **SMALL), make(physics="compiled", final=-50.0, **SMALL)]).rows
    assert row[5].value < row[6].value  # compiled, mjx
    assert row[7].value == pytest.approx(row[6].value - row[5].value)
    assert row[7].low > 0
    assert row[8] == "no"


@pytest.mark.parametrize(
    "other",
    [
        make(physics="mjx", **SMALL),
        make(physics="compiled", safeguard="none", **SMALL),
        make(physics="compiled", learner="ppo", **SMALL),
        make(physics="compiled", interactions=50_000, **SMALL),
        dataclasses.replace(make(physics="compiled", **SMALL), precision="float32"),
        make(physics="compiled", evaluation=Evaluation(64, 120, 20), **SMALL),
    ],
)
def test_what_differs_in_more_or_in_less_than_its_physics_is_no_pair(other):
    assert not physics([make(physics="mjx", **SMALL), other]).rows


def test_of_each_physics_the_largest_result_is_shown():
    small = make(physics="mjx", points=4, seeds=2)
    (row,) = physics([small, make(physics="compiled", **SMALL), make(physics="mjx", **SMALL)]).rows
    assert row[4] == "4, 4"
