"""What keeping constraints softly costs: violations before and after convergence, and at the end."""

from collections.abc import Sequence

import numpy as np

from safebench.record.reached import interactions_to_final
from safebench.record.result import CounterColumns, Result, Run
from safebench.report import stats
from safebench.report.selection import ordered
from safebench.report.table import Entry, Table
from safebench.report.tables import returns_at

NOTE = (
    "Limit: violations per 1000 training steps that the learner's constraint allows; none without one. "
    "Return: as in the other tables. Violations: of all seeds in training. Before and after: per 1000 "
    "training steps until the evaluation at which 95 % of a run's final return are first reached, and from "
    "there on; evaluated: per 1000 steps of the last evaluation, without exploration. Runs count by steps."
)


def soft(results: Sequence[Result]) -> Table:
    """Soft constraints beside none and beside certified safeguards, on the tasks that have a soft one."""
    tasks = {result.task.name for result in results if limit(result) is not None}
    rows: list[tuple[Entry, ...]] = []
    for result in ordered([result for result in results if result.task.name in tasks]):
        allowed = limit(result)
        rows.append(
            (
                *(result.task.name, result.safeguard.name, result.learner.name),
                None if allowed is None else 1000 * allowed,
                stats.iqm_interval(returns_at(result, -1)),
                sum(run.training.violations for run in result.runs),
                *rates(result),
            )
        )
    header = (
        *("task", "safeguard", "learner", "limit", "return", "violations"),
        *("before", "after", "evaluated"),
    )
    return Table("soft", "Soft constraints", header, tuple(rows), NOTE)


def limit(result: Result) -> float | None:
    """The share of violating steps that the learner's constraint allows; None: it has no constraint."""
    found = result.learner.config.get("cost_limit")
    return float(found) if isinstance(found, int | float) else None


def rates(result: Result) -> tuple[float | None, float | None, float | None]:
    """Violations per 1000 steps of all runs: before convergence, after it, and of the last evaluation.

    None where there are no such steps: a run that converges at its last evaluation has none after it.
    """
    training = [run.curve.training for run in result.runs]
    ends = [len(columns.steps) - 1 for columns in training]
    reached = [_converged(run) for run in result.runs]
    before = [_counts(columns, at) for columns, at in zip(training, reached, strict=True)]
    after = [
        _counts(columns, end) - _counts(columns, at)
        for columns, at, end in zip(training, reached, ends, strict=True)
    ]
    evaluated = [_counts(run.curve.evaluation, end) for run, end in zip(result.runs, ends, strict=True)]
    return _rate(before), _rate(after), _rate(evaluated)


def _converged(run: Run) -> int:
    """The evaluation at which 95 % of the final return are first reached; the last, if it diverged."""
    at = interactions_to_final(run.curve.interactions, run.curve.return_mean)
    return run.curve.interactions.index(at) if at is not None else len(run.curve.interactions) - 1


def _counts(columns: CounterColumns, at: int) -> np.ndarray:
    return np.array([columns.violations[at], columns.steps[at]])


def _rate(counts: Sequence[np.ndarray]) -> float | None:
    violations, steps = np.sum(counts, axis=0)
    return float(1000 * violations / steps) if steps else None
