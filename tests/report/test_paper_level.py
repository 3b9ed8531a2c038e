"""Interactions to the paper's final return: counted at evaluations, over the runs that come there."""

import dataclasses

import numpy as np
import pytest
from synthetic_results import SMALL, make

from safebench.report import paper, paper_level

PAPER = paper.load()
THEIRS = PAPER.cell("pendulum", "ray-mask", "shac")
LEVEL = np.mean(THEIRS.returns)


def cell(*curves, **names):
    made = make(**(SMALL | {"safeguard": "ray-mask", "points": 3, "seeds": len(curves)} | names))
    runs = [
        dataclasses.replace(
            run, curve=dataclasses.replace(run.curve, interactions=(0, 10, 20), reference_return=curve)
        )
        for run, curve in zip(made.runs, curves, strict=True)
    ]
    return dataclasses.replace(made, runs=tuple(runs))


def test_the_level_is_the_papers_mean_and_may_be_lost_again():
    below, at = LEVEL - 1, LEVEL
    (row,) = paper_level.paper_level(
        [cell((below, at, at), (below, below, at), (at, below, below))], PAPER
    ).rows
    assert row[:3] == ("pendulum", "shac", "ray-mask")
    assert row[3] == pytest.approx(LEVEL)
    assert row[4:6] == (100.0, 10.0)
    assert min(THEIRS.interactions_to_95) <= row[6] <= max(THEIRS.interactions_to_95)


def test_steps_are_said_where_half_of_the_runs_come_there():
    never, late = (LEVEL - 1,) * 3, (LEVEL - 1, LEVEL - 1, LEVEL)
    (row,) = paper_level.paper_level([cell(never, late)], PAPER).rows
    assert row[4:6] == (50.0, 20.0)
    (row,) = paper_level.paper_level([cell(never, never, late)], PAPER).rows
    assert row[4] == pytest.approx(100 / 3)
    assert row[5] is None
    (row,) = paper_level.paper_level([cell(never, (LEVEL - 1, None, None))], PAPER).rows
    assert row[4:6] == (0.0, None)


def test_what_the_paper_does_not_have_is_left_out():
    assert not paper_level.paper_level([cell((0.0, 0.0, 0.0), task="cartpole")], PAPER).rows
