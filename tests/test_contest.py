"""Learners side by side: the level, who comes to it, and how soon."""

import dataclasses

import pytest
from synthetic_results import make

from safebench import contest, reference


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
    first, second = contest.contest([fast, slow], reference.load()).rows
    if first[2] != "shac":
        first, second = second, first
    assert first[3].value == -100.0  # so the level is -105
    assert (first[4], first[5:]) == (None, (100.0, 15.0))
    assert second[5] == pytest.approx(100 / 3)
    assert second[6] is None  # fewer than half of the runs
    assert not contest.contest([fast], reference.load()).rows
