"""The table of what tunings reached."""

import dataclasses
import math

import synthetic_results

from safebench.record.tuning import Reached, Try, Tuning
from safebench.report.tuning import tunings


def record(task, learner, returns, chosen):
    """returns: of every try, by safeguard, of every seed."""
    tries = tuple(
        Try({"window": index}, tuple(Reached(name, seeds, 0) for name, seeds in each.items()))
        for index, each in enumerate(returns)
    )
    provenance = synthetic_results.make().provenance
    return Tuning(
        task, learner, (1000, 1001), 100, "compiled", {"window": [0, 1, 2]}, tries, chosen, provenance
    )


def test_returns_are_means_over_seeds_and_close_ones_are_counted():
    tries = [
        {"none": (-10.0, -12.0), "ray-mask": (-20.0, -20.0)},
        {"none": (-11.0, -12.0), "ray-mask": (-10.0, -10.0)},  # -11.5: within 5 % of -11
        {"none": (-50.0, -60.0), "ray-mask": (-10.4, -10.4)},
    ]
    other = record("energy", "sac", tries[:1], 0)
    table = tunings([record("pendulum", "shac", tries, 1), other])
    assert table.rows == (
        ("energy", "sac", "none", 1, -11.0, -11.0, -11.0, 1),
        ("energy", "sac", "ray-mask", 1, -20.0, -20.0, -20.0, 1),
        ("pendulum", "shac", "none", 3, -11.5, -11.0, -11.5, 2),
        ("pendulum", "shac", "ray-mask", 3, -10.0, -10.0, -10.4, 2),
    )


def test_a_try_with_a_seed_that_is_not_finite_is_no_close_one():
    tries = [{"none": (1.0, None)}, {"none": (-5.0, -5.0)}, {"none": (-5.2, -5.2)}]
    found = record("pendulum", "shac", tries, 1)
    (row,) = tunings([found]).rows
    assert row[3:] == (3, -5.0, -5.0, -5.2, 2)
    (alone,) = tunings([dataclasses.replace(found, tries=found.tries[:1], chosen=0)]).rows
    assert (alone[4], alone[-1]) == (-math.inf, 0)
