"""What safety costs: the difference to the same learner on the same task without a safeguard."""

import dataclasses

import numpy as np
import pytest
from synthetic_results import SMALL, make

from safebench.report import cost
from safebench.report.tables import returns


def final(result):
    return np.sort([returns(run)[-1] for run in result.runs])


def test_the_gain_is_the_difference_of_interquartile_means():
    guarded = make(safeguard="ray-mask", final=-20.0, **SMALL)
    unguarded = make(safeguard="none", final=-8.0, **SMALL)
    (row,) = cost.cost([guarded, unguarded]).rows
    assert row[:3] == ("pendulum", "shac", "ray-mask")
    expected = final(guarded)[1:3].mean() - final(unguarded)[1:3].mean()
    assert row[3].value == pytest.approx(expected)
    assert row[3].low <= expected <= row[3].high < 0
    steps = sum(run.training.steps for run in unguarded.runs)
    assert row[5] == 0
    assert row[6] == pytest.approx(1000 * sum(run.training.violations for run in unguarded.runs) / steps) != 0


def test_without_the_same_learner_unguarded_there_is_nothing_to_compare():
    guarded = make(safeguard="ray-mask", **SMALL)
    assert not cost.cost([guarded, make(safeguard="none", learner="ppo", **SMALL)]).rows
    assert not cost.cost([guarded, make(safeguard="none", task="quadrotor", **SMALL)]).rows


def test_runs_that_diverged_count_as_the_worst():
    guarded = make(safeguard="ray-mask", **SMALL)
    runs = tuple(
        dataclasses.replace(
            run,
            curve=dataclasses.replace(
                run.curve, reference_return=None, return_mean=(*run.curve.return_mean[:-1], None)
            ),
        )
        for run in guarded.runs
    )
    diverged = dataclasses.replace(guarded, runs=runs)
    (row,) = cost.cost([diverged, make(safeguard="none", **SMALL)]).rows
    assert row[3].value == -np.inf
    both = dataclasses.replace(make(safeguard="none", **SMALL), runs=runs)
    (row,) = cost.cost([diverged, both]).rows
    assert tuple(row[3]) == (0, 0, 0)
