"""What safety cost in return, and what its absence cost in violations."""

from collections.abc import Sequence

from safebench.record.result import Result
from safebench.report import stats
from safebench.report.selection import ordered
from safebench.report.stats import Estimate
from safebench.report.table import Entry, Table
from safebench.report.tables import returns_at

NOTE = (
    "Gain: the return (IQM over runs at the end of training) less that of the same learner without a "
    "safeguard, with the 95 % bootstrap interval of the difference; below 0 the safeguard costs return. "
    "Interventions: share of the training steps. Violations: per 1000 of them. Without a safeguard no "
    "constraint is kept, so that its return may be one that no safe policy has."
)


def cost(results: Sequence[Result]) -> Table:
    """Every cell of a task and learner that has one without a safeguard."""
    unguarded = {_names(result): result for result in results if result.safeguard.name == "none"}
    rows: list[tuple[Entry, ...]] = []
    for result in ordered(results):
        base = unguarded.get(_names(result))
        if base is not None and base is not result:
            rows.append(
                (
                    *(*_names(result), result.safeguard.name),
                    difference(result, base),
                    100 * result.intervened,
                    violations(result),
                    violations(base),
                )
            )
    header = ("task", "learner", "safeguard", "gain", "interventions %", "violations", "unguarded violations")
    return Table("cost", "What safety costs", header, tuple(rows), NOTE)


def difference(result: Result, base: Result) -> Estimate:
    """Of the interquartile means of the final returns."""

    def between(both: list[stats.Scores]) -> float:
        first, second = (float(stats.iqm(runs)) for runs in both)
        return 0.0 if first == second else first - second  # both diverged

    return stats.bootstrap(between, [stats.scores(returns_at(each, -1)) for each in (result, base)])


def violations(result: Result) -> float:
    """Per 1000 steps of training."""
    steps = max(1, sum(run.training.steps for run in result.runs))
    return 1000 * sum(run.training.violations for run in result.runs) / steps


def _names(result: Result) -> tuple[str, str]:
    return result.task.name, result.learner.name
