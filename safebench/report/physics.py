"""The same cells with different physics: whether what was learnt depends on which of them computed it."""

from collections.abc import Sequence
from itertools import combinations

from safebench.record.result import Result
from safebench.report.cost import difference
from safebench.report.discrimination import disjoint
from safebench.report.selection import largest_first, ordered
from safebench.report.stats import iqm_interval
from safebench.report.table import Entry, Table
from safebench.report.tables import returns_at

NOTE = (
    "The same cell, settings and interactions, with two implementations of dynamics. Return: IQM over runs "
    "with 95 % bootstrap interval. Difference: of the second to the first, with the interval of the "
    "difference. Overlap: whether the intervals of the returns meet."
)


def physics(results: Sequence[Result]) -> Table:
    """Every pair of results of one cell that differ in their physics; of each physics the largest result."""
    groups: dict[object, dict[str, Result]] = {}
    for result in ordered(largest_first(results)):
        groups.setdefault(_same(result), {}).setdefault(result.physics, result)
    rows: list[tuple[Entry, ...]] = []
    for group in groups.values():
        for first, second in combinations(sorted(group.values(), key=lambda each: each.physics), 2):
            returns = [iqm_interval(returns_at(each, -1)) for each in (first, second)]
            rows.append(
                (
                    *(first.task.name, first.learner.name, first.safeguard.name),
                    f"{first.physics}, {second.physics}",
                    f"{len(first.runs)}, {len(second.runs)}",
                    *(*returns, difference(second, first), "no" if disjoint(*returns) else "yes"),
                )
            )
    header = (
        *("task", "learner", "safeguard", "physics", "runs", "return: first", "second"),
        *("difference", "overlap"),
    )
    return Table("physics", "The same cells with different physics", header, tuple(rows), NOTE)


def _same(result: Result) -> object:
    """What two results share that may be held against each other."""
    protocol = (result.evaluation.episodes, result.evaluation.horizon)
    trained = (result.task, result.safeguard, result.learner, result.interactions, result.precision)
    return repr((trained, protocol))
