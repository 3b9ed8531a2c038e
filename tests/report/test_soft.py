"""The table of soft constraints: violations before and after convergence, counted run by run."""

import dataclasses

import pytest
from synthetic_results import SMALL, columns, make

from safebench.record import files, result
from safebench.report import report, soft


def cell(learner, cost_limit, runs, safeguard="none"):
    """A cell whose runs have these (returns, violations in training so far, violations when evaluated)."""
    made = make(safeguard=safeguard, learner=learner, seeds=len(runs), points=3)
    steps = (100, 200, 400)
    changed = [
        result.make_run(
            run.seed,
            dataclasses.replace(
                run.curve,
                interactions=steps,
                return_mean=returns,
                reference_return=None,
                training=columns(steps, training),
                evaluation=columns(3 * (EVALUATED,), evaluated),
            ),
        )
        for run, (returns, training, evaluated) in zip(made.runs, runs, strict=True)
    ]
    record = dataclasses.replace(made.learner, config={"cost_limit": cost_limit})
    return dataclasses.replace(made, runs=tuple(changed), learner=record)


EVALUATED = 64 * 240  # steps of every evaluation
EARLY = ((-50.0, -10.2, -10.0), (30, 40, 50), (7, 5, 3))  # 95 % at 200 steps
LATE = ((-50.0, -40.0, -10.0), (10, 20, 60), (9, 9, 1))  # at the end: no step after it
DIVERGED = ((-50.0, -40.0, None), (0, 0, 0), (0, 0, 0))


def test_violations_before_and_after_the_point_of_95_percent():
    assert soft.rates(cell("a", 0.01, [EARLY])) == (
        1000 * 40 / 200,
        1000 * 10 / 200,
        1000 * 3 / EVALUATED,
    )
    both = soft.rates(cell("a", 0.01, [EARLY, LATE]))
    assert both == pytest.approx((1000 * (40 + 60) / (200 + 400), 1000 * 10 / 200, 2000 / EVALUATED))
    assert soft.rates(cell("a", 0.01, [LATE])) == (150.0, None, 1000 / EVALUATED)
    assert soft.rates(cell("a", 0.01, [DIVERGED])) == (0.0, None, 0.0)


def test_the_table_has_the_tasks_with_a_soft_constraint_and_all_their_cells():
    lagrangian = cell("ppo-lagrangian", 0.025, [EARLY, LATE])
    plain = cell("ppo", None, [EARLY])
    elsewhere = dataclasses.replace(plain, task=dataclasses.replace(plain.task, name="cartpole"))
    table = soft.soft([lagrangian, plain, elsewhere])
    assert [row[:4] for row in table.rows] == [
        ("pendulum", "none", "ppo", None),
        ("pendulum", "none", "ppo-lagrangian", 25.0),
    ]
    assert table.rows[1][5] == 50 + 60
    assert not soft.soft([plain, elsewhere]).rows


def test_a_report_has_the_table_where_it_applies(tmp_path):
    for learner, limit in (("ppo", None), ("ppo-lagrangian", 0.01)):
        made = make(safeguard="none", learner=learner, **SMALL)
        record = dataclasses.replace(made.learner, config={"cost_limit": limit})
        folder = tmp_path / learner
        path = files.cell_path(folder, "pendulum", "none", learner)
        files.write(dataclasses.replace(made, learner=record), path)
        report.write(folder)
        assert ("## Soft constraints" in (folder / "report" / "tables.md").read_text()) == (limit is not None)
