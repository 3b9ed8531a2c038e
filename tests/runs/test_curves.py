"""From what evaluations saw to the columns of a result: shares, times and switches are exact."""

import numpy as np
import pytest
from tiny_cells import tiny

from safebench.env.evaluate import Evaluation
from safebench.env.safety import Safety
from safebench.learning.learner import Progress
from safebench.record import submission
from safebench.record.result import Equality
from safebench.runs import curves
from safebench.runs.prepare import evaluation_of, prepare

SEEDS, STARTS, GOALS = 2, 4, 2
ARRIVALS = np.zeros((3, SEEDS, STARTS, GOALS), np.int32)  # points, seeds
ARRIVALS[1, 0, 0, 1] = 5
ARRIVALS[1, 1, :2] = 16
ARRIVALS[2, 0] = [[1, 2], [3, 4], [5, 6], [7, 8]]
ARRIVALS[2, 1, 2] = [0, 10]
VIOLATED = np.zeros((3, SEEDS, STARTS), bool)
VIOLATED[0, 0, :3] = VIOLATED[1, 1, 0] = True
SWITCHES = np.array([[3, 0], [2, 1], [0, 4]], np.int32)


def safety(steps, violations, switches):
    zero = np.zeros(SEEDS, np.int32)
    return Safety(
        steps=zero + steps,
        violations=zero + violations,
        departures=zero + violations,
        infeasible=zero,
        last_line=zero,
        interventions=zero,
        non_finite=zero,
        switches=zero + switches,
        correction=np.zeros(SEEDS),
        worst_margin=np.where(violations, 0.5, -0.5),
    )


def points(steps, episodes_steps, arrivals=ARRIVALS):
    zero = np.zeros(SEEDS)
    return [
        curves.Point(
            Progress(safety(steps, 0 * zero, SWITCHES[at]), zero, zero, zero, zero.astype(int)),
            Evaluation(
                returns=np.arange(SEEDS * STARTS, dtype=float).reshape(SEEDS, STARTS) - at,
                reference_return=zero,
                safety=safety(episodes_steps, VIOLATED[at].sum(axis=1), 2 * SWITCHES[at]),
                violated=VIOLATED[at],
                arrivals=arrivals[at],
            ),
        )
        for at in range(3)
    ]


EQUAL = Equality(40, 0.25, 0.5)


@pytest.fixture(scope="module")
def prepared():
    return prepare(tiny("none"))


def made(prepared, **changes):
    updates, steps = 1, prepared.learner.interactions
    seen = points(steps, (STARTS + 1) * evaluation_of(prepared).horizon, **changes)
    return curves.result_of(prepared, True, EQUAL, seen, updates, [1.0, 2.0, 3.0], 1.0, 0.5)


def test_the_columns_of_a_result_are_what_the_episodes_gave(prepared):
    result = made(prepared)
    assert list(submission.consistency(result)) == []
    first, second = (run.curve for run in result.runs)
    period = prepared.task.control_period
    assert first.success == (0.0, 1 / 8, 1.0)
    assert second.success == (0.0, 4 / 8, 1 / 8)
    assert first.time_to_goal == (None, pytest.approx(5 * period), pytest.approx(4.5 * period))
    assert second.time_to_goal == (None, pytest.approx(16 * period), pytest.approx(10 * period))
    assert (first.violated, second.violated) == ((0.75, 0.0, 0.0), (0.0, 0.25, 0.0))
    assert first.training.switches == (3, 5, 5)  # since the start
    assert second.evaluation.switches == (0, 2, 8)  # of each evaluation
    assert result.runs[1].final.success == 1 / 8
    assert result.runs[1].final.violated == 0.0


def test_without_a_goal_the_columns_are_null(prepared):
    result = made(prepared, arrivals=ARRIVALS[..., :0])
    assert list(submission.consistency(result)) == []
    for run in result.runs:
        assert run.curve.success is run.curve.time_to_goal is run.final.success is None
        assert run.curve.violated is not None


def test_what_a_live_table_shows_is_of_all_seeds_together():
    seen = curves.evaluated(points(8, 80)[:2], 0.1)
    assert seen.success == 5 / 16
    assert seen.time_to_goal == pytest.approx(0.1 * (5 + 4 * 16) / 5)
    assert seen.violated == 1 / 8
    assert seen.training.switches == 6
    assert seen.evaluation.switches == 6
    none = curves.evaluated(points(8, 80, ARRIVALS[..., :0]), 0.1)
    assert np.isnan(none.success)
    assert np.isnan(none.time_to_goal)
