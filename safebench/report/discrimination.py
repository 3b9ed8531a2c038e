"""Which tasks tell safeguards apart."""

from collections.abc import Sequence
from itertools import combinations

from safebench.record.result import Result
from safebench.report.selection import ordered
from safebench.report.stats import Estimate, iqm_interval
from safebench.report.table import Entry, Table
from safebench.report.tables import returns_at

NOTE = (
    "Disjoint: share of the pairs of safeguards whose 95 % bootstrap intervals of the return (IQM over runs, "
    "at the end of training) do not meet. Apart: whether those of the best and of the worst certified "
    "safeguard do not."
)


def discrimination(results: Sequence[Result]) -> Table:
    """Every task and learner that at least two safeguards have; `none` is no safeguard."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in ordered(results):
        if result.safeguard.name != "none":
            groups.setdefault((result.task.name, result.learner.name), []).append(result)
    rows: list[tuple[Entry, ...]] = []
    for names, group in groups.items():
        if len(group) > 1:
            found = {result.safeguard.name: iqm_interval(returns_at(result, -1)) for result in group}
            pairs = [disjoint(*pair) for pair in combinations(found.values(), 2)]
            certified = [result.safeguard.name for result in group if result.certified]
            rows.append(
                (*names, len(group), 100 * sum(pairs) / len(pairs), *_extremes(found, certified)),
            )
    header = ("task", "learner", "safeguards", "disjoint %", "best certified", "worst certified", "apart")
    return Table("discrimination", "Safeguards told apart", header, tuple(rows), NOTE)


def disjoint(first: Estimate, second: Estimate) -> bool:
    """Whether two intervals do not meet."""
    return first.low > second.high or second.low > first.high


def _extremes(found: dict[str, Estimate], certified: Sequence[str]) -> tuple[Entry, ...]:
    if len(certified) < 2:
        return None, None, None
    best, worst = (pick(certified, key=lambda name: found[name].value) for pick in (max, min))
    return best, worst, "yes" if disjoint(found[best], found[worst]) else "no"
