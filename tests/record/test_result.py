"""Results: totals, finals and promises follow from the curves."""

import dataclasses

import pytest
from synthetic_results import columns, curve, make

from safebench.record import result


def test_totals_and_finals_follow_from_the_curve():
    run = make(safeguard="none", seeds=1).runs[0]
    assert run.training.steps == run.curve.training.steps[-1] == 100_000
    assert run.training.violations == run.curve.training.violations[-1] > 0
    assert run.evaluation.steps == sum(run.curve.evaluation.steps)
    assert run.evaluation.violations == sum(run.curve.evaluation.violations)
    assert run.evaluation.correction == pytest.approx(sum(run.curve.evaluation.correction))
    assert run.training.worst_margin == max(m for m in run.curve.training.worst_margin if m is not None)
    assert run.final.return_mean == run.curve.return_mean[-1]
    assert run.final.reference_return == run.curve.reference_return[-1]
    assert run.final.violated == run.curve.violated[-1] > 0
    assert run.final.success is run.final.time_to_goal is None


def test_where_there_is_a_goal_its_last_success_and_time_are_final():
    cell = make(seeds=1, success=0.5)
    run = cell.runs[0]
    assert cell.has_goal
    assert (run.final.success, run.final.time_to_goal) == (0.5, 7.0)
    assert (run.curve.success[0], run.curve.time_to_goal[0]) == (0.0, None)
    assert run.training.switches == run.curve.training.switches[-1] == 40_000
    assert not make(seeds=1).has_goal


def test_no_steps_means_no_margin():
    counted = result.total(columns([0]))
    assert counted.worst_margin is None
    assert counted.steps == 0


def test_non_finite_seeds_are_named():
    good, bad = curve(0), curve(1)
    bad = dataclasses.replace(bad, return_mean=(*bad.return_mean[:-1], None))
    runs = (result.make_run(4, good), result.make_run(7, bad))
    assert result.non_finite_seeds(runs) == (7,)
    assert runs[1].final.interactions_to_95 is None


def test_column_turns_what_is_not_finite_into_none():
    assert result.column([1.5, float("nan"), float("-inf")]) == (1.5, None, None)
    assert result.column([1, 2]) == (1, 2)
    assert all(type(value) is int for value in result.column([1, 2]))


COUNTED = result.Counters(
    steps=100,
    violations=1,
    departures=2,
    infeasible=3,
    last_line=4,
    interventions=50,
    non_finite=5,
    correction=0.5,
    worst_margin=-0.2,
    switches=7,
)


def test_failures_are_what_a_proof_makes_zero():
    assert COUNTED.failures == 1 + 2 + 3 + 4 + 5
    for name in result.PROVEN_ZERO:
        others = dict.fromkeys(set(result.PROVEN_ZERO) - {name}, 0)
        assert dataclasses.replace(COUNTED, **others).failures == getattr(COUNTED, name) > 0
    safe = dataclasses.replace(COUNTED, **dict.fromkeys(result.PROVEN_ZERO, 0))
    assert safe.failures == 0  # interventions and corrections are no failures


def test_together_sums_and_keeps_the_largest_margin():
    other = dataclasses.replace(COUNTED, steps=1, correction=0.25, worst_margin=0.3)
    both = result.together([COUNTED, other])
    assert (both.steps, both.violations, both.interventions, both.switches) == (101, 2, 100, 14)
    old = dataclasses.replace(COUNTED, switches=None)
    assert result.together([COUNTED, old]).switches is None
    assert (both.correction, both.worst_margin) == (0.75, 0.3)
    assert result.together([COUNTED]) == COUNTED
    unknown = dataclasses.replace(COUNTED, correction=None, worst_margin=None)
    assert result.together([COUNTED, unknown]).correction is None
    assert result.together([COUNTED, unknown]).worst_margin == -0.2
    nothing = result.together([])
    assert (nothing.steps, nothing.failures, nothing.correction, nothing.worst_margin) == (0, 0, 0.0, None)


def test_the_entries_of_a_curve_are_its_columns_row_by_row():
    made = curve(0, guarded=False).training
    rows = result.entries(made)
    assert len(rows) == len(made.steps)
    for field in dataclasses.fields(result.Counters):
        assert tuple(getattr(row, field.name) for row in rows) == getattr(made, field.name)


def test_a_result_counts_training_and_evaluation_of_every_seed():
    cell = make(safeguard="none", seeds=2)
    parts = [part for run in cell.runs for part in (run.training, run.evaluation)]
    assert cell.counted.steps == sum(part.steps for part in parts)
    assert cell.counted.violations == sum(part.violations for part in parts) > 0
    assert cell.counted.worst_margin == max(part.worst_margin for part in parts)


@pytest.mark.parametrize("group", ["training", "evaluation"])
@pytest.mark.parametrize("name", result.PROVEN_ZERO)
def test_one_failure_breaks_the_promise_of_a_certified_cell(group, name):
    cell = make(seeds=2)
    assert not cell.broken_promise
    last = cell.runs[1]
    counted = dataclasses.replace(getattr(last, group), **{name: 1})
    broken = dataclasses.replace(cell, runs=(cell.runs[0], dataclasses.replace(last, **{group: counted})))
    assert broken.broken_promise
    for change in ({"certificate": None}, {"certificate": result.CertificateRecord("ab" * 32, False)}):
        assert not dataclasses.replace(broken, **change).broken_promise  # nothing was promised
    uncertified = dataclasses.replace(broken.safeguard, certified=False)
    assert not dataclasses.replace(broken, safeguard=uncertified).broken_promise
