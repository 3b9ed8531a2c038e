"""Learners side by side: who comes to the level and how soon; safeguards against none: who wins."""

import dataclasses

import numpy as np
import pytest
from synthetic_results import SMALL, make

from safebench.report import comparisons, paper


def test_learners_race_to_the_level_of_the_best():
    def cell(learner, curves):
        made = make(task="cartpole", safeguard="none", learner=learner, points=3, seeds=len(curves))
        runs = [
            dataclasses.replace(
                run,
                curve=dataclasses.replace(
                    run.curve, interactions=(0, 10, 20), return_mean=curve, reference_return=None
                ),
            )
            for run, curve in zip(made.runs, curves, strict=True)
        ]
        return dataclasses.replace(made, runs=tuple(runs))

    fast = cell("shac", [(-900.0, -104.0, -100.0), (-900.0, -106.0, -100.0)])
    slow = cell("ppo", [(-900.0, -300.0, -105.0), (-900.0, -300.0, None), (-900.0, -300.0, -200.0)])
    first, second = comparisons.contest([fast, slow], paper.load()).rows
    if first[2] != "shac":
        first, second = second, first
    assert first[3].value == -100.0  # so the level is -105
    assert (first[4], first[5:]) == (None, (100.0, 15.0))
    assert second[5] == pytest.approx(100 / 3)
    assert second[6] is None  # fewer than half of the runs
    assert not comparisons.contest([fast], paper.load()).rows


def test_improvement_is_the_share_of_pairs_won():
    def cell(safeguard, task, shift):
        made = make(task=task, safeguard=safeguard, learner="shac", final=-100.0 + shift, **SMALL)
        return made, [(r.curve.reference_return or r.curve.return_mean)[-1] for r in made.runs]

    built = [cell("none", "pendulum", 0), cell("ray-mask", "pendulum", 0), cell("ray-mask", "cartpole", 5)]
    (row,) = comparisons.improvement([made for made, _ in built], paper.load()).rows
    pairs = [(a > b) + 0.5 * (a == b) for a in built[1][1] for b in built[0][1]]
    assert row[:3] == ("shac", "ray-mask", "pendulum")  # no unguarded cartpole: it does not enter
    assert row[3].value == pytest.approx(np.mean(pairs))
    assert row[3].low <= row[3].value <= row[3].high
    assert 0 <= row[4].value <= 1
    always = cell("ray-mask", "pendulum", 500)[0]
    (row,) = comparisons.improvement([built[0][0], always], paper.load()).rows
    assert tuple(row[3]) == (1.0, 1.0, 1.0)
