"""The paper's five tables from our results."""

import dataclasses

import pytest
from synthetic_results import SMALL, grid, make

from safebench.report import paper, stats, tables


def test_unguarded_table_has_our_figures_beside_the_papers():
    archive = paper.load()
    table = tables.unguarded(grid(), archive)
    (row,) = [row for row in table.rows if row[:2] == ("pendulum", "shac")]
    cell = grid()[3]
    assert cell.title == "pendulum/none--shac"
    assert row[2] == stats.iqm_interval([run.final.reference_return for run in cell.runs])
    theirs = archive.cell("pendulum", "none", "shac")
    assert row[3] == stats.iqm_interval(theirs.returns)
    assert row[3].value == pytest.approx(-8.79, abs=0.01)
    assert row[6] == pytest.approx(20.0)  # 0.02 violations a step


def test_guarded_table_counts_interventions_of_training_alone():
    """So that an experiment with more evaluations, which see the trained policy, does not seem another."""
    cell = make(safeguard="ray-mask", **SMALL)
    (row,) = tables.guarded([cell], paper.load()).rows
    run = cell.runs[0]
    assert row[7] == pytest.approx(100 * run.training.interventions / run.training.steps)
    evaluated = run.evaluation.interventions / run.evaluation.steps
    assert row[7] != pytest.approx(100 * evaluated)  # the control
    assert row[8] == 0


def test_centres_are_compared_only_where_there_are_two():
    rows = tables.centres(grid(), paper.load()).rows
    assert [row[:4] for row in rows] == [
        ("pendulum", "shac", "ray-mask", "certificate"),
        ("pendulum", "shac", "ray-mask", "orthogonal"),
    ]


def test_overhead_is_relative_to_no_safeguard_on_the_same_device():
    unguarded, guarded = make(safeguard="none", seconds=20.0), make(safeguard="ray-mask", seconds=24.0)
    assert tables.overhead(guarded, [unguarded, guarded]) == pytest.approx(1.2)
    elsewhere = dataclasses.replace(unguarded.provenance, device="another machine")
    moved = dataclasses.replace(unguarded, provenance=elsewhere)
    assert tables.overhead(guarded, [moved, guarded]) is None
    assert tables.overhead(guarded, [make(safeguard="none", learner="ppo"), guarded]) is None


def test_stuck_runs():
    assert tables.count_stuck([-8.0, -8.1, -8.2, -400.0], first=-500.0) == 1
    assert tables.count_stuck([-8.0, -8.1, -8.2, None], first=-500.0) == 1
    assert tables.count_stuck([-8.0, -8.1, -8.2, -200.0], first=-500.0) == 0
    assert tables.count_stuck([-1000.0, -900.0], first=-20.0) == 2  # collapsed
    assert tables.count_stuck([None, None], first=-20.0) == 2
    # The archive: SAC with boundary projection on the pendulum unlearned in every run.
    collapsed = paper.load().cell("pendulum", "boundary-projection", "sac")
    assert tables.count_stuck(collapsed.returns, collapsed.first_return) == 10
